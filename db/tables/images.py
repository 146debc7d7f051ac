"""Where images come from, what they are, which are near-duplicates, and what engines said of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, ref
from labeling.types import Outcome

__all__ = [
    "EmbeddingRow",
    "FetchRow",
    "FingerprintRow",
    "GroupMoveRow",
    "GroupRow",
    "GroupingRow",
    "ImageCheckRow",
    "ImageRow",
    "PrelabelRow",
    "RegistrationGoneRow",
    "RegistrationRow",
    "SourceRow",
]


class SourceRow(Base):
    """A folder, fsspec address or manifest that is read on a schedule."""

    __tablename__ = "source"
    __table_args__ = (sa.UniqueConstraint("project_id", "address"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    address: Mapped[str]
    created_at: Mapped[datetime]
    looked_at: Mapped[datetime | None]


class RegistrationRow(Base):
    """Something that was named as an image of a project: where it is and what came along.

    `fingerprint` tells a changed file from the same one (size and time, or an ETag). A changed file is a new
    registration under the same reference and the next `revision`.
    """

    __tablename__ = "registration"
    __table_args__ = (sa.UniqueConstraint("project_id", "reference", "revision"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    source_id: Mapped[int | None] = mapped_column(ref("source.id"))
    reference: Mapped[str]
    revision: Mapped[int] = mapped_column(default=0)
    address: Mapped[str]
    fingerprint: Mapped[str | None]
    text: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    known_label: Mapped[str | None]
    gold: Mapped[bool] = mapped_column(default=False)
    registered_at: Mapped[datetime]


class RegistrationGoneRow(Base):
    """The fact that a source no longer holds what was registered. The image and its labels stay."""

    __tablename__ = "registration_gone"
    registration_id: Mapped[int] = mapped_column(ref("registration.id"), primary_key=True)
    at: Mapped[datetime]


class ImageRow(Base):
    """One item: the bytes by content hash, and the text and metadata that came with it.

    `group_id` is written when the embedding is known (see GroupRow); it changes only with a GroupMoveRow beside it.
    """

    __tablename__ = "image"
    __table_args__ = (
        sa.UniqueConstraint("project_id", "content_hash"),
        sa.Index("ix_image_project_id_group_id", "project_id", "group_id"),
        sa.Index("ix_image_group_id", "group_id"),  # asked for every group that is deleted
        sa.Index("ix_image_project_id_id", "project_id", "id"),  # lists go by id, without sorting a whole project
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    content_hash: Mapped[str]
    format: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    size_bytes: Mapped[int]
    text: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    group_id: Mapped[int | None] = mapped_column(ref("image_group.id"))
    fetched_at: Mapped[datetime]


class FetchRow(Base):
    """The fact that a registration's bytes were fetched, and which image they are."""

    __tablename__ = "fetch"
    registration_id: Mapped[int] = mapped_column(ref("registration.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ref("image.id"), index=True)
    fetched_at: Mapped[datetime]


class GroupRow(Base):
    """Near-duplicates, founded by the first of them.

    `position` in [0, 1) is the group's place in the random stream, a hash of its founder, written once; 1 or more: it
    left the stream when the first labels were migrated, for training had used it.
    """

    __tablename__ = "image_group"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"), index=True)
    founder_hash: Mapped[str]
    position: Mapped[float]
    created_at: Mapped[datetime]
    __table_args__ = (
        sa.UniqueConstraint("project_id", "founder_hash"),
        sa.Index("ix_image_group_project_id_position", "project_id", "position"),
    )


class GroupMoveRow(Base):
    """The fact that an image came into another group: groups became one, came apart, or were made anew."""

    __tablename__ = "group_move"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"), index=True)
    image_id: Mapped[int] = mapped_column(ref("image.id"), index=True)
    from_group_id: Mapped[int] = mapped_column(ref("image_group.id"), index=True)
    to_group_id: Mapped[int] = mapped_column(ref("image_group.id"), index=True)
    reason: Mapped[str]
    created_at: Mapped[datetime]


class GroupingRow(Base):
    """By what rule near-duplicates of a project were found from then on, and why; the newest is in force.

    `sure` and `near` are the bits of `labeling.ingest.twins.TwinRule`; `images` says from how many they were measured.
    """

    __tablename__ = "grouping"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"), index=True)
    kind: Mapped[str]
    sure: Mapped[float]
    near: Mapped[float]
    images: Mapped[int]
    reason: Mapped[str]
    created_at: Mapped[datetime]


class FingerprintRow(Base):
    """What near-duplicates are recognised by, of an image by its content hash; empty for a flat image."""

    __tablename__ = "fingerprint"
    content_hash: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[bytes]


class ImageCheckRow(Base):
    """What may be wrong with a picture itself, by its content hash: scores in [0, 1], lower is worse."""

    __tablename__ = "image_check"
    content_hash: Mapped[str] = mapped_column(primary_key=True)
    blurry: Mapped[float]
    dark: Mapped[float]
    light: Mapped[float]
    low_information: Mapped[float]
    odd_aspect: Mapped[float]


class EmbeddingRow(Base):
    """Names a vector in the embedding store, written after it. `key` is a content hash or a text's hash."""

    __tablename__ = "embedding"
    encoder: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]


class PrelabelRow(Base):
    """What one engine gave for one image: what it said, what it cost, and its evidence (`Evidence`)."""

    __tablename__ = "prelabel"
    __table_args__ = (sa.UniqueConstraint("image_id", "revision"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ref("image.id"))
    engine: Mapped[str]
    revision: Mapped[str]
    probs: Mapped[list[float]]
    description: Mapped[str]
    duration_s: Mapped[float]
    cost_micro: Mapped[int]
    outcome: Mapped[str] = mapped_column(default=Outcome.LABEL.value)
    answer: Mapped[str | None]
    evidence: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
