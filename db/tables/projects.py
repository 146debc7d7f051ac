"""Projects and the versions of their configuration."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, ref

__all__ = [
    "ProjectConfigRow",
    "ProjectRow",
]


class ProjectRow(Base):
    """One labelling job. `salt` orders its random stream and never changes."""

    __tablename__ = "project"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    salt: Mapped[str]
    created_at: Mapped[datetime]


class ProjectConfigRow(Base):
    """One version of a project's configuration; the highest is in force."""

    __tablename__ = "project_config"
    project_id: Mapped[int] = mapped_column(ref("project.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    config: Mapped[dict[str, Any]]
    author: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime]
