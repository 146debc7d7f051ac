"""The last step of deleting: what is deleted leaves the database's own files, and the deletion ends.

In: deletions of which nothing else is left. Out: how many ended. SQLite keeps a deleted row's bytes until its file is
written anew: `secure_delete` alone left some behind (docs/decisions/0040-deleting.md). The embedded Label Studio's too.
"""

from __future__ import annotations

from pathlib import Path

from db.repositories.deletions import deletions, wholes
from db.session import reading, transaction
from labeling.adapters.storage.overwriting import rewrite_database
from labeling.errors import Unavailable
from labeling.types import ProjectId
from service.work.delete.rows import has_rows
from service.work.wiring import Parts


def remove_traces(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """End the deletions that have nothing left; Unavailable while one has.

    One that was asked for after the rows of the others went waits for the next job: its own rows are still there.
    """
    with reading(parts.database) as session:
        found = [one for one in deletions.of_project(session, project_id) if not has_rows(session, one)]
        ready = [one for one in found if not deletions.has_leftovers(session, one.id)]
    if not found:
        return {"ended": 0}
    if len(ready) < len(found):
        raise Unavailable("What is deleted cannot be removed everywhere yet.")
    parts.jobs.forget_errors(project_id)
    with transaction(parts.database) as session:
        wholes.forget_replies(session, project_id)  # one that came while the rows went, too
    for path in databases_of(parts):
        rewrite_database(path)
    parts.failpoint("delete.before_end")
    with transaction(parts.database) as session:
        for one in ready:
            deletions.end(session, one.id, parts.now())
    return {"ended": len(ready)}


def databases_of(parts: Parts) -> list[Path]:
    """The SQLite files that hold content: ours where it is one, and the embedded Label Studio's."""
    ours = Path(str(parts.database.url.database)) if parts.database.dialect.name == "sqlite" else None
    embedded = (parts.settings.home / "label-studio").glob("*.sqlite3")
    return [*([ours] if ours is not None else []), *sorted(embedded)]
