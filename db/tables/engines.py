"""Calls to endpoints and what they cost, probes and canaries, and how engines are calibrated."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, ref

__all__ = [
    "CalibrationRow",
    "CallRow",
    "CanaryRow",
    "EngineReportRow",
    "EngineStageRow",
    "ProbeRow",
    "SpendRow",
]


class CallRow(Base):
    """One question to an endpoint, written before it is sent; `key` is the hash of the request.

    `state`: intent (nothing was sent), sent (it may be paid for), done, failed (certainly not paid for),
    ambiguous (sent, and no answer came). A done call is the cache: the same key is never sent again.
    """

    __tablename__ = "call"
    __table_args__ = (
        sa.UniqueConstraint("endpoint", "key"),
        sa.Index("ix_call_project_id_state", "project_id", "state"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int | None] = mapped_column(ref("project.id"))
    endpoint: Mapped[str]
    model: Mapped[str]
    key: Mapped[str]
    state: Mapped[str]
    owner: Mapped[str]
    lease_until: Mapped[datetime]
    attempts: Mapped[int]
    reserved_micro: Mapped[int]
    cost_micro: Mapped[int]
    tokens_in: Mapped[int]
    tokens_out: Mapped[int]
    status: Mapped[int | None]
    reply: Mapped[str | None]
    seconds: Mapped[float]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class SpendRow(Base):
    """What a project's calls have cost and may still cost; the row that a reservation locks."""

    __tablename__ = "spend"
    project_id: Mapped[int] = mapped_column(ref("project.id"), primary_key=True)
    reserved_micro: Mapped[int] = mapped_column(default=0)
    spent_micro: Mapped[int] = mapped_column(default=0)


class ProbeRow(Base):
    """What a probe found an endpoint's model to be able to do. The newest is in force."""

    __tablename__ = "probe"
    __table_args__ = (sa.Index("ix_probe_endpoint_model", "endpoint", "model"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    endpoint: Mapped[str]
    model: Mapped[str]
    url: Mapped[str]
    result: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class CalibrationRow(Base):
    """How one engine revision's probabilities are calibrated, fitted on a random sample; the newest is in force."""

    __tablename__ = "calibration"
    __table_args__ = (sa.UniqueConstraint("project_id", "revision", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    engine: Mapped[str]
    revision: Mapped[str]
    number: Mapped[int]
    labels: Mapped[int]
    terms: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class EngineStageRow(Base):
    """Which engine revision has which place in a project's escalation; place 0 labels every image."""

    __tablename__ = "engine_stage"
    project_id: Mapped[int] = mapped_column(ref("project.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    engine: Mapped[str]
    revision: Mapped[str]
    since: Mapped[datetime]


class CanaryRow(Base):
    """One canary that an engine got: a known image with an instruction towards another class, and what it answered."""

    __tablename__ = "canary"
    __table_args__ = (sa.UniqueConstraint("project_id", "revision", "key"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    engine: Mapped[str]
    revision: Mapped[str]
    key: Mapped[str]
    injection: Mapped[str]
    placement: Mapped[str]
    truth: Mapped[str]
    target: Mapped[str]
    clean: Mapped[str]
    said: Mapped[str]
    obeyed: Mapped[bool]
    created_at: Mapped[datetime]


class EngineReportRow(Base):
    """The report of `engines try`, `compare` or `plan`, or of `models compare`: pages and the API show it."""

    __tablename__ = "engine_report"
    __table_args__ = (sa.Index("ix_engine_report_project_id_kind", "project_id", "kind"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    kind: Mapped[str]
    request: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any]]
    asked_by: Mapped[str]
    created_at: Mapped[datetime]
