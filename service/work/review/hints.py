"""What annotators read beside the pre-label of new tasks: the engine's top three and its reason, at the time of asking.

In: reviews that are about to become tasks. Out: a hint for each. A blind review's is empty, whatever the policy shows:
every annotator can read a task's data.
"""

from __future__ import annotations

from collections.abc import Sequence

from db.repositories.reviews.reviews import Review
from labeling.project import Project
from labeling.review.hint_text import Hint, reason_line, top_line
from labeling.types import ReviewId
from service.work.pool.predictions import ImagePrediction, predictions_of_images
from service.work.wiring import Parts


def hints_for(parts: Parts, project: Project, reviews: Sequence[Review]) -> dict[ReviewId, Hint]:
    """A hint for every review, with what the project's policy lets be shown."""
    images = [review.image_id for review in reviews if not review.blind] if project.config.policy.show else []
    current = predictions_of_images(parts, project, images)
    return {review.id: Hint() if review.blind else _hint(project, current.get(review.image_id)) for review in reviews}


def _hint(project: Project, current: ImagePrediction | None) -> Hint:
    if current is None or current.engine is None:
        return Hint()
    engine, show = current.engine, project.config.policy.show
    return Hint(
        top=top_line(engine.engine, project.config.classes, current.by_engine, engine.answer) if "top" in show else "",
        reason=reason_line(engine.reason) if {"reason", "reason_before"} & set(show) else "",
    )
