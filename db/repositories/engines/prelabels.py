"""What prelabel reads and writes: pending images, prelabels, the names of vectors, and near-duplicate groups.

An image is *pending* for an engine while it has no prelabel of its revision or no row for its vector, and is no
dead letter. A group's position in the random stream is written once; what an image's group is later is in
`db/repositories/images/groups.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.running import failures
from db.rows import columns, in_parts, read, read_all, rows_of, to_row
from db.session import delete, insert_new, update
from db.tables import EmbeddingRow, FailureRow, GroupRow, ImageRow, PrelabelRow
from labeling.answers import Answer
from labeling.types import ImageId, Outcome, Prelabel, ProjectId

STEP = "prelabel"


@dataclass(frozen=True, slots=True)
class PendingImage:
    """An image that an engine has not labelled yet."""

    id: ImageId
    content_hash: str
    text: str | None


@dataclass(frozen=True, slots=True)
class UngroupedImage:
    """An image whose vector is known and whose group is not."""

    id: ImageId
    content_hash: str


@dataclass(frozen=True, slots=True)
class PlacedImage:
    """The group that an image gets, and the group's position in the random stream."""

    id: ImageId
    founder: str
    position: float


@dataclass(frozen=True, slots=True)
class Said:
    """What one engine revision said of an image; `probs` is empty where it gave none.

    `stated` is its confidence in its own words; empty where it gave none.
    """

    image_id: ImageId
    probs: list[float]
    outcome: Outcome
    answer: str | None
    stated: str
    flags: tuple[str, ...]
    cost_micro: int

    @property
    def named(self) -> Answer:
        return Answer.named(self.outcome, self.answer)


def pending(session: Session, project_id: ProjectId, *, revision: str, encoder: str, limit: int) -> list[PendingImage]:
    """The first pending images in the order of their ids."""
    prelabelled = sa.exists().where(PrelabelRow.image_id == ImageRow.id, PrelabelRow.revision == revision)
    dead = sa.select(FailureRow.subject).where(
        FailureRow.project_id == project_id, FailureRow.step == STEP, failures.has_no_tries_left()
    )
    rows = session.execute(
        sa.select(*columns(PendingImage, ImageRow))
        .where(ImageRow.project_id == project_id, sa.not_(sa.and_(prelabelled, _has_vector(encoder))))
        .where(sa.cast(ImageRow.id, sa.Text).not_in(dead))
        .order_by(ImageRow.id)
        .limit(limit)
    )
    return read_all(PendingImage, rows)


def record(session: Session, prelabels: Sequence[tuple[ImageId, Prelabel]], now: datetime) -> int:
    """Write the prelabels that are not there yet; return how many that were."""
    rows = [to_row(prelabel, image_id=image_id, created_at=now) for image_id, prelabel in prelabels]
    return insert_new(session, PrelabelRow, rows)


def said(session: Session, project_id: ProjectId, revision: str) -> list[Said]:
    """Everything that a revision said of the project's images, in the order of image ids."""
    of_project = _said(revision).join(ImageRow, ImageRow.id == PrelabelRow.image_id)
    return [_read_said(row) for row in session.execute(of_project.where(ImageRow.project_id == project_id))]


def said_of(session: Session, image_ids: Iterable[int], revision: str) -> list[Said]:
    """What a revision said of these images, in the order of their ids; one of which it said nothing is left out."""
    return [_read_said(row) for row in rows_of(session, _said(revision), PrelabelRow.image_id, sorted(image_ids))]


def flagged(session: Session, project_id: ProjectId, revision: str) -> list[ImageId]:
    """The images of which this engine revision gave an answer with a flag."""
    flags = sa.cast(PrelabelRow.evidence["flags"], sa.Text)
    rows = session.scalars(
        sa.select(PrelabelRow.image_id)
        .join(ImageRow, ImageRow.id == PrelabelRow.image_id)
        .where(ImageRow.project_id == project_id, PrelabelRow.revision == revision)
        .where(flags.is_not(None), flags.not_in(["[]", "null"]))
    )
    return [ImageId(image) for image in rows]


