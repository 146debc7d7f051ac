"""What was predicted of images before anybody answered, and how far people follow it when they see it.

In: images of a project, or answers about them. Out: probabilities in the order of its classes, by the version that
asked, else by the first engine: neither knew an answer about the image, so they may be held against what people say of
it. And for each person how many answers contradict the class that is likeliest by them, shown and not shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from sqlalchemy.orm import Session

from db.repositories.labels import soft_labels
from db.repositories.reviews.annotations import VoteRow
from db.repositories.versions import versions
from labeling.label_sets.columns import columns_of, in_columns
from labeling.project import Project
from labeling.quality.annotators.anchoring import Contradicted
from labeling.types import ImageId, ReviewKind

__all__ = ["contradicted", "first_answers", "likeliest", "predicted_before", "when_asked"]


def predicted_before(
    session: Session, project: Project, revision: str | None, images: Collection[ImageId]
) -> dict[ImageId, list[float]]:
    """Per image (K,) probabilities; `revision` is the first engine's. Images without any are left out."""
    of_engine = soft_labels.engine_predictions(session, revision, images) if revision else []
    by_engine = {one.image_id: list(one.probs) for one in of_engine}
    found = by_engine | when_asked(session, project, images)
    return {image: probs for image, probs in found.items() if len(probs) == len(project.config.classes)}


def when_asked(session: Session, project: Project, images: Collection[ImageId]) -> dict[ImageId, list[float]]:
    """Per image (K,) probabilities of the version that first asked about it, in the label set in force."""
    found = soft_labels.predictions_when_asked(session, images)
    if not project.config.changes:
        return {image: probs for image, (_, probs) in found.items()}
    columns = {one.id: columns_of(one.classes, project.config) for one in versions.everyone(session, project.id)}
    return {image: in_columns(np.array(probs), columns[by]).tolist() for image, (by, probs) in found.items()}


def likeliest(project: Project, predicted: Mapping[ImageId, Sequence[float]]) -> dict[ImageId, str]:
    """The class that was held likeliest of each image."""
    return {image: project.config.classes[int(np.argmax(probs))] for image, probs in predicted.items()}


def first_answers(votes: Iterable[VoteRow]) -> list[VoteRow]:
    """The first answer about each hard image, in the order of time: of these chance alone decided which are blind.

    Later ones are asked for by what the first said, and re-reviews by how suspicious a label is.
    """
    first: dict[ImageId, VoteRow] = {}
    for vote in sorted(votes, key=lambda vote: (vote.updated_at, vote.annotation_id)):
        if vote.kind is ReviewKind.HARD and vote.re_reviewed is None and vote.annotator_id and vote.viewed:
            first.setdefault(vote.image_id, vote)
    return list(first.values())


def contradicted(first: Iterable[VoteRow], held_likeliest: Mapping[ImageId, str]) -> dict[int, Contradicted]:
    """Of each person how many first answers are not the likeliest class; "unsure" and skips are not."""
    counts: Counter[tuple[int, bool, bool]] = Counter(
        (vote.annotator_id, vote.blind, not vote.answer.keeps(held_likeliest[vote.image_id]))
        for vote in first
        if vote.image_id in held_likeliest
    )
    return {who: _contradicted(who, counts) for who in sorted({who for who, _, _ in counts})}


def _contradicted(who: int, counts: Mapping[tuple[int, bool, bool], int]) -> Contradicted:
    against = {blind: counts[who, blind, True] for blind in (False, True)}
    given = {blind: against[blind] + counts[who, blind, False] for blind in (False, True)}
    return Contradicted(given[False], against[False], given[True], against[True])
