"""All that is kept about one annotator, to be given to them.

In: a project and an annotator's number. Out: one document, ready for JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from db.repositories.people import person_data
from db.session import reading
from labeling.project import Project
from service.projects.pseudonyms import names_are_exported

__all__ = ["data_of"]


def data_of(
    database: sa.Engine,
    project: Project,
    annotator_id: int,
    account: Callable[[int], dict[str, Any] | None] | None = None,
) -> dict[str, Any]:
    """What is kept about an annotator of a project; with `account`, what Label Studio has of theirs, too.

    Raises
    ------
    NotFound
        The project has no annotator of this number.
    Unavailable
        Label Studio does not answer, so the document would not be whole.
    """
    with reading(database) as session:
        found = person_data.of(session, project.id, annotator_id)
    found = {"project": project.config.name, "named_in_exports": names_are_exported(project), **found}
    if account is None:
        return found
    return {**found, "account_in_label_studio": account(found["annotator"]["label_studio_account"])}
