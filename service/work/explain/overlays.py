"""What all second pictures of reviews have in common: which reviews lack theirs, how one is kept, how one fails.

In: a queue, and what a picture is drawn by (its `revision`). Out: rows that name pictures in the image store. A blind
review is never due.
"""

from __future__ import annotations

import io

from PIL import Image

from db.repositories.reviews import overlays
from db.repositories.reviews.reviews import Review
from db.repositories.running import failures
from db.session import reading, transaction
from labeling.project import LabelClass, Project
from labeling.review.kinds import blind_always
from service.logs import get_logger
from service.work.review.push import Queue
from service.work.wiring import Parts

QUALITY = 85
log = get_logger(__name__)


def due_reviews(parts: Parts, queue: Queue, revision: str, step: str) -> list[tuple[Review, LabelClass]]:
    """The reviews in the order of the queue whose pre-selected class has no picture yet, and did not fail before."""
    project = queue.project
    with reading(parts.database) as session:
        done = overlays.drawn(session, project.id, revision)
        failed = {f.subject for f in failures.listing(session, project.id) if f.step == step and f.dead}
    labels = {label.name: label for label in project.config.labels}
    return [
        (review, labels[answer])
        for review in queue.reviews
        if not (review.blind or blind_always(review.kind))
        and (answer := queue.suggestions[review.id].answer) in labels
        and done.get(review.id) != answer
        and str(review.id) not in failed
    ]


def keep_picture(
    parts: Parts, review: Review, image: Image.Image, *, answer: str, revision: str, picture: str, step: str
) -> None:
    """Keep it under the hash of what it was drawn from; the newest of a review is the one that is shown."""
    parts.images.keep_drawing(picture, _jpeg(image))
    with transaction(parts.database) as session:
        overlays.record(session, review.id, answer=answer, revision=revision, picture=picture, now=parts.now())
        failures.clear(session, step, str(review.id))


def note_failure(parts: Parts, project: Project, step: str, subject: str, reason: str) -> None:
    """People are asked without the picture; the list of failures says why."""
    log.warning("no second picture", step=step, project=project.id, subject=subject, reason=reason)
    with transaction(parts.database) as session:
        failures.record(session, project.id, step, subject, reason[:500], False, parts.now())


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
