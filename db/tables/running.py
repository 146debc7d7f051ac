"""What keeps the processes going: failures, keys and logins, the audit log, heartbeats, tallies."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, ref

__all__ = [
    "ApiKeyRow",
    "AuditRow",
    "FailureRow",
    "HeartbeatRow",
    "PageSessionRow",
    "TallyRow",
]


class FailureRow(Base):
    """How often a step failed for one subject, and why. After three it is a dead letter until retried.

    The quarantine list is the failures of step `fetch`. A success deletes its row.
    """

    __tablename__ = "failure"
    __table_args__ = (sa.UniqueConstraint("step", "subject"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"), index=True)
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
    expires_at: Mapped[datetime | None]


class PageSessionRow(Base):
    """A login: the hash of its cookie's secret, its key, and what the key was when it logged in."""

    __tablename__ = "page_session"
    digest: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[int] = mapped_column(ref("api_key.id"))
    role: Mapped[str]
    projects: Mapped[list[str] | None] = mapped_column(sa.JSON(none_as_null=True))
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class AuditRow(Base):
    """Who did what to what, and from where; append-only, by triggers too. A project's number outlives the project."""

    __tablename__ = "audit"
    __table_args__ = (sa.Index("ix_audit_action_at", "action", "at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]]
    place: Mapped[str]
    key: Mapped[str]
    project_id: Mapped[int | None] = mapped_column(index=True)


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
    project_id: Mapped[int] = mapped_column(ref("project.id"), primary_key=True)
    counts: Mapped[dict[str, Any]]
    refreshed_at: Mapped[datetime]
