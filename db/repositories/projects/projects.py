"""Projects and the versions of their configuration."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.deletions import deletions
from db.rows import read_all
from db.session import insert_new
from db.tables import ProjectConfigRow, ProjectRow
from labeling.conversion import convert
from labeling.errors import Conflict, Invalid, NotFound
from labeling.normal_form import one_line
from labeling.project import Project, ProjectConfig
from labeling.types import Actor, DeletionKind, ProjectId


@dataclass(frozen=True, slots=True)
class ConfigVersion:
    """One version of a project's configuration: who put it in force, when, and why."""

    version: int
    config: ProjectConfig
    author: str
    reason: str
    created_at: datetime


def create(session: Session, config: ProjectConfig, *, salt: str, author: str, now: datetime) -> Project:
    """Make a project; Conflict if the name is taken, Invalid for one that would be read as the number of another."""
    if _is_number(config.name):
        raise Invalid(f"A project cannot be called {config.name!r}: so one asks for the project of this number.")
    if not insert_new(session, ProjectRow, [{"name": config.name, "salt": salt, "created_at": now}]):
        raise Conflict(f"There is already a project {config.name!r}. Use `hardcase project edit {config.name}`.")
    row = session.scalars(sa.select(ProjectRow).where(ProjectRow.name == config.name)).one()
    _append(session, ProjectId(row.id), 1, config, Actor(author, "created", now))
    return by_id(session, ProjectId(row.id))


def _is_number(name_or_id: str) -> bool:
    return name_or_id.isascii() and name_or_id.isdigit() and len(name_or_id) < 19


def configure(session: Session, project_id: ProjectId, config: ProjectConfig, by: Actor) -> Project:
    """Append a new version of the configuration; the newest is in force. The classes stay; a reason is needed."""
    project = by_id(session, project_id)
    config = replace(_as_stored(config, project.config), changes=project.config.changes)
    if config.classes != project.config.classes:
        raise Conflict(
            "The project file has other classes than the project, or another order. Classes change with "
            "`hardcase labels add`, `rename`, `merge`, `split` or `retire`, which keep what people said; "
            f"then the file says: {', '.join(project.config.classes[:20])}."
        )
    if config.name != project.config.name:
        raise Conflict("A project keeps its name.")
    if not by.reason.strip():
        raise Invalid("Say why the configuration changes: a reason stands beside every version of it.")
    _append(session, project_id, project.config_version + 1, config, by)
    return by_id(session, project_id)


def change_labels(session: Session, project: Project, config: ProjectConfig, by: Actor) -> Project:
    """Put a configuration with another label set in force; Conflict where another one came in between."""
    if by_id(session, project.id).config_version != project.config_version:
        raise Conflict("The project was changed at the same moment. Read how it is now, and say again what to change.")
    if not by.reason.strip():
        raise Invalid("Say why the label set changes: a reason stands beside every version of it.")
    _append(session, project.id, project.config_version + 1, config, by)
    return by_id(session, project.id)


def _as_stored(config: ProjectConfig, stored: ProjectConfig) -> ProjectConfig:
    """With the class names as they are stored: an older hardcase did not store them in one normal form."""
    if len(config.labels) != len(stored.labels):
        return config
    pairs = zip(config.labels, stored.classes, strict=True)
    labels = tuple(replace(one, name=name) if one.name == one_line(name) else one for one, name in pairs)
    return replace(config, labels=labels)


def by_id(session: Session, project_id: ProjectId) -> Project:
    row = session.scalar(_standing().where(ProjectRow.id == project_id))
    if row is None:
        raise NotFound(f"There is no project {project_id}.")
    return _project(session, row)


def as_configured(session: Session, project_id: ProjectId, version: int) -> Project:
    """The project as this version of its configuration had it."""
    project, row = by_id(session, project_id), session.get(ProjectConfigRow, (project_id, version))
    if row is None:
        raise NotFound(f"There is no version {version} of this project's configuration.")
    return replace(project, config=convert(row.config, ProjectConfig), config_version=version)


