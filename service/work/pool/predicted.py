"""What was predicted of images before anybody answered: by the version that asked, else by the first engine.

In: images of a project. Out: probabilities in the order of its classes. Neither knew an answer about the image, so they
may be held against what people say of it.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.orm import Session

from db.repositories.labels import soft_labels
from labeling.project import Project
from labeling.types import ImageId

__all__ = ["predicted_before"]


def predicted_before(
    session: Session, project: Project, revision: str | None, images: Collection[ImageId]
) -> dict[ImageId, list[float]]:
    """Per image (K,) probabilities; `revision` is the first engine's. Images without any are left out."""
    of_engine = soft_labels.engine_predictions(session, revision, images) if revision else []
    by_engine = {one.image_id: list(one.probs) for one in of_engine}
    found = by_engine | soft_labels.predictions_when_asked(session, images)
    return {image: probs for image, probs in found.items() if len(probs) == len(project.config.classes)}
