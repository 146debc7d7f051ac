"""The figure `team`: how each annotator does; and pauses those whom the rule tells to pause.

In: current answers that count, gold, leads' decisions. Out: one figure, and appended pauses with their evidence. Who
is paused already is neither judged nor judges; of who takes part again only later answers are held against them. By
answers to blind re-reviews nobody is judged: many of these images were chosen for a suspicious label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy.orm import Session

from db.repositories.engines import engines_in_force
from db.repositories.labels import decisions
from db.repositories.people import annotators
from db.repositories.people.annotators import Annotator
from db.repositories.projects import projects
from db.repositories.queries import gold
from db.repositories.queries.gold import KnownAnswer
from db.repositories.reviews.annotations import VoteRow
from db.repositories.running import alarms
from db.repositories.running.alarms import AlarmKind
from db.session import reading, transaction
from db.views import label_audit
from db.views.figures import keep
from db.views.label_audit import Place
from labeling.estimates import Estimate
from labeling.project import Project
from labeling.quality.annotators.anchoring import Anchoring, anchoring
from labeling.quality.annotators.pausing import Finding, find_harm
from labeling.quality.annotators.performance import AnnotatorFigures, Drift, Times, describe
from labeling.quality.annotators.references import Answer, Votes, collect_votes, reference_of
from labeling.quality.metrics import share
from labeling.types import Actor, ImageId, ProjectId, ReviewKind
from service.figures.estimates import Known, exactly, known, rounded
from service.figures.figures import is_current, write
from service.figures.team import Difference, Found, OneClass, Person, Sessions, Team
from service.figures.team import Times as Pace
from service.logs import get_logger
from service.work.pool.predicted import contradicted, first_answers, likeliest, predicted_before
from service.work.pool.votes import read_votes
from service.work.wiring import Parts

__all__ = ["PART", "RULE", "refresh_team"]

log = get_logger(__name__)

PART = ":team"
FORMAT = "3"
LATELY = 20_000
"""The figure speaks of so many answers, the newest: it must follow an answer within seconds."""
ANCHORED = 3_000
"""The influence of pre-labels is measured on so many first answers, the newest."""
MOST_DIFFERENCES = 12
RULE = "rule"
"""The author of a pause that no person decided."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the figure rests on, read in one transaction."""

    project: Project
    people: list[Annotator]
    answers: list[Answer]
    doubts: list[Answer]
    re_reviews: list[Answer]
    gold: Mapping[ImageId, KnownAnswer]
    anchoring: Anchoring


