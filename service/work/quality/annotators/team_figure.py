"""The figure `team`, made from its facts: how each annotator does, and the images on which somebody differs.

In: the facts, and what the rule that pauses found. Out: one figure. An image about which somebody is still asked is not
shown, for it may be blind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from db.views import label_audit
from db.views.label_audit import Place
from labeling.estimates import Estimate
from labeling.quality.annotators.anchoring import Anchoring
from labeling.quality.annotators.pausing import Finding
from labeling.quality.annotators.performance import AnnotatorFigures, Drift, Times, describe
from labeling.quality.annotators.references import Answer, Votes, collect_votes, reference_of
from labeling.quality.metrics import share
from service.figures.estimates import Known, exactly, known, rounded
from service.figures.team import Difference, Found, OneClass, Person, Sessions, Team
from service.figures.team import Times as Pace
from service.work.quality.annotators.facts import Facts

__all__ = ["found_of", "team_of"]

MOST_DIFFERENCES = 12


def team_of(session: Session, facts: Facts, found: Sequence[Finding]) -> Team:
    """The figure: each annotator with what the rule found, and the newest images on which they differ."""
    votes = collect_votes(facts.answers)
    described = describe(facts.answers, facts.doubts, facts.re_reviews)
    differences = _shown(session, {one.annotator: _differences(one.annotator, facts, votes) for one in described})
    return Team(
        answers=len(facts.answers) + len(facts.re_reviews),
        gold_images=len(facts.gold),
        gold_answers=sum(answer.gold for answer in facts.answers),
        anchoring=known(facts.anchoring.team),
        annotators=[_person(one, found, differences[one.annotator], facts.anchoring) for one in described],
    )


def found_of(finding: Finding) -> Found:
    """What the rule found, as it is kept and shown."""
    return Found(
        harm=finding.harm.value,
        count=finding.count,
        n=finding.n,
        tolerated=round(finding.tolerated, 4),
        evidence=float(f"{finding.evidence:.3g}"),
        needed=round(finding.needed, 1),
        partner=finding.partner,
    )


def _person(one: AnnotatorFigures, found: Sequence[Finding], differences: list[Difference], pulls: Anchoring) -> Person:
    return Person(
        annotator=one.annotator,
        answers=one.answers,
        cannot_tell=known(one.cannot_tell),
        gold=known(one.gold),
        agreement=known(one.agreement),
        kappa=rounded(one.kappa, 4),
        accepted_wrong=known(one.accepted_wrong),
        blind_error=known(one.blind_error),
        anchoring=known(pulls.people.get(one.annotator, share(0, 0))),
        times=_pace(one.times),
        per_hour=rounded(one.per_hour, 1),
        per_day=rounded(one.per_day, 1),
        drift=_sessions(one.drift),
        quick_copies=known(one.quick_copies),
        commonest=one.commonest,
        commonest_share=_counted(one.commonest_share),
        usual=_counted(one.usual),
        classes=[OneClass(each.label, known(each.right)) for each in one.classes],
        findings=[found_of(finding) for finding in found if finding.annotator == one.annotator],
        differences=differences,
    )


def _counted(share: Estimate) -> Known:
    """A share of the answers that there are: which answer is the commonest was chosen by its share, so the interval of
    a share would be too high."""
    return exactly(round(share.value, 4), share.n) if share.known else known(share)


def _pace(times: Times) -> Pace:
    shown = [round(time, 2) if times.known else None for time in (times.median_s, times.lower_s, times.upper_s)]
    return Pace(times.known, times.n, *shown)


def _sessions(drift: Drift) -> Sessions:
    return Sessions(known(drift.early), known(drift.late), known(drift.change), drift.early_s, drift.late_s)


def _differences(who: int, facts: Facts, votes: Votes) -> list[tuple[Answer, str]]:
    """The newest images on which somebody says otherwise than gold, a lead or most of the others, with what is true.

    Answers to gold are among them only where the policy lets annotators know how they did.
    """
    feedback, found = facts.project.config.policy.gold.feedback, list[tuple[Answer, str]]()
    for answer in reversed(facts.answers):
        if answer.annotator == who and (feedback or not answer.gold) and len(found) < MOST_DIFFERENCES:
            reference = reference_of(answer, votes)
            if reference is not None and reference.value != answer.said:
                found.append((answer, reference.value))
    return found


def _shown(session: Session, found: Mapping[int, Sequence[tuple[Answer, str]]]) -> dict[int, list[Difference]]:
    """What a page shows of them; images about which somebody is still asked are left out, for they may be blind."""
    wanted = {answer.image for differences in found.values() for answer, _ in differences}
    asked, places = label_audit.open_images(session, wanted), label_audit.places(session, wanted)
    return {
        who: [
            _difference(answer, true, places[answer.image]) for answer, true in differences if answer.image not in asked
        ]
        for who, differences in found.items()
    }


def _difference(answer: Answer, true: str, place: Place) -> Difference:
    return Difference(
        image_id=answer.image,
        content_hash=place.content_hash,
        ls_task_id=place.ls_task_id,
        said=answer.said,
        true=true,
        gold=answer.gold,
    )