def version_at(session: Session, project_id: ProjectId, at: datetime) -> int:
    """The version of the configuration that was in force at a moment; the first for one before it."""
    version = ProjectConfigRow.version
    found = sa.select(sa.func.max(version)).where(ProjectConfigRow.project_id == project_id)
    return session.scalar(found.where(ProjectConfigRow.created_at <= at)) or 1


def classes_by_time(session: Session, project: Project) -> Callable[[datetime], tuple[str, ...]]:
    """What gives the classes that a project had at a moment."""
    if not project.config.changes:
        return lambda at: project.config.classes
    found = [(one.created_at, one.config.classes) for one in history(session, project.id)]
    return lambda at: next((classes for since, classes in reversed(found) if since <= at), found[0][1])


def by_name(session: Session, name: str) -> Project:
    forms = (name, unicodedata.normalize("NFC", name))
    rows = {row.name: row for row in session.scalars(_standing().where(ProjectRow.name.in_(forms)))}
    row = next((rows[form] for form in forms if form in rows), None)
    if row is None:
        raise NotFound(f"There is no project {name!r}. `hardcase project list` shows those that exist.")
    return _project(session, row)


def resolve(session: Session, name_or_id: str) -> Project:
    """A project by its name, or by its number."""
    if _is_number(name_or_id):
        return by_id(session, ProjectId(int(name_or_id)))
    return by_name(session, name_or_id)


def only(session: Session) -> Project:
    """The project, where there is one alone; Invalid where there are several, NotFound where there is none."""
    found = [row.name for row in session.scalars(_standing().limit(10))]
    if len(found) > 1:
        raise Invalid(f"Say which project, with --project: {', '.join(found)}.")
    if not found:
        raise NotFound("There is no project yet. `hardcase project create` makes one.")
    return by_name(session, found[0])


def ids(session: Session) -> list[ProjectId]:
    """All projects, oldest first, without reading what they are."""
    return [ProjectId(row.id) for row in session.scalars(_standing())]


def everyone(session: Session) -> list[Project]:
    """All projects, oldest first."""
    return [_project(session, row) for row in session.scalars(_standing())]


def even_deleted(session: Session, project_id: ProjectId) -> Project | None:
    """A project that may be just being deleted; None where it is gone."""
    row = session.get(ProjectRow, project_id)
    return None if row is None else _project(session, row)


def stands(session: Session, project_id: ProjectId) -> bool:
    """Whether the project is there, and not being deleted."""
    return session.scalar(_standing().where(ProjectRow.id == project_id)) is not None


def history(session: Session, project_id: ProjectId) -> list[ConfigVersion]:
    """Every version of a project's configuration, oldest first."""
    rows = session.scalars(
        sa.select(ProjectConfigRow).where(ProjectConfigRow.project_id == project_id).order_by(ProjectConfigRow.version)
    )
    return read_all(ConfigVersion, rows)


def _standing() -> sa.Select[ProjectRow]:
    """Projects in their order; one that is being deleted is gone for all but the job that does it."""
    gone = deletions.being_deleted(DeletionKind.PROJECT, ProjectRow.__table__.c.id)
    return sa.select(ProjectRow).where(~gone).order_by(ProjectRow.id)


def _append(session: Session, project_id: ProjectId, version: int, config: ProjectConfig, by: Actor) -> None:
    stored = msgspec.to_builtins(config)
    who = {"author": by.author, "reason": by.reason, "created_at": by.now}
    session.add(ProjectConfigRow(project_id=project_id, version=version, config=stored, **who))
    session.flush()


def _project(session: Session, row: ProjectRow) -> Project:
    newest = session.scalars(
        sa.select(ProjectConfigRow)
        .where(ProjectConfigRow.project_id == row.id)
        .order_by(ProjectConfigRow.version.desc())
        .limit(1)
    ).one()
    config = convert(newest.config, ProjectConfig)
    return Project(ProjectId(row.id), config, newest.version, row.salt, row.created_at)
