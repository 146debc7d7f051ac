"""The data of one annotator: given to them as one file, or taken out of everything that is kept.

In: a project and an annotator's number. Out: a document of all that is kept about them; or the same tables, releases
and logs without their name, while their answers stay as nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from db.repositories.deletions import deletions, wholes
from db.repositories.deletions.deletions import Deletion
from db.repositories.labels import snapshots
from db.session import reading, transaction
from db.views import person_data
from labeling.adapters.storage.overwriting import blank_out
from labeling.project import Project
from service.projects.pseudonyms import exported_name, names_are_exported
from service.release.withdrawal import rename_in_release

__all__ = ["ACCOUNT", "data_of", "forget_person"]

ACCOUNT = "account in label studio"
"""The kind of leftover that is an account; `service.work.delete.elsewhere` removes it."""
_MANY = 1_000_000


def data_of(database: sa.Engine, project: Project, annotator_id: int) -> dict[str, Any]:
    """All that is kept about an annotator of a project; NotFound if there is none of this number."""
    with reading(database) as session:
        found = person_data.of(session, project.id, annotator_id)
    return {"project": project.config.name, "named_in_exports": names_are_exported(project), **found}


def forget_person(
    database: sa.Engine, home: Path, project: Project, deletion: Deletion, logs: Iterable[Path]
) -> None:
    """Take a person's name out of releases, logs, words and their own row; the account is noted to be deleted."""
    who = deletion.subject
    with reading(database) as session:
        name = wholes.name_of_annotator(session, project.id, who)
        kept = snapshots.listing(session, project.id, after=None, limit=_MANY, released=True).items
    assert name is not None
    pseudonym = exported_name(project, who, name) if not names_are_exported(project) else wholes.nobody(who)
    for snapshot in kept:
        rename_in_release(database, home, project, snapshot, name, pseudonym)
    blank_out(logs, [name])
    with transaction(database) as session:
        account = wholes.account_of(session, who)
        deletions.leave(session, deletion.id, ACCOUNT, [] if account is None else [str(account)])
        wholes.rename_annotator(session, project.id, who, name, wholes.nobody(who))
        deletions.add_counts(session, deletion.id, {"people": 1})
