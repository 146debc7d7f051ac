"""What annotators read beside the pre-label of new tasks: the engine's top three and its reason, at the time of asking.

In: reviews that are about to become tasks. Out: a hint for each. A blind review's is empty, whatever the policy shows:
every annotator can read a task's data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from db.repositories.reviews.reviews import Review
from db.session import reading
from db.views import engine_answers
from db.views.engine_answers import Opinion
from labeling.prelabel.calibration import Terms, calibrated
from labeling.project import Project
from labeling.review.hint_text import Hint, reason_line, top_line
from labeling.types import ReviewId
from service.work.pool.predictions import terms_in_force
from service.work.wiring import Parts


def hints_for(parts: Parts, project: Project, reviews: Sequence[Review]) -> dict[ReviewId, Hint]:
    """A hint for every review, with what the project's policy lets be shown."""
    images = [review.image_id for review in reviews if not review.blind]
    with reading(parts.database) as session:
        terms = terms_in_force(session, project)
        said = engine_answers.of_images(session, project.id, images) if project.config.policy.show else {}
    return {
        review.id: Hint()
        if review.blind or review.image_id not in said
        else _hint(project, said[review.image_id], terms)
        for review in reviews
    }


def _hint(project: Project, said: Opinion, terms: Mapping[str, Terms]) -> Hint:
    classes, show = project.config.classes, project.config.policy.show
    probs = said.probs
    if probs and said.revision in terms:
        probs = calibrated(np.array([probs]), terms[said.revision])[0].tolist()
    return Hint(
        top=top_line(said.engine, classes, probs, said.answer) if "top" in show else "",
        reason=reason_line(said.reason) if "reason" in show else "",
    )
