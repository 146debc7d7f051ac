"""What came with an image and contradicts what is known of it: another label, another text. Listed, never dropped.

In: registrations with the images that they are. Out: failures of the step `contradiction`, by reference. Equal bytes
are one image, whatever it is called; it keeps the label that it has, and the text that came first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from db.repositories.images import images
from db.repositories.images.images import Waiting
from db.repositories.running import failures
from labeling.ingest.text import words_of
from labeling.project import Project
from labeling.types import ImageId


def note_contradictions(
    session: Session,
    project: Project,
    fetched: Sequence[tuple[Waiting, ImageId]],
    labels: Mapping[ImageId, str | None],
    now: datetime,
) -> None:
    """List what contradicts; what contradicts nothing any more is taken from the list.

    `labels` are the labels in force of the images of which a label came along.
    """
    texts = images.texts(session, [image_id for _, image_id in fetched])
    failures.clear(session, failures.CONTRADICTION, *[f"{project.id}:{item.reference}" for item, _ in fetched])
    for item, image_id in fetched:
        subject = f"{project.id}:{item.reference}"
        reasons = [*_of_label(item, labels.get(image_id)), *_of_text(item, project, texts.get(image_id))]
        if reasons:
            words = f"{' '.join(reasons)} (Image {image_id}.)"
            failures.record(session, project.id, failures.CONTRADICTION, subject, words, True, now)


def _of_label(item: Waiting, label: str | None) -> list[str]:
    if item.known_label is None or label is None or item.known_label == label:
        return []
    return [
        f"It came with the label {item.known_label!r}, and the image has the label {label!r}, which stays. "
        "Correct it on the page of the image if it is wrong."
    ]


def _of_text(item: Waiting, project: Project, text: str | None) -> list[str]:
    words = words_of(item.text, item.details, project.config.policy.metadata_as_text)
    if words is None or words == text:
        return []
    return ["It came with another text than the image has; the text that came first stays."]
