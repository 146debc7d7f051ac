"""Asks another person where somebody could not tell, where that changes a label's odds, or where gold would come of it.

In: the newest answers, what was predicted of the images before, and the policy. Out: facts that more people are wanted;
the next `review` sends them to Label Studio. Nobody is waited for who does not take part now: then a lead decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile

from sqlalchemy.orm import Session

from db.repositories.certificates import certificates
from db.repositories.engines import engines_in_force
from db.repositories.labels import decisions, soft_labels
from db.repositories.projects import projects
from db.repositories.reviews import annotations as answers
from db.repositories.reviews import overlaps
from db.repositories.reviews.annotations import VoteRow
from db.repositories.reviews.overlaps import Asked
from db.session import reading, transaction
from db.views import figures
from db.views.undecided import Undecided, UndecidedState, undecided
from labeling.answers import AnswerSet, is_none
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from labeling.quality.annotators.anchoring import anchoring
from labeling.review.kinds import Use, kinds_for, may_use
from labeling.review.overlap import BY_DOUBT, Answered, choose, error_rates, second_answers
from labeling.types import Actor, ImageId, ProjectId, ReviewId, ReviewKind
from service.labels.resolution import Standing, standing_of
from service.work.pool.predicted import contradicted, first_answers, likeliest, predicted_before
from service.work.wiring import Parts

__all__ = ["PART", "ask_another_person"]

PART = ":overlap"
AUTHOR = "policy"
LATELY = timedelta(days=1)
"""Who has answered within this time takes part."""
NEWEST = 2_000
"""So many of the newest answered reviews are considered."""
MOST_WAITING = 200
"""So many doubtful images at most wait for another person at a time; new questions must not wait behind them."""
FOR_GOLD = "gold of agreement"
IN_DOUBT = 2
"""So many people are asked about an image that nobody can tell; then a lead decides."""
CERTIFYING = 2
"""So many people must agree about a certifying answer, where the terms want more than one."""
_ADJUDICATED = frozenset({ReviewKind.AUDIT})
"""Kinds of which a conflict goes to a lead at once."""


@dataclass(frozen=True, slots=True)
class _Facts:
    project: Project
    fingerprint: str
    people: set[int]
    standing: Mapping[ImageId, Standing]
    asked: Mapping[ReviewId, Asked]
    predicted: Mapping[ImageId, Sequence[float]]
    pulls: Mapping[int, float]
    undecided: Mapping[ReviewId, Undecided]
    budget: int
    gold: int
    certifying_after: int | None


def ask_another_person(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Want another person for what is worth it, within the policy; nothing while no answer has changed."""
    facts = _read(parts, project_id)
    if facts is None:
        return {"overlap": 0}
    second = dict.fromkeys(_second(facts), 2) if len(facts.people) > 1 else {}
    third = _third(facts)
    with transaction(parts.database) as session:
        now = parts.now()
        wanted = overlaps.want(session, _in_doubt(facts), Actor(AUTHOR, "nobody could tell", now))
        wanted += overlaps.want(session, second, Actor(AUTHOR, "doubt", now))
        wanted += overlaps.want(session, third, Actor(AUTHOR, "people disagree", now))
        wanted += overlaps.want(session, _for_gold(facts), Actor(AUTHOR, FOR_GOLD, now))
        figures.keep(session, project_id, [], facts.fingerprint, now, part=PART)
        if wanted:
            parts.jobs.ask(session, JobName.REVIEW, project_id, Trigger.ANSWERED)
    return {"overlap": wanted}


def _read(parts: Parts, project_id: ProjectId) -> _Facts | None:
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        people = overlaps.people_since(session, project_id, parts.now() - LATELY)
        revision = engines_in_force.first_revision(session, project_id)
        here = ".".join(map(str, sorted(people)))
        fingerprint = f"{project.config_version}-{here}-{soft_labels.fingerprint(session, project_id, revision)}"
        if fingerprint == figures.kept_fingerprint(session, project_id, PART):
            return None
        images = overlaps.answered_lately(session, project_id, NEWEST)
        votes = answers.votes(session, images)
        standing = standing_of(votes, project.config.answers)
        repeated = _repeated(standing.values())
        decided = decisions.in_force(session, list(standing))
        standing = {image: one for image, one in standing.items() if image not in decided}
        doubted = {
            one.review_id: one
            for one in undecided(session, project)
            if one.state is UndecidedState.LEAD and one.review_id is not None
        }
        asked = overlaps.states(session, [*(one.review_id for one in standing.values()), *doubted])
        predicted = predicted_before(session, project, revision, images)
        pulls = _pulls(project, votes, predicted)
        more = _budget(session, project, repeated), _gold_budget(session, project), _certifying_after(session, project)
        return _Facts(project, fingerprint, people, standing, asked, predicted, pulls, doubted, *more)


def _certifying_after(session: Session, project: Project) -> int | None:
    """The review after which those of the stream certify, where two people must agree; None: nowhere."""
    held = certificates.terms_in_force(session, project.id)
    return None if held is None or held.terms is None or held.terms.people < CERTIFYING else held.newest_review


