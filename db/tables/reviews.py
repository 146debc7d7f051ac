"""What was asked, of whom, what they answered, and what we hold true."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, ref

__all__ = [
    "AnnotationRow",
    "AnnotatorRow",
    "InboxRow",
    "LabelRow",
    "LabelStudioProjectRow",
    "ComparisonRow",
    "PushRow",
    "QueryRow",
    "RegionRow",
    "ReviewEndRow",
    "ReserveRow",
    "ReviewRow",
    "ImportedSampleRow",
    "ShadowPickRow",
    "ViewRow",
]


class ReserveRow(Base):
    """From here on this share of the groups is reserved for the random stream; the newest row is in force.

    The share only falls, but for a larger random sample that was imported before anything was asked. 0: a person
    released the reserve, and measuring has ended.
    """

    __tablename__ = "reserve"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"), index=True)
    share: Mapped[float]
    groups: Mapped[int]
    author: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]


class ImportedSampleRow(Base):
    """The fact that an image, imported as part of a random sample, was placed among the first of the stream's order.

    `newest_group`: the groups that it is a sample of end with this one.
    """

    __tablename__ = "imported_sample"
    image_id: Mapped[int] = mapped_column(ref("image.id"), primary_key=True)
    newest_group: Mapped[int]
    at: Mapped[datetime]


class ShadowPickRow(Base):
    """The fact that a query would have asked about a reserved group, had it not been reserved; for good."""

    __tablename__ = "shadow_pick"
    group_id: Mapped[int] = mapped_column(ref("image_group.id"), primary_key=True)
    query_id: Mapped[int] = mapped_column(ref("query.id"), index=True)
    at: Mapped[datetime]


class ComparisonRow(Base):
    """A planned comparison at the random arm: what it found, and which strategy the project followed then. One a size.

    Each one is a use of the random stream, as a verdict is.
    """

    __tablename__ = "comparison"
    __table_args__ = (sa.UniqueConstraint("project_id", "size"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    size: Mapped[int]
    images: Mapped[int]
    strategy: Mapped[str]
    found: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class QueryRow(Base):
    """One batch chosen for people. The same pool, version and seed give the same batch.

    `newest_group` is the newest group that there was then (null: unknown, an older hardcase wrote it); `why` says how
    the strategy was used.
    """

    __tablename__ = "query"
    __table_args__ = (sa.UniqueConstraint("project_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    number: Mapped[int]
    strategy: Mapped[str]
    seed: Mapped[int]
    version_id: Mapped[int | None] = mapped_column(ref("version.id"))
    pool_size: Mapped[int]
    newest_group: Mapped[int | None]
    why: Mapped[str] = mapped_column(default="")
    trigger: Mapped[str]
    created_at: Mapped[datetime]


class ReviewRow(Base):
    """The question put to people about one image.

    `probability` is the image's probability of being chosen (1 for deterministic picks), `place` in [0, 1) is
    drawn once for the random kinds and the rank by uncertainty within its query for the others, and `token` makes the
    address under which this review's image is fetched. `asked_as` is the kind's older name, where it had one;
    `representative`: it was picked for what it stands for, not by doubt. `reason` says why it was picked (null: not
    known, an older hardcase wrote it).
    """

    __tablename__ = "review"
    __table_args__ = (
        sa.UniqueConstraint("query_id", "image_id"),
        sa.Index("ix_review_project_id_image_id", "project_id", "image_id"),
        sa.Index("ix_review_project_id_kind", "project_id", "kind"),
        sa.Index("ix_review_image_id", "image_id"),
        sa.Index("ix_review_project_id_id", "project_id", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    image_id: Mapped[int] = mapped_column(ref("image.id"))
    query_id: Mapped[int] = mapped_column(ref("query.id"))
    kind: Mapped[str]
    asked_as: Mapped[str | None]
    representative: Mapped[bool] = mapped_column(default=False)
    blind: Mapped[bool]
    probability: Mapped[float]
    place: Mapped[float]
    token: Mapped[str] = mapped_column(unique=True)
    reason: Mapped[str | None]
    created_at: Mapped[datetime]


class ReviewEndRow(Base):
    """The fact that a review will get no answer any more, and why (its task was deleted, it was voided)."""

    __tablename__ = "review_end"
    review_id: Mapped[int] = mapped_column(ref("review.id"), primary_key=True)
    reason: Mapped[str]
    at: Mapped[datetime]


class LabelStudioProjectRow(Base):
    """Which Label Studio project belongs to which of ours, and what was last written there.

    `controls` are the names that its labelling config uses, where it was not made by us (null: our own).
    `swept_until` is the newest change of a task there that was read, `swept_at` when (null: no older one can follow),
    `importing_since` when an import began whose end is not known.
    """

    __tablename__ = "label_studio_project"
    project_id: Mapped[int] = mapped_column(ref("project.id"), primary_key=True)
    ls_project_id: Mapped[int]
    base_url: Mapped[str]
    config_hash: Mapped[str]
    webhook_id: Mapped[int | None]
    webhook_secret: Mapped[str]
    queue_revision: Mapped[int] = mapped_column(default=0)
    model_version: Mapped[str | None]
    swept_until: Mapped[datetime | None]
    swept_at: Mapped[datetime | None]
    importing_since: Mapped[datetime | None]
    controls: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    created_at: Mapped[datetime]


class PushRow(Base):
    """The fact that a review stands in Label Studio as a task. At most one task a review.

    `people` is how many different people that task asks, as last written there; `answer` what it pre-selects (null:
    nothing) and `score` its place in the queue (null: not ordered yet). `touched_at` is Label Studio's time of the last
    change of the task when its answers were last read (null: never).
    """

    __tablename__ = "push"
    review_id: Mapped[int] = mapped_column(ref("review.id"), primary_key=True)
    ls_task_id: Mapped[int] = mapped_column(index=True)
    ls_project_id: Mapped[int]
    people: Mapped[int] = mapped_column(default=1)
    answer: Mapped[str | None]
    score: Mapped[float | None]
    pushed_at: Mapped[datetime]
    touched_at: Mapped[datetime | None]


class ViewRow(Base):
    """The fact that a review's image was fetched from us; by whom is not known."""

    __tablename__ = "seen"
    review_id: Mapped[int] = mapped_column(ref("review.id"), primary_key=True)
    at: Mapped[datetime]


