"""What the figure `team` rests on, read in one transaction: the newest answers that count, with what is true of each.

In: a project. Out: its answers, doubts and blind re-reviews. Answers that gold was made from are not held against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from db.repositories.engines import engines_in_force
from db.repositories.labels import decisions
from db.repositories.people import annotators
from db.repositories.people.annotators import Annotator
from db.repositories.queries import gold
from db.repositories.queries.gold import KnownAnswer
from db.repositories.reviews.annotations import VoteRow
from labeling.project import Project
from labeling.quality.annotators.anchoring import Anchoring, anchoring
from labeling.quality.annotators.references import Answer
from labeling.types import ImageId, ReviewKind
from service.work.pool.predicted import contradicted, first_answers, likeliest, predicted_before
from service.work.pool.votes import read_votes
from service.work.wiring import Parts

__all__ = ["Facts", "read_facts"]

LATELY = 20_000
"""The figure speaks of so many answers, the newest: it must follow an answer within seconds."""
ANCHORED = 3_000
"""The influence of pre-labels is measured on so many first answers, the newest."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the figure rests on, read in one transaction."""

    project: Project
    people: list[Annotator]
    answers: list[Answer]
    doubts: list[Answer]
    re_reviews: list[Answer]
    gold: Mapping[ImageId, KnownAnswer]
    anchoring: Anchoring


def read_facts(parts: Parts, session: Session, project: Project) -> Facts:
    """The facts of the figure."""
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
    doubted = _doubted(votes)
    answers = [
        _answer(vote, label, known, decided, makers, expected.get(vote.image_id), vote.annotation_id in doubted)
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
    return Facts(project, annotators.everyone(session, project.id), answers, doubts, re_reviews, known, pulls)


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


def _doubted(votes: Sequence[VoteRow]) -> set[int]:
    """The annotations that may be why others were asked: the first about each image, but of audits, where all are."""
    first: dict[ImageId, VoteRow] = {}
    for vote in sorted(votes, key=lambda vote: (vote.updated_at, vote.annotation_id)):
        first.setdefault(vote.image_id, vote)
    return {vote.annotation_id for vote in first.values() if vote.kind is not ReviewKind.AUDIT}


def _answer(
    vote: VoteRow,
    said: str,
    known: Mapping[ImageId, KnownAnswer],
    decided: Mapping[ImageId, str | None],
    makers: set[tuple[int, int]],
    predicted: str | None,
    doubted: bool,
) -> Answer:
    is_gold = vote.image_id in known and (vote.image_id, vote.annotator_id) not in makers
    return Answer(
        annotator=vote.annotator_id,
        image=vote.image_id,
        said=said,
        at=vote.updated_at,
        shown=vote.shown,
        lead_time_s=vote.lead_time_s,
        known=known[vote.image_id].value if is_gold else None,
        gold=is_gold and vote.kind is ReviewKind.GOLD,
        predicted=predicted,
        decided=decided.get(vote.image_id),
        doubted=doubted,
    )
