"""Disputes for a lead: highest expected damage first, with each answer, and blind where the label must stay so.

In: a project. Out: disputes in order, images that nobody could tell among them. Of blind kinds neither votes nor engine
predictions are shown: the decision must not depend on what a certificate or a gate measures.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy.orm import Session

from db.repositories.labels import decisions
from db.repositories.people import annotators
from db.repositories.reviews import annotations as answers
from db.repositories.reviews import re_reviews
from db.repositories.reviews.annotations import VoteRow
from db.views import disputes, engine_stats
from db.views.disputes import Dispute
from db.views.engine_stats import EngineAnswer
from labeling.answers import Answer, is_none
from labeling.project import Project
from labeling.review.expected_cost import expected_damage
from labeling.review.kinds import blind_always
from labeling.types import ImageId, ReviewId, ReviewKind
from service.labels.re_reviews import counted_votes, outcomes
from service.projects.pseudonyms import shown_name

__all__ = ["Disputed", "Said", "Why", "listed"]

SKIPPED = "skipped"
"""What is shown of an answer without a choice."""


class Why(StrEnum):
    """What makes an image a dispute."""

    CONFLICT = "people disagree"
    CONTRADICTED = "a later answer contradicts an earlier one"
    UNDECIDED = "nobody could tell"
    RE_REVIEWED = "a blind re-review contradicts the label"


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: of an annotator ("skipped" where they chose nothing), or of an engine with its probability."""

    who: str
    answer: str
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Disputed:
    """One dispute. `votes` and `engine` are empty and None where it is decided blind."""

    dispute: Dispute
    why: Why
    damage: float
    blind: bool
    votes: tuple[Said, ...]
    engine: Said | None


def listed(session: Session, project: Project) -> list[Disputed]:
    """All disputes, highest expected damage first; those for which another person is being asked come last."""
    everything = [(Why.CONFLICT, one) for one in disputes.in_conflict(session, project.id)]
    everything += [(Why.CONTRADICTED, one) for one in disputes.contradicted(session, project.id)]
    everything += [(Why.UNDECIDED, one) for one in disputes.undecided(session, project)]
    everything += [(Why.RE_REVIEWED, one) for one in _re_reviewed(session, project)]
    images = [one.image_id for _, one in everything]
    votes = answers.votes(session, images)
    cast, counted = _by_image(votes), _by_image(counted_votes(votes, project.config.answers))
    names = {one.id: shown_name(project, one.id, one.name) for one in annotators.everyone(session, project.id)}
    engines = engine_stats.engine_answers(session, project.id, images)
    found = [
        _disputed(project, why, one, (counted if why is Why.CONFLICT else cast)[one.image_id], names, engines)
        for why, one in everything
        if why is not Why.CONTRADICTED or _still_contradicted(counted[one.image_id])
    ]
    return sorted(found, key=lambda one: (one.dispute.waiting, -one.damage, one.dispute.image_id))


def _by_image(votes: Iterable[VoteRow]) -> dict[ImageId, list[VoteRow]]:
    found: dict[ImageId, list[VoteRow]] = defaultdict(list)
    for vote in votes:
        if vote.kind is not ReviewKind.GOLD:
            found[vote.image_id].append(vote)
    return found


def _re_reviewed(session: Session, project: Project) -> list[Dispute]:
    """The labels that one blind answer contradicts; each of the kind of the review that gave the label."""
    asked = re_reviews.of_project(session, project.id)
    images = [one.image_id for one in asked]
    votes, decided = answers.votes(session, images), decisions.in_force(session, images)
    waiting = {
        one.of.review_id: one.of for one in outcomes(asked, votes, decided, project.config.answers) if one.in_dispute
    }
    found = disputes.of_reviews(session, list(waiting))
    return [replace(one, kind=waiting[one.review_id].given_as or one.kind) for one in found]


def _disputed(
    project: Project,
    why: Why,
    one: Dispute,
    cast: Sequence[VoteRow],
    names: dict[int, str],
    engines: Mapping[ImageId, EngineAnswer],
) -> Disputed:
    of_all = why in (Why.CONTRADICTED, Why.RE_REVIEWED)
    counted = [vote for vote in cast if of_all or vote.review_id == one.review_id]
    wrong = _in_doubt(counted) if why is Why.UNDECIDED else _error_of_majority(counted)
    damage = expected_damage(wrong, one.kind, one.group_size)
    if blind_always(one.kind):
        return Disputed(one, why, damage, True, (), None)
    votes = tuple(Said(names.get(vote.annotator_id, "somebody"), str(vote.answer) or SKIPPED) for vote in counted)
    return Disputed(one, why, damage, False, votes, _engine(project, engines.get(one.image_id)))


def _error_of_majority(votes: Iterable[VoteRow]) -> float:
    """The probability that the most frequent answer is wrong, if all who answered are equally good."""
    counts = Counter(vote.answer for vote in votes if not vote.answer.is_doubt)
    return 1 - max(counts.values()) / counts.total() if counts else 1.0


def _in_doubt(votes: Sequence[VoteRow]) -> float:
    """The probability that the next one who is asked cannot tell either, by the rule of succession.

    So one person who answers "unsure" to everything does not come before images that two people could not tell.
    """
    people = len({vote.annotator_id for vote in votes})
    return people / (people + 2)


def _still_contradicted(votes: Iterable[VoteRow]) -> bool:
    """Whether the reviews that differed both still have answers that count."""
    by_review: dict[ReviewId, set[Answer]] = defaultdict(set)
    for vote in votes:
        if not vote.answer.is_doubt:
            by_review[vote.review_id].add(vote.answer)
    return len(by_review) > 1 and len(set.union(*by_review.values())) > 1


def _engine(project: Project, said: EngineAnswer | None) -> Said | None:
    known = project.config.answers
    if said is None or (label := known.label_of(said.answer, said.probs)) is None:
        return None
    has_probs = len(said.probs) == len(known.classes) and not is_none(label)
    return Said(said.engine, label, said.probs[known.code(label)] if has_probs else None)