class RegionRow(Base):
    """The fact that an overlay was drawn for a review: where the class that it pre-selects is thought to be.

    `picture` names it in the image store; the newest row of a review is the one that is shown.
    """

    __tablename__ = "region"
    __table_args__ = (sa.UniqueConstraint("review_id", "picture"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    review_id: Mapped[int] = mapped_column(ref("review.id"))
    answer: Mapped[str]
    revision: Mapped[str]
    picture: Mapped[str]
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
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    action: Mapped[str]
    hint: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]


class AnnotatorRow(Base):
    """A person (or a simulated one) who answers in Label Studio."""

    __tablename__ = "annotator"
    __table_args__ = (sa.UniqueConstraint("project_id", "ls_user_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    ls_user_id: Mapped[int]
    name: Mapped[str]


class AnnotationRow(Base):
    """One version of one person's answer; append-only, skips and withdrawals included.

    The current answer of a `unique_id` is its newest row by (`updated_at`, `id`). `paused`: its annotator was paused
    when it was recorded, so it counts for nothing. `ls_task_id` is the task that it was given to (null where an older
    hardcase wrote it: the task that its review was pushed as).
    """

    __tablename__ = "annotation"
    __table_args__ = (
        sa.UniqueConstraint("unique_id", "updated_at", "result_hash"),
        sa.Index("ix_annotation_review_id", "review_id"),
        sa.Index("ix_annotation_ls_annotation_id", "ls_annotation_id"),
        sa.Index("ix_annotation_annotator_id", "annotator_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    review_id: Mapped[int] = mapped_column(ref("review.id"))
    annotator_id: Mapped[int | None] = mapped_column(ref("annotator.id"))
    ls_annotation_id: Mapped[int]
    ls_task_id: Mapped[int | None]
    unique_id: Mapped[str]
    action: Mapped[str]
    answers: Mapped[list[str]]
    result_hash: Mapped[str]
    shown: Mapped[str | None]
    accepted: Mapped[bool | None]
    lead_time_s: Mapped[float | None]
    paused: Mapped[bool] = mapped_column(default=False)
    updated_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class LabelRow(Base):
    """What we hold true of an image from here on; append-only. `value` null = no label any more."""

    __tablename__ = "label"
    __table_args__ = (
        sa.Index("ix_label_image_id", "image_id"),
        sa.Index("ix_label_review_id", "review_id"),
        sa.Index("ix_label_project_id_value", "project_id", "value"),
        sa.Index("ix_label_project_id_source", "project_id", "source"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"), index=True)
    image_id: Mapped[int] = mapped_column(ref("image.id"))
    value: Mapped[str | None]
    source: Mapped[str]
    review_id: Mapped[int | None] = mapped_column(ref("review.id"))
    evidence: Mapped[dict[str, Any]]
    author: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime]
