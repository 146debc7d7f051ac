"""How far a long job is, asked while it runs."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.images.images import FETCH, is_quarantined
from db.rows import count
from db.tables import FailureRow, FetchRow, ImageRow, RegistrationGoneRow, RegistrationRow
from labeling.types import ProjectId


@dataclass(frozen=True, slots=True)
class Fetching:
    """Of all that was registered: how much was fetched, and how much failed so far."""

    registered: int
    fetched: int
    failed: int


def arriving(session: Session, project_id: ProjectId) -> int:
    """How much was registered that is neither grouped, and so ready to be asked about, nor failed."""
    found, of_project = fetching(session, project_id), ImageRow.project_id == project_id
    failed = count(session, FailureRow, FailureRow.project_id == project_id, FailureRow.step == "prelabel")
    ungrouped = count(session, ImageRow, of_project, ImageRow.group_id.is_(None))
    return max(found.registered - found.fetched - found.failed, 0) + max(ungrouped - failed, 0)


def fetching(session: Session, project_id: ProjectId) -> Fetching:
    of_project = RegistrationRow.project_id == project_id
    fetched = sa.exists().where(FetchRow.registration_id == RegistrationRow.id)
    failed = count(session, FailureRow, is_quarantined(project_id))
    return Fetching(
        count(session, RegistrationRow, of_project), count(session, RegistrationRow, of_project, fetched), failed
    )


def copies(session: Session, project_id: ProjectId) -> int:
    """How many registered names have the bytes of an image that has another name already."""
    named = (
        sa.select(FetchRow.image_id, RegistrationRow.reference)
        .join(RegistrationRow, RegistrationRow.id == FetchRow.registration_id)
        .where(RegistrationRow.project_id == project_id)
        .distinct()
        .subquery()
    )
    names, images = session.execute(sa.select(sa.func.count(), sa.func.count(named.c.image_id.distinct()))).one()
    return int(names - images)


def behind(session: Session, most: int) -> str | None:
    """The address of the registration that is `most` places before the newest one, if it waits still.

    Over all projects. They are fetched in the order in which they were registered, so this needs no count.
    """
    newest = session.scalar(sa.select(sa.func.max(RegistrationRow.id))) or 0
    before = sa.select(sa.func.max(RegistrationRow.id)).where(RegistrationRow.id <= newest - most)
    at = session.scalar(before)
    if at is None:
        return None
    done = (
        sa.select(FetchRow.registration_id).where(FetchRow.registration_id == at),
        sa.select(RegistrationGoneRow.registration_id).where(RegistrationGoneRow.registration_id == at),
        sa.select(FailureRow.id).where(FailureRow.step == FETCH, FailureRow.subject == str(at)),
    )
    if any(session.execute(one.limit(1)).first() for one in done):
        return None
    return session.scalar(sa.select(RegistrationRow.address).where(RegistrationRow.id == at))


def is_waited_for(session: Session, place: str) -> bool:
    """Whether images wait until a place answers; `place` is what their addresses begin with."""
    of_fetch = FailureRow.step == FETCH  # subjects of other steps are no numbers
    registration = sa.case((of_fetch, sa.cast(FailureRow.subject, sa.BigInteger)))
    waiting = sa.select(FailureRow.id).join(RegistrationRow, RegistrationRow.id == registration)
    there = RegistrationRow.address.startswith(place, autoescape=True)
    return session.execute(waiting.where(of_fetch, FailureRow.count == 0, there).limit(1)).first() is not None