def _pulls(
    project: Project, votes: Sequence[VoteRow], predicted: Mapping[ImageId, Sequence[float]]
) -> dict[int, float]:
    """How far a shown pre-label pulls each person, where that is known; nobody is pushed away by one."""
    found = anchoring(contradicted(first_answers(votes), likeliest(project, predicted)))
    return {who: max(0.0, pull.value) for who, pull in found.people.items() if pull.known}


def _repeated(standing: Iterable[Standing]) -> int:
    """How many of the newest second answers in a row said what the first had said, of what is asked by doubt."""
    compared = []
    for one in standing:
        said = _said_when_asked(one)
        if one.kind in BY_DOUBT and len(said) > 1:
            _, second, *_ = sorted(vote.updated_at for vote in one.votes if vote.annotator_id in said)
            compared.append((second, one.review_id, len(set(said.values())) == 1))
    return sum(1 for _ in takewhile(lambda one: one[2], sorted(compared, reverse=True)))


def _budget(session: Session, project: Project, repeated: int) -> int:
    """How many more of the doubtful may be asked twice."""
    policy = project.config.policy.overlap
    if policy.people < 2:
        return 0
    several, waiting = overlaps.count_asked(session, project.id, BY_DOUBT)
    due = second_answers(
        policy.share,
        answered=overlaps.count_answered(session, project.id, BY_DOUBT),
        several=several,
        since=overlaps.count_answered_since(session, project.id, BY_DOUBT),
        repeated=repeated,
    )
    return min(due, MOST_WAITING - waiting)


def _gold_budget(session: Session, project: Project) -> int:
    """How many more images may be asked of several people so that gold comes of them: `gold.rate` of those answered."""
    policy = project.config.policy.gold
    if policy.from_consensus < 2:
        return 0
    answered = overlaps.count_answered(session, project.id, kinds_for(Use.TRAIN))
    return int(policy.rate * answered) - overlaps.count_noted(session, project.id, FOR_GOLD)


def _for_gold(facts: _Facts) -> dict[ReviewId, int]:
    """As many people as gold wants, where all so far saw no pre-label and agree; the oldest first, whatever they are.

    Never by doubt: gold of easy images alone would judge nobody.
    """
    wanted = facts.project.config.policy.gold.from_consensus
    fit = sorted(
        one.review_id
        for one in facts.standing.values()
        if may_use(one.kind, Use.TRAIN)
        and one.value is not None
        and one.confidence == 1
        and all(vote.blind and vote.re_reviewed is None for vote in one.votes)
        and len(one.said) < wanted <= len(facts.people | one.said.keys())
        and one.review_id in facts.asked
        and facts.asked[one.review_id].wanted < wanted
    )
    return dict.fromkeys(fit[: max(0, facts.gold)], wanted)


def _in_doubt(facts: _Facts) -> dict[ReviewId, int]:
    """One more for each image that nobody could tell yet and that somebody is left for; the others are a lead's."""
    return {
        review: facts.asked[review].people + 1
        for review, one in facts.undecided.items()
        if review in facts.asked and len(one.people) < IN_DOUBT and facts.people - one.people
    }


def _second(facts: _Facts) -> list[ReviewId]:
    known = facts.project.config.answers
    said_none = sum(any(map(is_none, one.said.values())) for one in facts.standing.values())
    none = (said_none + 1) / (len(facts.standing) + len(known.labels))  # no engine or classifier speaks of it
    alone = [
        _answered(facts, image, one, known, none)
        for image, one in facts.standing.items()
        if len(one.said) == 1 and one.review_id in facts.asked and facts.asked[one.review_id].wanted == 1
    ]
    after = facts.certifying_after
    certifying = {
        one.review_id for one in alone if after is not None and one.kind is ReviewKind.RANDOM and one.review_id > after
    }
    rates = error_rates(_said_when_asked(one) for one in facts.standing.values())
    return choose(
        alone, rates, answers=len(known.labels), budget=facts.budget, pulls=facts.pulls, certifying=certifying
    )


def _said_when_asked(one: Standing) -> dict[int, str]:
    """Without the answers of re-reviews: of those only what contradicts a label stands here."""
    again = {vote.annotator_id for vote in one.votes if vote.re_reviewed is not None}
    return {who: said for who, said in one.said.items() if who not in again}


def _answered(facts: _Facts, image: ImageId, one: Standing, known: AnswerSet, none: float) -> Answered:
    [(annotator, said)] = one.said.items()
    probs = facts.predicted.get(image, ())
    predicted = (*(p * (1 - none) for p in probs), none) if probs else ()
    accepted = any(vote.answer.keeps(vote.shown) for vote in one.votes)
    return Answered(one.review_id, one.kind, annotator, known.code(said), accepted, predicted)


def _third(facts: _Facts) -> dict[ReviewId, int]:
    """One more for each conflict that the policy and the team have somebody left for; the others are a lead's."""
    return {
        one.review_id: facts.asked[one.review_id].people + 1
        for one in facts.standing.values()
        if one.said
        and one.value is None
        and one.kind not in _ADJUDICATED
        and one.review_id in facts.asked
        and not facts.asked[one.review_id].open
        and len(one.said) < facts.project.config.policy.overlap.people
        and facts.people - {vote.annotator_id for vote in one.votes}
    }
