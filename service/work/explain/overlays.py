"""What all overlays of reviews have in common: which reviews lack theirs, how one is kept, how one fails.

In: a queue, and the `revision` of what draws them. Out: rows that name overlays in the image store. A blind review is
never due.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TypeVar

from PIL import Image

from db.repositories.reviews import overlays
from db.repositories.reviews.reviews import Review
from db.repositories.running import failures
from db.session import reading, transaction
from labeling.adapters.storage.image_store import Stored
from labeling.project import LabelClass, Project
from labeling.review.kinds import blind_always
from service.logs import get_logger
from service.work.review.push import Queue
from service.work.wiring import Parts

QUALITY = 85
T = TypeVar("T")
log = get_logger(__name__)


def due_reviews(parts: Parts, queue: Queue, revision: str, step: str) -> list[tuple[Review, LabelClass]]:
    """The reviews in the order of the queue whose pre-selected class has no overlay yet, and did not fail before."""
    project = queue.project
    with reading(parts.database) as session:
        done = overlays.drawn(session, project.id, revision)
        failed = failures.dead(session, project.id, step)
    labels = {label.name: label for label in project.config.labels}
    return [
        (review, labels[answer])
        for review in queue.reviews
        if not (review.blind or blind_always(review.kind))
        and (answer := queue.suggestions[review.id].answer) in labels
        and done.get(review.id) != answer
        and str(review.id) not in failed
    ]


def draw_next(due: Sequence[T], size: int, draw: Callable[[T], bool]) -> dict[str, int]:
    """Draw the next `size`; `left` counts what is still to do."""
    drawn = [draw(one) for one in due[:size]]
    return {"done": sum(drawn), "failed": len(drawn) - sum(drawn), "left": len(due) - len(drawn)}


def keep_overlay(
    parts: Parts, review: Review, image: Image.Image, *, answer: str, revision: str, picture: str, step: str
) -> None:
    """Keep it under the hash of what it was drawn from; the newest of a review is the one that is shown.

    Another project may have had the same one, and lose it in a deletion before the row names ours.
    """
    jpeg = _jpeg(image)
    parts.images.keep_drawing(picture, jpeg)
    with transaction(parts.database) as session:
        overlays.record(session, review.id, answer=answer, revision=revision, picture=picture, now=parts.now())
        failures.clear(session, step, str(review.id))
    if not parts.images.has(Stored.DRAWING, picture):
        parts.images.keep_drawing(picture, jpeg)


def note_failure(parts: Parts, project: Project, step: str, subject: str, reason: str) -> None:
    """People are asked without the overlay; the list of failures says why."""
    log.warning("no overlay", step=step, project=project.id, subject=subject, reason=reason)
    with transaction(parts.database) as session:
        failures.record(session, project.id, step, subject, reason[:500], False, parts.now())


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
