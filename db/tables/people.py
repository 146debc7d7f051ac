"""How many people are wanted, what leads decided, who is paused or void, and which messages are sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, ref

__all__ = [
    "AdoptedTaskRow",
    "AlarmEndRow",
    "AlarmRow",
    "AlarmWordsRow",
    "AnnotatorSwitchRow",
    "DecisionRow",
    "DeliveryRow",
    "LabelCheckRow",
    "MessageRow",
    "OverlapRow",
    "SnapshotRow",
    "SoftLabelRow",
    "VoidRow",
]


class OverlapRow(Base):
    """The fact that so many different people are wanted for a review. The highest counts; without a row it is one."""

    __tablename__ = "overlap"
    __table_args__ = (sa.UniqueConstraint("review_id", "people"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    review_id: Mapped[int] = mapped_column(ref("review.id"))
    people: Mapped[int]
    reason: Mapped[str]
    author: Mapped[str]
    at: Mapped[datetime]


class DecisionRow(Base):
    """What a lead decided about an image: it stands above every answer. The newest counts; `value` null takes it back.

    `kind`: correction (of a label that stood) or adjudication (of answers in conflict).
    """

    __tablename__ = "decision"
    __table_args__ = (sa.Index("ix_decision_image_id", "image_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"), index=True)
    image_id: Mapped[int] = mapped_column(ref("image.id"))
    value: Mapped[str | None]
    kind: Mapped[str]
    author: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]


class AnnotatorSwitchRow(Base):
    """The fact that somebody was paused, or takes part again; the newest counts. `evidence` is what a rule found."""

    __tablename__ = "annotator_switch"
    id: Mapped[int] = mapped_column(primary_key=True)
    annotator_id: Mapped[int] = mapped_column(ref("annotator.id"), index=True)
    paused: Mapped[bool]
    author: Mapped[str]
    reason: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class VoidRow(Base):
    """The fact that everything somebody had answered up to this annotation counts for nothing."""

    __tablename__ = "void"
    __table_args__ = (sa.UniqueConstraint("annotator_id", "up_to"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    annotator_id: Mapped[int] = mapped_column(ref("annotator.id"))
    up_to: Mapped[int] = mapped_column(ref("annotation.id"))
    author: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]


class SoftLabelRow(Base):
    """Cache: the consensus of several people (and engines) about an image, as probabilities. Rebuildable."""

    __tablename__ = "soft_label"
    image_id: Mapped[int] = mapped_column(ref("image.id"), primary_key=True, autoincrement=False)
    project_id: Mapped[int] = mapped_column(ref("project.id"), index=True)
    method: Mapped[str]
    value: Mapped[str | None]
    confidence: Mapped[float]
    probs: Mapped[dict[str, Any]]
    annotations: Mapped[list[int]] = mapped_column(sa.JSON())
    computed_at: Mapped[datetime]


class LabelCheckRow(Base):
    """The fact that somebody checked a label that was suspected to be wrong and found it right."""

    __tablename__ = "label_check"
    label_id: Mapped[int] = mapped_column(ref("label.id"), primary_key=True, autoincrement=False)
    author: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]


class SnapshotRow(Base):
    """A frozen state of a project's labels: everything up to `last_label_id`, named by the hash of its content."""

    __tablename__ = "snapshot"
    __table_args__ = (sa.UniqueConstraint("project_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    name: Mapped[str]
    last_label_id: Mapped[int]
    labels: Mapped[int]
    hash: Mapped[str]
    path: Mapped[str]
    report: Mapped[dict[str, Any]]
    released: Mapped[bool]
    author: Mapped[str]
    note: Mapped[str]
    created_at: Mapped[datetime]


class AlarmRow(Base):
    """The fact that something about a project's labels needs a person. Open until it has an end."""

    __tablename__ = "alarm"
    __table_args__ = (sa.Index("ix_alarm_project_id_kind_subject", "project_id", "kind", "subject"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    kind: Mapped[str]
    subject: Mapped[str]
    words: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    raised_at: Mapped[datetime]


class AlarmWordsRow(Base):
    """What an open alarm says from here on: its figure has changed since it was raised. The newest counts."""

    __tablename__ = "alarm_words"
    id: Mapped[int] = mapped_column(primary_key=True)
    alarm_id: Mapped[int] = mapped_column(ref("alarm.id"), index=True)
    words: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class AlarmEndRow(Base):
    """The fact that an alarm is over: it passed by itself, or somebody ended it."""

    __tablename__ = "alarm_end"
    alarm_id: Mapped[int] = mapped_column(ref("alarm.id"), primary_key=True, autoincrement=False)
    author: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]


class MessageRow(Base):
    """A message to be sent once to each target: `key` is the same for the same occasion and target."""

    __tablename__ = "message"
    __table_args__ = (sa.UniqueConstraint("key"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"), index=True)
    key: Mapped[str]
    target: Mapped[str]
    subject: Mapped[str]
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class DeliveryRow(Base):
    """One attempt to deliver a message, and how it went. The first that went well is the last."""

    __tablename__ = "delivery"
    __table_args__ = (sa.UniqueConstraint("message_id", "attempt"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ref("message.id"))
    attempt: Mapped[int]
    delivered: Mapped[bool]
    detail: Mapped[str]
    at: Mapped[datetime]


class AdoptedTaskRow(Base):
    """A task that was made in Label Studio and taken over: which registration its image became.

    `people` is how many answers it was to have there. `taken_at` is when the key of its review was written to its data.
    """

    __tablename__ = "adopted_task"
    __table_args__ = (sa.UniqueConstraint("project_id", "ls_task_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    ls_task_id: Mapped[int]
    registration_id: Mapped[int] = mapped_column(ref("registration.id"), index=True)
    answered: Mapped[bool]
    people: Mapped[int] = mapped_column(default=1)
    adopted_at: Mapped[datetime]
    taken_at: Mapped[datetime | None]
