"""The images that are ready for select, learn and predict: grouped, prelabelled by one engine revision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.images.groups import newest_move
from db.rows import count, fingerprint_of, newest_of
from db.tables import ImageRow, PrelabelRow
from labeling.types import ProjectId

ROWS_A_FETCH = 5_000


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One ready image; `probs` is empty when the engine gave no probabilities."""

    image_id: int
    group_id: int
    content_hash: str
    text: str | None
    probs: list[float]


def state_of_pool(session: Session, project_id: ProjectId, engine_revision: str) -> str:
    """A short text that changes with every image that becomes ready or comes into another group."""
    of_image = sa.and_(ImageRow.id == PrelabelRow.image_id, PrelabelRow.revision == engine_revision)
    grouped = sa.select(sa.func.count(ImageRow.group_id)).where(ImageRow.project_id == project_id)
    return fingerprint_of(
        session, newest_of(PrelabelRow.id, ImageRow, of_image, project_id), grouped, newest_move(project_id)
    )


def read_pool(session: Session, project_id: ProjectId, engine_revision: str, after: int = 0) -> Iterator[PoolRow]:
    """Every ready image whose id is above `after`, in the order of image ids.

    Rows are fetched some thousands at a time: a million of them is never held at once.
    """
    rows = session.execute(
        sa.select(
            ImageRow.id,
            ImageRow.group_id,
            ImageRow.content_hash,
            ImageRow.text,
            sa.cast(PrelabelRow.probs, sa.Text),
        )
        .join(PrelabelRow, PrelabelRow.image_id == ImageRow.id)
        .where(*_ready(project_id, engine_revision), ImageRow.id > after)
        .order_by(ImageRow.id)
        .execution_options(yield_per=ROWS_A_FETCH)
    )
    decode = msgspec.json.Decoder(list[float]).decode
    for image, group, content_hash, text, probs in rows:
        assert group is not None
        yield PoolRow(image, group, content_hash, text, decode(probs))


def image_ids(session: Session, project_id: ProjectId) -> list[int]:
    """All images of a project, ready or not, in the order of their ids."""
    return list(session.scalars(sa.select(ImageRow.id).where(ImageRow.project_id == project_id).order_by(ImageRow.id)))


def numbers(session: Session, project_id: ProjectId, name: str) -> dict[int, float]:
    """The images whose metadata field of this name is a number, and the number; true and false are none."""
    rows = session.execute(
        sa.select(ImageRow.id, ImageRow.details[name])
        .where(ImageRow.project_id == project_id, ImageRow.details[name].is_not(None))
        .execution_options(yield_per=ROWS_A_FETCH)
    )
    return {image: float(value) for image, value in rows if type(value) in (int, float)}


def count_texts(session: Session, project_id: ProjectId) -> int:
    """How many of a project's grouped images came with a text."""
    has_text = sa.and_(ImageRow.text.is_not(None), ImageRow.text != "")
    return count(session, ImageRow, ImageRow.project_id == project_id, ImageRow.group_id.is_not(None), has_text)


def count_ready(session: Session, project_id: ProjectId, engine_revision: str) -> int:
    """How many rows `read_pool` would give."""
    return count(session, ImageRow, PrelabelRow.image_id == ImageRow.id, *_ready(project_id, engine_revision))


def _ready(project_id: ProjectId, engine_revision: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        ImageRow.project_id == project_id,
        ImageRow.group_id.is_not(None),
        PrelabelRow.revision == engine_revision,
    )