def refresh_team(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Compute the figure and pause whom the rule finds, unless no answer has changed since it was computed last."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        fingerprint = f"{FORMAT}-{project.config_version}-{label_audit.answers_fingerprint(session, project_id)}"
        if is_current(session, project_id, fingerprint, Team, part=PART):
            return {"team": 0}
        facts = _read(parts, session, project)
        paused = {one.id for one in facts.people if one.paused}
        found = find_harm(_held_against(facts, facts.answers), paused, _held_against(facts, facts.doubts))
        team = _figure(session, facts, found)
    with transaction(parts.database) as session:
        new = _pause(session, parts, facts.project, found) if facts.project.config.policy.team.pause else 0
        keep(session, project_id, [write(team)], fingerprint, parts.now(), PART)
    return {"team": 1, **({"paused": new} if new else {})}


def _read(parts: Parts, session: Session, project: Project) -> _Facts:
    known = gold.answers(session, project.id)
    every = [vote for vote in read_votes(parts, session, project.id) if vote.annotator_id][-LATELY:]
    votes = [vote for vote in every if vote.re_reviewed is None]
    makers = _makers(every, known)
    decided = {
        image: decision.value
        for image, decision in decisions.in_force(session, sorted({vote.image_id for vote in votes})).items()
    }
    possible = project.config.answers
    first = first_answers(votes)[-ANCHORED:]
    expected = _likeliest(session, project, votes, first)
    answers = [
        _answer(vote, label, known, decided, makers, expected.get(vote.image_id))
        for vote in votes
        if (label := vote.answer.single) is not None and possible.is_label(label)
    ]
    doubts = [
        Answer(vote.annotator_id, vote.image_id, possible.unsure, vote.updated_at)
        for vote in votes
        if vote.viewed and vote.answer.is_doubt
    ]
    re_reviews = [
        Answer(vote.annotator_id, vote.image_id, label, vote.updated_at, lead_time_s=vote.lead_time_s)
        for vote in every
        if vote.re_reviewed is not None and (label := vote.answer.single) is not None and possible.is_label(label)
    ]
    pulls = anchoring(contradicted(first, expected))
    return _Facts(project, annotators.everyone(session, project.id), answers, doubts, re_reviews, known, pulls)


def _likeliest(
    session: Session, project: Project, votes: Sequence[VoteRow], first: Sequence[VoteRow]
) -> dict[ImageId, str]:
    """The class that was held likeliest before anybody answered: of the images that several answered, and these."""
    people = Counter(image for image, _ in {(vote.image_id, vote.annotator_id) for vote in votes})
    wanted = {image for image, number in people.items() if number > 1} | {vote.image_id for vote in first}
    revision = engines_in_force.first_revision(session, project.id)
    return likeliest(project, predicted_before(session, project, revision, sorted(wanted)))


def _makers(votes: Sequence[VoteRow], known: Mapping[ImageId, KnownAnswer]) -> set[tuple[int, int]]:
    """(image, annotator) of the answers that gold was made from."""
    made = {annotation for answer in known.values() for annotation in answer.made_from}
    return {(vote.image_id, vote.annotator_id) for vote in votes if vote.annotation_id in made}


def _answer(
    vote: VoteRow,
    said: str,
    known: Mapping[ImageId, KnownAnswer],
    decided: Mapping[ImageId, str | None],
    makers: set[tuple[int, int]],
    predicted: str | None,
) -> Answer:
    is_gold = vote.image_id in known and (vote.image_id, vote.annotator_id) not in makers
    return Answer(
        annotator=vote.annotator_id,
        image=vote.image_id,
        said=said,
        at=vote.updated_at,
        shown=vote.shown,
        lead_time_s=vote.lead_time_s,
        known=known[vote.image_id].value if is_gold else decided.get(vote.image_id),
        gold=is_gold and vote.kind is ReviewKind.GOLD,
        predicted=predicted,
    )


def _held_against(facts: _Facts, answers: Sequence[Answer]) -> list[Answer]:
    """Of somebody who takes part again, what they answered since then."""
    since = {one.id: one.since for one in facts.people if one.since is not None and not one.paused}
    return [answer for answer in answers if answer.annotator not in since or answer.at > since[answer.annotator]]


def _pause(session: Session, parts: Parts, project: Project, found: Sequence[Finding]) -> int:
    already = annotators.paused(session, project.id)
    new = [finding for finding in found if finding.annotator not in already]
    for finding in new:
        evidence, words = msgspec.to_builtins(_finding(finding)), _words(finding)
        by = Actor(RULE, words, parts.now())
        annotators.switch(session, finding.annotator, by, paused=True, evidence=evidence)
        message = f"Annotator {finding.annotator} was paused: {words}. The Team page shows more, and lets them go on."
        subject = str(finding.annotator)
        alarms.raise_alarm(session, project.id, AlarmKind.ANNOTATOR_PAUSED, subject, message, evidence, parts.now())
        log.warning("an annotator was paused by the rule", project=project.id, annotator=finding.annotator, why=words)
    return len(new)


def _words(finding: Finding) -> str:
    partner = "" if finding.partner is None else f", annotator {finding.partner}"
    odds = "over a million" if finding.evidence > 1e6 else f"{finding.evidence:,.0f}"
    return (
        f"{finding.harm.value}{partner}: {finding.count} of {finding.n} answers, "
        f"evidence {odds} to 1 where {finding.needed:,.0f} to 1 was needed"
    )


def _finding(finding: Finding) -> Found:
    return Found(
        harm=finding.harm.value,
        count=finding.count,
        n=finding.n,
        tolerated=round(finding.tolerated, 4),
        evidence=float(f"{finding.evidence:.3g}"),
        needed=round(finding.needed, 1),
        partner=finding.partner,
    )


def _figure(session: Session, facts: _Facts, found: Sequence[Finding]) -> Team:
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
        findings=[_finding(finding) for finding in found if finding.annotator == one.annotator],
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


def _differences(who: int, facts: _Facts, votes: Votes) -> list[tuple[Answer, str]]:
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
