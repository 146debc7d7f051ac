"""Saved classifiers, the verdicts about them, and what they predicted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, ref

__all__ = [
    "FigureRow",
    "PredictionFileRow",
    "PredictionRow",
    "PromotionRow",
    "VersionRow",
]


class VersionRow(Base):
    """A saved classifier. Its training set is every usable label up to `last_label_id`, to the hash."""

    __tablename__ = "version"
    __table_args__ = (sa.UniqueConstraint("project_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
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
    project_id: Mapped[int] = mapped_column(ref("project.id"), index=True)
    version_id: Mapped[int] = mapped_column(ref("version.id"), index=True)
    champion_id: Mapped[int | None] = mapped_column(ref("version.id"))
    verdict: Mapped[str]
    reasons: Mapped[list[str]]
    report: Mapped[dict[str, Any]]
    trigger: Mapped[str]
    author: Mapped[str]
    created_at: Mapped[datetime]


class PredictionFileRow(Base):
    """A version's predictions over the whole project as one array file with its row map."""

    __tablename__ = "prediction_file"
    version_id: Mapped[int] = mapped_column(ref("version.id"), primary_key=True)
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
    image_id: Mapped[int] = mapped_column(ref("image.id"))
    version_id: Mapped[int] = mapped_column(ref("version.id"), index=True)
    probs: Mapped[list[float]]
    asked_in: Mapped[int | None] = mapped_column(ref("query.id"))
    created_at: Mapped[datetime]


class FigureRow(Base):
    """Cache: a figure computed by the worker for the pages. Rebuildable."""

    __tablename__ = "figure"
    project_id: Mapped[int] = mapped_column(ref("project.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    data: Mapped[dict[str, Any]]
    computed_at: Mapped[datetime]