def _said(revision: str) -> sa.Select[*tuple[Any, ...]]:
    fields = columns(Said, PrelabelRow, stated=PrelabelRow.evidence["raw"], flags=PrelabelRow.evidence["flags"])
    return sa.select(*fields).where(PrelabelRow.revision == revision).order_by(PrelabelRow.image_id)


def _read_said(row: sa.Row[*tuple[Any, ...]]) -> Said:
    return read(Said, {**row._mapping, "stated": stated_in(row.stated or ""), "flags": row.flags or ()})


def descriptions(session: Session, image_ids: Sequence[ImageId], revisions: Sequence[str]) -> dict[ImageId, str]:
    """What the last of these revisions that described an image said of it."""
    rows = session.execute(
        sa.select(PrelabelRow.image_id, PrelabelRow.revision, PrelabelRow.description).where(
            PrelabelRow.image_id.in_(image_ids), PrelabelRow.revision.in_(revisions), PrelabelRow.description != ""
        )
    ).all()
    ordered = sorted(rows, key=lambda row: revisions.index(row.revision))
    return {ImageId(image): description for image, _, description in ordered}


def images(session: Session, image_ids: Sequence[ImageId]) -> dict[ImageId, PendingImage]:
    """These images as the input of an engine; at most a few hundred."""
    rows = session.execute(sa.select(*columns(PendingImage, ImageRow)).where(ImageRow.id.in_(image_ids)))
    return {image.id: image for image in read_all(PendingImage, rows)}


def name_vectors(session: Session, encoder: str, keys: Iterable[str], now: datetime) -> int:
    """Write the rows that name vectors; the vectors themselves are in the store already."""
    rows = [{"encoder": encoder, "key": key, "created_at": now} for key in dict.fromkeys(keys)]
    return insert_new(session, EmbeddingRow, rows)


def forget_vectors(session: Session, encoder: str, keys: Sequence[str]) -> None:
    """Delete the rows of vectors that turned out to be missing: their images are pending again."""
    for some in in_parts(keys):
        delete(session, EmbeddingRow, EmbeddingRow.encoder == encoder, EmbeddingRow.key.in_(some))


def named_vectors(session: Session) -> dict[str, set[str]]:
    """The keys of all vectors that a row names, by encoder."""
    found: dict[str, set[str]] = {}
    for encoder, key in session.execute(sa.select(EmbeddingRow.encoder, EmbeddingRow.key)):
        found.setdefault(encoder, set()).add(key)
    return found


def ungrouped(session: Session, project_id: ProjectId, *, encoder: str, limit: int) -> list[UngroupedImage]:
    """The first images that can be grouped and are not yet, in the order of their ids."""
    rows = session.execute(
        sa.select(*columns(UngroupedImage, ImageRow))
        .where(ImageRow.project_id == project_id, ImageRow.group_id.is_(None), _has_vector(encoder))
        .order_by(ImageRow.id)
        .limit(limit)
    )
    return read_all(UngroupedImage, rows)


def place(session: Session, project_id: ProjectId, placed: Sequence[PlacedImage], now: datetime) -> int:
    """Found the groups that are new and put images into theirs; one that has a group already keeps it."""
    founded = {image.founder: image.position for image in placed}
    facts = {"project_id": project_id, "created_at": now}
    insert_new(session, GroupRow, [{**facts, "founder_hash": key, "position": at} for key, at in founded.items()])
    groups = session.scalars(
        sa.select(GroupRow).where(GroupRow.project_id == project_id, GroupRow.founder_hash.in_(founded))
    )
    ids = {group.founder_hash: group.id for group in groups}
    return sum(
        update(
            session,
            ImageRow,
            ImageRow.id == image.id,
            ImageRow.group_id.is_(None),
            group_id=ids[image.founder],
        )
        for image in placed
    )


def stated_in(raw: str) -> str:
    """The word for its confidence in a raw answer that is JSON; empty where it says none."""
    try:
        answer = json.loads(raw)
    except ValueError:
        return ""
    return str(answer.get("confidence", "")) if isinstance(answer, dict) else ""


def _has_vector(encoder: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(EmbeddingRow.encoder == encoder, EmbeddingRow.key == ImageRow.content_hash)
