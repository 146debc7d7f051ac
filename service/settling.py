"""From answers to labels: what the facts say of an image is compared with the label that stands.

In: images whose answers may have changed. Out: labels appended where they differ. A lead's decision stands above
every answer, gold above what people say. The outcome follows from the facts alone, so doing it again, or in another
order, changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from db.repositories import annotations as answers
from db.repositories import decisions, labels
from db.repositories.annotations import VoteRow
from db.repositories.decisions import Decision
from db.repositories.labels import DISPUTED, Label, NewLabel
from labeling.review.consensus import Vote, consensus, voters
from labeling.types import UNSURE, ImageId, LabelSource, Project, ReviewId, ReviewKind

__all__ = ["settle"]

AUTHOR = "annotators"


@dataclass(frozen=True, slots=True)
class _Standing:
    """What people say of an image: the outcome of the review that was answered last; None where they disagree."""

    value: str | None
    review_id: ReviewId
    annotation_ids: tuple[int, ...]
    answered_at: datetime


def settle(session: Session, project: Project, image_ids: Sequence[ImageId], now: datetime) -> int:
    """Append the labels that these images lack; return how many."""
    wanted = sorted(set(image_ids))
    standing = _standing(answers.votes(session, wanted), project.config.classes)
    held = labels.current_of(session, wanted)
    given = labels.newest_not_by_people(session, wanted)
    decided = decisions.in_force(session, wanted)
    found = [
        _decided(decided[image], held.get(image), standing.get(image))
        if image in decided
        else _due(image, standing.get(image), held.get(image), given.get(image))
        for image in wanted
    ]
    return labels.append(session, project.id, [label for label in found if label is not None], now)


def _standing(votes: Iterable[VoteRow], classes: Sequence[str]) -> dict[ImageId, _Standing]:
    by_review: dict[ReviewId, list[VoteRow]] = defaultdict(list)
    for vote in votes:
        if vote.kind is not ReviewKind.GOLD:  # its answers judge annotators, not images
            by_review[vote.review_id].append(vote)
    standing: dict[ImageId, _Standing] = {}
    for review_id, rows in sorted(by_review.items()):
        cast = [Vote(v.annotator_id, v.answers, v.updated_at) for v in rows]
        value = consensus(cast, classes)
        if value is None and voters(cast, classes) < 2:
            continue
        found = _Standing(value, review_id, tuple(v.annotation_id for v in rows), max(v.updated_at for v in rows))
        before = standing.get(rows[0].image_id)
        if before is None or before.answered_at <= found.answered_at:
            standing[rows[0].image_id] = found
    return standing


def _decided(decision: Decision, held: Label | None, standing: _Standing | None) -> NewLabel | None:
    """The label of a decision; it keeps the review, and so the kind, of what it corrects."""
    if held is not None and held.decision_id == decision.id:
        return None
    review_id = held.review_id if held is not None else None
    if review_id is None and standing is not None:
        review_id = standing.review_id
    evidence = {"decision": decision.id, "kind": decision.kind}
    value = None if decision.value == UNSURE else decision.value
    return NewLabel(
        decision.image_id, value, LabelSource.PEOPLE, decision.author, decision.reason, review_id, evidence
    )


def _due(image: ImageId, standing: _Standing | None, held: Label | None, given: Label | None) -> NewLabel | None:
    """The label to append for one image; None where the one that stands is right."""
    if held is not None and held.source is LabelSource.GOLD and held.value is not None:
        return None
    by_people = held is not None and held.source is LabelSource.PEOPLE
    if standing is not None:
        same = held is not None and by_people and held.decision_id is None
        if same and held is not None and (held.value, held.review_id) == (standing.value, standing.review_id):
            return None
        evidence = {"annotations": list(standing.annotation_ids)}
        reason = "answered" if held is None or held.value is None else "answer changed"
        reason = reason if standing.value is not None else DISPUTED
        return NewLabel(image, standing.value, LabelSource.PEOPLE, AUTHOR, reason, standing.review_id, evidence)
    if held is None or not by_people or (held.value is None and held.decision_id is None):
        return None
    gone = "answer withdrawn" if held.decision_id is None else "decision taken back"
    if given is not None and given.value is not None:
        return NewLabel(image, given.value, given.source, AUTHOR, f"{gone}; the earlier label stands again")
    return NewLabel(image, None, LabelSource.PEOPLE, AUTHOR, gone, held.review_id)
