"""An image by whatever a person knows of it: its number, its content hash, or its reference.

In: a project and a name. Out: the image's number, or an error that says why there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.deletions import tombstones
from db.repositories.images.images import FETCH
from db.tables import FailureRow, FetchRow, ImageRow, RegistrationRow
from labeling.errors import Invalid, NotFound
from labeling.types import ImageId, ProjectId

SHOWN = 10
"""So many registrations of one name are read."""


def find_image(session: Session, project_id: ProjectId, named: str) -> ImageId:
    """The image of this number, content hash or reference, in this order; of a reference the newest revision.

    The end of a reference will do, after a slash, where one image alone has it: so pages show references.

    Raises
    ------
    NotFound
        When the project has none; it says why, where the reference was deleted, cannot be used or is not fetched yet.
    Invalid
        When several have it.
    """
    if named.isascii() and named.isdigit() and len(named) < 19:
        by_number = _image(session, project_id, ImageRow.id == int(named))
        if by_number is not None:
            return by_number
    by_hash = _image(session, project_id, ImageRow.content_hash == named.lower())
    return by_hash or _by_reference(session, project_id, named)


def _by_reference(session: Session, project_id: ProjectId, named: str) -> ImageId:
    ends_so = RegistrationRow.reference.endswith(f"/{named}", autoescape=True)
    for called in (RegistrationRow.reference == named, ends_so):
        found = session.execute(
            sa.select(RegistrationRow.id, RegistrationRow.reference, FetchRow.image_id)
            .outerjoin(FetchRow, FetchRow.registration_id == RegistrationRow.id)
            .where(RegistrationRow.project_id == project_id, called)
            .order_by(FetchRow.image_id.is_(None), RegistrationRow.revision.desc())
            .limit(SHOWN)
        ).all()
        if found:
            return _one_of(session, named, found)
    raise NotFound(_no_such_image(session, project_id, named))


def _one_of(session: Session, named: str, found: Sequence[sa.Row[*tuple[Any, ...]]]) -> ImageId:
    references = list(dict.fromkeys(reference for _, reference, _ in found))
    if len(references) > 1:
        raise Invalid(f"Several images are called so: {', '.join(references)}. Write more of the one that you mean.")
    registration, _, image = found[0]
    if image is None:
        failed = sa.select(FailureRow.reason).where(FailureRow.step == FETCH, FailureRow.subject == str(registration))
        raise NotFound(f"{named} is no image yet: {session.scalar(failed) or 'its bytes were not fetched yet.'}")
    return ImageId(image)


def _no_such_image(session: Session, project_id: ProjectId, named: str) -> str:
    for kind in (tombstones.REFERENCE, tombstones.CONTENT):
        gone = tombstones.among(session, project_id, kind, [named]).get(named)
        if gone is not None:
            return gone.words
    return (
        f"This project has no such image: {named!r}. Name it by its number, by its content hash (64 digits), or by its "
        "reference as the image's page shows it."
    )


def _image(session: Session, project_id: ProjectId, which: sa.ColumnElement[bool]) -> ImageId | None:
    number = session.scalar(sa.select(ImageRow.id).where(ImageRow.project_id == project_id, which))
    return None if number is None else ImageId(number)
