"""Takes the name of one annotator out of everything that is kept, while their answers stay as nobody's.

In: an open deletion of an annotator. Out: tables, releases and logs without their name; their account in Label Studio
is noted to be deleted. Done again after a kill, it does the rest: the name goes last.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.deletions import deletions, wholes
from db.repositories.deletions.deletions import Deletion, Elsewhere
from db.repositories.labels import snapshots
from db.repositories.labels.snapshots import Snapshot
from db.repositories.versions import versions
from db.session import reading, transaction
from labeling.adapters.storage.image_store import ImageStore
from labeling.adapters.storage.overwriting import blank_out
from labeling.project import Project
from service.release.withdrawal import rename_in_release

__all__ = ["forget_person"]

_MANY = 1_000_000


def forget_person(
    database: sa.Engine, home: Path, images: ImageStore, project: Project, deletion: Deletion, logs: Sequence[Path]
) -> None:
    """Take a person's name out of releases, logs, words and their own row; the account is noted to be deleted."""
    who = deletion.subject
    with reading(database) as session:
        name = wholes.name_of_annotator(session, project.id, who)
        kept = _released(session, project)
    assert name is not None
    for snapshot in kept:
        rename_in_release(database, home, images, project, snapshot, name, wholes.nobody(who))
    blank_out(logs, [name])
    with transaction(database) as session:
        versions.lock(session, project.id)  # a release that is being recorded comes before, and is renamed, or after
        if len(_released(session, project)) > len(kept):
            return  # one was released meanwhile: it is renamed first, for the name still stands
        account = wholes.account_of(session, who)
        deletions.leave(session, deletion.id, Elsewhere.ACCOUNT, [] if account is None else [str(account)])
        wholes.rename_annotator(session, project.id, who, name, wholes.nobody(who))
        deletions.add_counts(session, deletion.id, {"people": 1})


def _released(session: Session, project: Project) -> Sequence[Snapshot]:
    return snapshots.listing(session, project.id, after=None, limit=_MANY, released=True).items
