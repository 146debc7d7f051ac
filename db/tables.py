"""Every table, as facts that are appended, not flags that must be kept true.

What state an image is in is a question over these rows (`db/repositories/images.py` asks it): *registered* =
no fetch yet; *fetched* = no prelabel or group yet; *ready*; *asked* = a review that is open; *answered* = a
label. Exactly-once rests on the unique keys below. Rows that are pure cache say so.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = ["Base", "UtcDateTime"]


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An aware UTC datetime; a naive one is refused, so no time zone is ever guessed."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times must be aware (UTC)")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: UtcDateTime(),
        dict[str, Any]: sa.JSON(),
        list[str]: sa.JSON(),
        list[float]: sa.JSON(),
        int: sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        str: sa.Text(),
    }


def _ref(target: str) -> sa.ForeignKey:
    return sa.ForeignKey(target)


# --- projects -------------------------------------------------------------------------------------------


class ProjectRow(Base):
    """One labelling job. `salt` splits its hold-out and never changes."""

    __tablename__ = "project"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    salt: Mapped[str]
    created_at: Mapped[datetime]


class ProjectConfigRow(Base):
    """One version of a project's configuration; the highest is in force."""

    __tablename__ = "project_config"
    project_id: Mapped[int] = mapped_column(_ref("project.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    config: Mapped[dict[str, Any]]
    author: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime]


# --- ingest ---------------------------------------------------------------------------------------------


class SourceRow(Base):
    """A folder, fsspec address or manifest that is looked at on a schedule."""

    __tablename__ = "source"
    __table_args__ = (sa.UniqueConstraint("project_id", "address"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(_ref("project.id"))
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
    project_id: Mapped[int] = mapped_column(_ref("project.id"))
    source_id: Mapped[int | None] = mapped_column(_ref("source.id"))
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
    registration_id: Mapped[int] = mapped_column(_ref("registration.id"), primary_key=True)
    at: Mapped[datetime]


class ImageRow(Base):
    """One item: the bytes by content hash, and the text and metadata that came with it.

    `group_id` and `bridge` are written once, when the embedding is known (see GroupRow).
    """

    __tablename__ = "image"
    __table_args__ = (
        sa.UniqueConstraint("project_id", "content_hash"),
        sa.Index("ix_image_project_id_group_id", "project_id", "group_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(_ref("project.id"))
    content_hash: Mapped[str]
    perceptual_hash: Mapped[str]
    format: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    size_bytes: Mapped[int]
    text: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    group_id: Mapped[int | None] = mapped_column(_ref("image_group.id"))
    bridge: Mapped[bool] = mapped_column(default=False)
    fetched_at: Mapped[datetime]


class FetchRow(Base):
    """The fact that a registration's bytes were fetched, and which image they are."""

    __tablename__ = "fetch"
    registration_id: Mapped[int] = mapped_column(_ref("registration.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(_ref("image.id"), index=True)
    fetched_at: Mapped[datetime]


class GroupRow(Base):
    """Near-duplicates, founded by the first of them; `side` is a hash of the founder, written once."""

    __tablename__ = "image_group"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(_ref("project.id"), index=True)
    founder_hash: Mapped[str]
    side: Mapped[str]
    created_at: Mapped[datetime]
    __table_args__ = (sa.UniqueConstraint("project_id", "founder_hash"),)


# --- prelabel -------------------------------------------------------------------------------------------


class EmbeddingRow(Base):
    """Names a vector in the embedding store, written after it. `key` is a content hash or a text's hash."""

    __tablename__ = "embedding"
    encoder: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]


class PrelabelRow(Base):
    """One engine's probabilities for one image, with what it said and what it cost."""

    __tablename__ = "prelabel"
    __table_args__ = (sa.UniqueConstraint("image_id", "revision"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(_ref("image.id"))
    engine: Mapped[str]
    revision: Mapped[str]
    probs: Mapped[list[float]]
    description: Mapped[str]
    duration_s: Mapped[float]
    cost_micro: Mapped[int]
    created_at: Mapped[datetime]


# --- select ---------------------------------------------------------------------------------------------


class QueryRow(Base):
    """One batch chosen for people. The same pool, version and seed give the same batch."""

    __tablename__ = "query"
    __table_args__ = (sa.UniqueConstraint("project_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(_ref("project.id"))
    number: Mapped[int]
    strategy: Mapped[str]
    seed: Mapped[int]
    version_id: Mapped[int | None] = mapped_column(_ref("version.id"))
    pool_size: Mapped[int]
    trigger: Mapped[str]
    created_at: Mapped[datetime]


class ReviewRow(Base):
    """The question put to people about one image.

    `probability` is the image's probability of being chosen (1 for deterministic picks), `place` in [0, 1) is
    drawn once for the random kinds and the rank by doubt within its query for the others, and `token` makes the
    address under which this review's image is seen.
    """

    __tablename__ = "review"
    __table_args__ = (
        sa.UniqueConstraint("query_id", "image_id"),
        sa.Index("ix_review_project_id_image_id", "project_id", "image_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(_ref("project.id"))
    image_id: Mapped[int] = mapped_column(_ref("image.id"))
    query_id: Mapped[int] = mapped_column(_ref("query.id"))
    kind: Mapped[str]
    blind: Mapped[bool]
    probability: Mapped[float]
    place: Mapped[float]
    token: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]


class ReviewEndRow(Base):
    """The fact that a review will get no answer any more, and why (its task was deleted, it was voided)."""

    __tablename__ = "review_end"
    review_id: Mapped[int] = mapped_column(_ref("review.id"), primary_key=True)
    reason: Mapped[str]
    at: Mapped[datetime]


# --- review ---------------------------------------------------------------------------------------------


class LabelStudioProjectRow(Base):
    """Which Label Studio project belongs to which of ours, and what was last written there."""

    __tablename__ = "label_studio_project"
    project_id: Mapped[int] = mapped_column(_ref("project.id"), primary_key=True)
    ls_project_id: Mapped[int]
    base_url: Mapped[str]
    config_hash: Mapped[str]
    webhook_id: Mapped[int | None]
    webhook_secret: Mapped[str]
    queue_revision: Mapped[int] = mapped_column(default=0)
    model_version: Mapped[str | None]
    swept_until: Mapped[datetime | None]
    created_at: Mapped[datetime]


class PushRow(Base):
    """The fact that a review stands in Label Studio as a task. At most one task a review."""

    __tablename__ = "push"
    review_id: Mapped[int] = mapped_column(_ref("review.id"), primary_key=True)
    ls_task_id: Mapped[int] = mapped_column(index=True)
    ls_project_id: Mapped[int]
    pushed_at: Mapped[datetime]


class SeenRow(Base):
    """The fact that a review's image was fetched from us, so an answer to it was given with open eyes."""

    __tablename__ = "seen"
    review_id: Mapped[int] = mapped_column(_ref("review.id"), primary_key=True)
    at: Mapped[datetime]


class InboxRow(Base):
    """One webhook event, drained from the spool: a hint that something changed. Only ids are kept."""

    __tablename__ = "inbox"
    __table_args__ = (
        sa.Index(  # asked every second: it must not grow with what is long handled
            "ix_inbox_unhandled",
            "project_id",
            sqlite_where=sa.text("handled_at IS NULL"),
            postgresql_where=sa.text("handled_at IS NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    spool_key: Mapped[str] = mapped_column(unique=True)
    project_id: Mapped[int] = mapped_column(_ref("project.id"))
    action: Mapped[str]
    hint: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]


class AnnotatorRow(Base):
    """A person (or a simulated one) who answers in Label Studio."""

    __tablename__ = "annotator"
    __table_args__ = (sa.UniqueConstraint("project_id", "ls_user_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(_ref("project.id"))
    ls_user_id: Mapped[int]
    name: Mapped[str]


class AnnotationRow(Base):
    """One version of one person's answer; append-only, skips and withdrawals included.

    The current answer of a `unique_id` is its newest row by (`updated_at`, `id`).
    """

    __tablename__ = "annotation"
    __table_args__ = (
        sa.UniqueConstraint("unique_id", "updated_at", "result_hash"),
        sa.Index("ix_annotation_review_id", "review_id"),
        sa.Index("ix_annotation_ls_annotation_id", "ls_annotation_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    review_id: Mapped[int] = mapped_column(_ref("review.id"))
    annotator_id: Mapped[int | None] = mapped_column(_ref("annotator.id"))
    ls_annotation_id: Mapped[int]
    unique_id: Mapped[str]
    action: Mapped[str]
    answers: Mapped[list[str]]
    result_hash: Mapped[str]
    shown: Mapped[str | None]
    accepted: Mapped[bool | None]
    lead_time_s: Mapped[float | None]
    updated_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class LabelRow(Base):
    """What we hold true of an image from here on; append-only. `value` null = no label any more."""

    __tablename__ = "label"
    __table_args__ = (sa.Index("ix_label_image_id", "image_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(_ref("project.id"), index=True)
    image_id: Mapped[int] = mapped_column(_ref("image.id"))
    value: Mapped[str | None]
    source: Mapped[str]
    review_id: Mapped[int | None] = mapped_column(_ref("review.id"))
    evidence: Mapped[dict[str, Any]]
    author: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime]


# --- learn and promote ----------------------------------------------------------------------------------


class VersionRow(Base):
    """A saved classifier. Its training set is every usable label up to `last_label_id`, to the hash."""

    __tablename__ = "version"
    __table_args__ = (sa.UniqueConstraint("project_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(_ref("project.id"))
    number: Mapped[int]
    path: Mapped[str]
    card_hash: Mapped[str]
    snapshot_hash: Mapped[str]
    last_label_id: Mapped[int]
    report: Mapped[dict[str, Any]]
    trigger: Mapped[str]
    created_at: Mapped[datetime]


class PromotionRow(Base):
    """A verdict about a version, append-only. The champion is the newest promoted or rolled-back-to one."""

    __tablename__ = "promotion"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(_ref("project.id"), index=True)
    version_id: Mapped[int] = mapped_column(_ref("version.id"), index=True)
    champion_id: Mapped[int | None] = mapped_column(_ref("version.id"))
    verdict: Mapped[str]
    reasons: Mapped[list[str]]
    report: Mapped[dict[str, Any]]
    trigger: Mapped[str]
    author: Mapped[str]
    created_at: Mapped[datetime]


class PredictionFileRow(Base):
    """A version's predictions over the whole project as one array file with its row map."""

    __tablename__ = "prediction_file"
    version_id: Mapped[int] = mapped_column(_ref("version.id"), primary_key=True)
    path: Mapped[str]
    rows: Mapped[int]
    sha256: Mapped[str]
    created_at: Mapped[datetime]


class PredictionRow(Base):
    """A version's probabilities for one image that was asked, accepted or labelled: the evidence.

    `asked_in` is the query that chose the image by this prediction; null when made later.
    """

    __tablename__ = "prediction"
    __table_args__ = (sa.UniqueConstraint("image_id", "version_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(_ref("image.id"))
    version_id: Mapped[int] = mapped_column(_ref("version.id"), index=True)
    probs: Mapped[list[float]]
    asked_in: Mapped[int | None] = mapped_column(_ref("query.id"))
    created_at: Mapped[datetime]


class FigureRow(Base):
    """Cache: a figure computed by the worker for the pages, as data and as SVG. Rebuildable."""

    __tablename__ = "figure"
    project_id: Mapped[int] = mapped_column(_ref("project.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    data: Mapped[dict[str, Any]]
    svg: Mapped[str | None]
    computed_at: Mapped[datetime]


# --- running it -----------------------------------------------------------------------------------------


class FailureRow(Base):
    """How often a step failed for one subject, and why. After three it is a dead letter until retried.

    The quarantine list is the failures of step `fetch`. A success deletes its row.
    """

    __tablename__ = "failure"
    __table_args__ = (sa.UniqueConstraint("step", "subject"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(_ref("project.id"), index=True)
    step: Mapped[str]
    subject: Mapped[str]
    count: Mapped[int]
    final: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str]
    failed_at: Mapped[datetime]


class ApiKeyRow(Base):
    """A key's salted hash, its role and the projects that it may see (null = all)."""

    __tablename__ = "api_key"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    salt: Mapped[str]
    digest: Mapped[str]
    role: Mapped[str]
    projects: Mapped[list[str] | None] = mapped_column(sa.JSON(none_as_null=True))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class AuditRow(Base):
    """Who did what to what, append-only."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]]


class HeartbeatRow(Base):
    """When a worker was last alive, with its counters since it started."""

    __tablename__ = "heartbeat"
    executor: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    at: Mapped[datetime]
    counters: Mapped[dict[str, Any]]


class TallyRow(Base):
    """Cache: how many images of a project are in which state; refreshed by the sweep. Rebuildable."""

    __tablename__ = "tally"
    project_id: Mapped[int] = mapped_column(_ref("project.id"), primary_key=True)
    counts: Mapped[dict[str, Any]]
    refreshed_at: Mapped[datetime]
