"""Saved classifiers and the verdicts about them, both append-only. The champion follows from the verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import columns, read_all, read_first
from db.session import insert_new
from db.tables import PredictionFileRow, ProjectRow, PromotionRow, VersionRow
from labeling.errors import Conflict, NotFound
from labeling.jobs import Trigger
from labeling.types import ProjectId, Verdict, VersionId

GATE_VERDICTS = frozenset({Verdict.PROMOTED, Verdict.REFUSED, Verdict.NO_CHANGE})
"""The verdicts for which the gate ran, that is, which were measured."""
_MADE_CHAMPION = (Verdict.PROMOTED, Verdict.ROLLED_BACK)


@dataclass(frozen=True, slots=True)
class Version:
    """A saved classifier. `path` is relative to `home`; `report` says what it was fitted on and how good it is."""

    id: VersionId
    project_id: ProjectId
    number: int
    path: str
    card_hash: str
    snapshot_hash: str
    last_label_id: int
    report: dict[str, Any]
    trigger: Trigger
    created_at: datetime

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that it was fitted on, in the order of what it predicts."""
        return tuple(self.report.get("examples_by_class", ()))


@dataclass(frozen=True, slots=True)
class Promotion:
    """One verdict about a version, with its reasons in plain sentences."""

    id: int
    version_id: VersionId
    champion_id: VersionId | None
    verdict: Verdict
    reasons: tuple[str, ...]
    report: dict[str, Any]
    trigger: Trigger
    author: str
    created_at: datetime


def lock(session: Session, project_id: ProjectId) -> None:
    """Let no other transaction add versions, verdicts or snapshots to this project, or delete, until ours ends."""
    session.execute(sa.select(ProjectRow.id).where(ProjectRow.id == project_id).with_for_update())


def next_number(session: Session, project_id: ProjectId) -> int:
    """The number that the next version will have; the first is 1."""
    highest = session.scalar(sa.select(sa.func.max(VersionRow.number)).where(VersionRow.project_id == project_id))
    return (highest or 0) + 1


def add_version(
    session: Session,
    project_id: ProjectId,
    number: int,
    *,
    path: str,
    card_hash: str,
    snapshot_hash: str,
    last_label_id: int,
    report: Mapping[str, Any],
    trigger: Trigger,
    now: datetime,
) -> Version:
    """Append a version; Conflict if its number was taken in the meantime."""
    files = {"path": path, "card_hash": card_hash}
    learnt_from = {"snapshot_hash": snapshot_hash, "last_label_id": last_label_id, "report": dict(report)}
    row = {"project_id": project_id, "number": number, **files, **learnt_from}
    if not insert_new(session, VersionRow, [{**row, "trigger": trigger.value, "created_at": now}]):
        raise Conflict(f"Version {number} was saved by another worker in the meantime; learning starts over.")
    return by_number(session, project_id, number)


def by_number(session: Session, project_id: ProjectId, number: int) -> Version:
    found = _versions(session, VersionRow.project_id == project_id, VersionRow.number == number)
    if not found:
        newest = session.scalar(sa.select(sa.func.max(VersionRow.number)).where(VersionRow.project_id == project_id))
        raise NotFound(f"There is no version {number}: {f'the newest is {newest}' if newest else 'there is none yet'}.")
    return found[0]


def by_id(session: Session, version_id: VersionId) -> Version:
    found = _versions(session, VersionRow.id == version_id)
    if not found:
        raise NotFound(f"There is no version with id {version_id}.")
    return found[0]


def everyone(session: Session, project_id: ProjectId) -> list[Version]:
    """All versions of a project, oldest first."""
    return _versions(session, VersionRow.project_id == project_id)


def with_prediction_file(session: Session, project_id: ProjectId) -> list[VersionId]:
    """The versions whose predictions of the whole project are kept as a file."""
    rows = sa.select(VersionRow.id).join(PredictionFileRow, PredictionFileRow.version_id == VersionRow.id)
    return [VersionId(one) for one in session.scalars(rows.where(VersionRow.project_id == project_id))]


def newest(session: Session, project_id: ProjectId) -> Version | None:
    """The version that was saved last; None if nothing was learnt yet."""
    of_project = sa.select(*columns(Version, VersionRow)).where(VersionRow.project_id == project_id)
    return read_first(session, Version, of_project.order_by(VersionRow.number.desc()))


def champion(session: Session, project_id: ProjectId) -> Version | None:
    """The version in use: the newest promoted one, or the one last rolled back to; None before the first promotion."""
    promotion = current_promotion(session, project_id)
    return None if promotion is None else by_id(session, promotion.version_id)


def current_promotion(session: Session, project_id: ProjectId) -> Promotion | None:
    """The verdict that made the champion."""
    made = PromotionRow.project_id == project_id, PromotionRow.verdict.in_(_MADE_CHAMPION)
    verdicts = sa.select(*columns(Promotion, PromotionRow)).where(*made)
    return read_first(session, Promotion, verdicts.order_by(PromotionRow.id.desc()))


def champions(session: Session, project_id: ProjectId) -> list[Version]:
    """Every version that ever became the champion, oldest first."""
    made = sa.select(PromotionRow.version_id).where(
        PromotionRow.project_id == project_id, PromotionRow.verdict.in_(_MADE_CHAMPION)
    )
    return _versions(session, VersionRow.id.in_(made))


def previous_champion(session: Session, project_id: ProjectId) -> Version | None:
    """The version to roll back to: the champion before this one; a rollback counts as undoing a promotion."""
    champions: list[VersionId] = []
    for verdict in promotions(session, project_id):
        if verdict.verdict is Verdict.PROMOTED:
            champions.append(verdict.version_id)
        elif verdict.verdict is Verdict.ROLLED_BACK:
            while champions and champions[-1] != verdict.version_id:
                champions.pop()
    return by_id(session, champions[-2]) if len(champions) > 1 else None


def promotions(session: Session, project_id: ProjectId, version_id: VersionId | None = None) -> list[Promotion]:
    """The verdicts about a project's versions, or about one of them, oldest first."""
    query = sa.select(PromotionRow).where(PromotionRow.project_id == project_id).order_by(PromotionRow.id)
    if version_id is not None:
        query = query.where(PromotionRow.version_id == version_id)
    return read_all(Promotion, session.scalars(query))


def append_promotion(
    session: Session,
    version: Version,
    champion_id: VersionId | None,
    verdict: Verdict,
    reasons: Sequence[str],
    *,
    report: Mapping[str, Any],
    trigger: Trigger,
    author: str,
    now: datetime,
) -> None:
    """Append a verdict; nothing ever changes one."""
    about = {"project_id": version.project_id, "version_id": version.id, "champion_id": champion_id}
    judged = {"verdict": verdict.value, "reasons": list(reasons), "report": dict(report)}
    session.add(PromotionRow(**about, **judged, trigger=trigger.value, author=author, created_at=now))
    session.flush()


def _versions(session: Session, *where: sa.ColumnElement[bool]) -> list[Version]:
    return read_all(Version, session.scalars(sa.select(VersionRow).where(*where).order_by(VersionRow.number)))
