"""The second step of deleting: what the rows named outside of the tables goes, each kind by itself.

In: leftovers. Out: none of them, or Unavailable while a store or Label Studio does not answer; what can be removed is
removed meanwhile. What somebody else has come to hold since stays. Every removal may be done twice.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from sqlalchemy.orm import Session

from db.outages import outage_of
from db.repositories.deletions import deletions, holders, wholes
from db.repositories.deletions.deletions import Elsewhere, Leftover
from db.repositories.labels import snapshots
from db.repositories.projects import projects
from db.repositories.queries import pool as ready_images
from db.repositories.versions import predictions
from db.repositories.versions.predictions import PredictionFile
from db.session import reading, transaction
from labeling.adapters.storage.image_store import Stored
from labeling.adapters.storage.prediction_files import keep_only, write_only
from labeling.errors import BadArtifact, Denied, NotFound, Unavailable
from labeling.types import ProjectId, VersionId
from service.labels.snapshots import restate
from service.release.withdrawal import withdraw_from_release
from service.work.wiring import Parts

__all__ = ["clear_up"]

AT_ONCE, VECTORS_AT_ONCE = 200, 20_000
"""A shard of vectors is written anew for each batch that it holds any of."""


def clear_up(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Remove everything that is noted; an outage of one kind keeps no other.

    Raises
    ------
    Unavailable
        Something is away, and what lies there is still noted.
    """
    removed, away = 0, None
    for kind, remove in _REMOVES.items():
        try:
            removed += _clear(parts, project_id, kind, remove)
        except Exception as error:
            away = outage_of(error)
            if away is None:
                raise
    if away is not None:
        raise Unavailable(f"What is deleted cannot be removed everywhere yet. {away.message}") from away
    return {"removed": removed}


def _clear(
    parts: Parts, project_id: ProjectId, kind: Elsewhere, remove: Callable[[Parts, ProjectId, Sequence[Leftover]], None]
) -> int:
    total, limit = 0, VECTORS_AT_ONCE if kind is Elsewhere.VECTOR else AT_ONCE
    while True:
        with reading(parts.database) as session:
            some = deletions.leftovers(session, project_id, kind, limit=limit)
        if not some:
            return total
        remove(parts, project_id, some)
        parts.failpoint("delete.before_note")
        with transaction(parts.database) as session:
            deletions.removed(session, some)
        total += len(some)


def _tasks(parts: Parts, _project_id: ProjectId, some: Sequence[Leftover]) -> None:
    for one in some:
        parts.label_studio.delete_task(int(one.what))


def _studio_projects(parts: Parts, _project_id: ProjectId, some: Sequence[Leftover]) -> None:
    for one in some:
        parts.label_studio.delete_project(int(one.what))


def _accounts(parts: Parts, _project_id: ProjectId, some: Sequence[Leftover]) -> None:
    """Delete accounts that nobody answers with; one that our token may not is left to its administrator, and said."""
    with reading(parts.database) as session:
        held = wholes.accounts_held(session, {one.what for one in some})
    for one in some:
        if one.what in held:
            continue
        try:
            parts.label_studio.delete_user(int(one.what))
        except Denied:
            words = f"Account {one.what} is still in Label Studio: its administrator can delete it there."
            with transaction(parts.database) as session:
                deletions.note(session, one.deletion_id, words)


def _pictures(parts: Parts, _project_id: ProjectId, some: Sequence[Leftover]) -> None:
    _unless_held(parts, some, holders.contents, Stored.PICTURE)


def _uploads(parts: Parts, _project_id: ProjectId, some: Sequence[Leftover]) -> None:
    _unless_held(parts, some, holders.uploads, Stored.UPLOAD)


def _drawings(parts: Parts, _project_id: ProjectId, some: Sequence[Leftover]) -> None:
    _unless_held(parts, some, holders.drawings, Stored.DRAWING)


def _unless_held(
    parts: Parts,
    some: Sequence[Leftover],
    holders_of: Callable[[Session, Iterable[str]], set[str]],
    kind: Stored,
) -> None:
    """Remove what nothing else holds, nor comes to hold meanwhile."""
    named = {one.what for one in some}

    def held() -> set[str]:
        parts.failpoint("delete.before_holders")
        with reading(parts.database) as session:
            return holders_of(session, named)

    parts.images.remove_unheld(kind, sorted(named), held)


def _vectors(parts: Parts, _project_id: ProjectId, some: Sequence[Leftover]) -> None:
    keys: dict[str, set[str]] = defaultdict(set)
    for one in some:
        encoder, _, key = one.what.rpartition(" ")
        keys[encoder].add(key)
    for encoder, gone in keys.items():
        with reading(parts.database) as session:
            held = holders.vectors(session, encoder, gone)
        parts.embeddings.remove(encoder, sorted(gone - held))


def _predictions(parts: Parts, project_id: ProjectId, some: Sequence[Leftover]) -> None:
    """Write the files of predictions without images that are gone; a damaged one is removed, and made again."""
    home = parts.settings.home
    for one in some:
        version = VersionId(int(one.what))
        with reading(parts.database) as session:
            file, left = predictions.prediction_file(session, version), ready_images.image_ids(session, project_id)
        if file is None:
            continue
        try:
            written = write_only(home, file.path, file.sha256, np.array(left, np.int64))
        except (NotFound, BadArtifact):
            with transaction(parts.database) as session:
                predictions.forget_prediction_file(session, version)
            (home / file.path).unlink(missing_ok=True)
            continue
        kept = PredictionFile(written.path, written.rows, written.sha256, file.created_at)
        with transaction(parts.database) as session:
            predictions.keep_prediction_file(session, version, kept)
        keep_only(home, written.path)


def _snapshots(parts: Parts, project_id: ProjectId, some: Sequence[Leftover]) -> None:
    """Write snapshots and releases from the labels that are left."""
    home = parts.settings.home
    with reading(parts.database) as session:
        project = projects.even_deleted(session, project_id)
    for one in some if project is not None else ():
        with reading(parts.database) as session:
            kept = snapshots.by_id(session, project_id, int(one.what))
        if kept is None or project is None:
            continue
        restate(parts.database, home, project_id, kept, one.deletion_id, parts.now())
        with reading(parts.database) as session:
            kept = snapshots.by_id(session, project_id, int(one.what))
        if kept is not None and kept.released and kept.withdrawn:
            withdraw_from_release(parts.database, home, parts.images, project, kept)


def _folders(parts: Parts, _project_id: ProjectId, some: Sequence[Leftover]) -> None:
    for one in some:
        folder = parts.settings.home / one.what
        if folder.exists():
            shutil.rmtree(folder)


_REMOVES: dict[Elsewhere, Callable[[Parts, ProjectId, Sequence[Leftover]], None]] = {
    Elsewhere.TASK: _tasks,
    Elsewhere.STUDIO_PROJECT: _studio_projects,
    Elsewhere.ACCOUNT: _accounts,
    Elsewhere.PICTURE: _pictures,
    Elsewhere.UPLOAD: _uploads,
    Elsewhere.DRAWING: _drawings,
    Elsewhere.VECTOR: _vectors,
    Elsewhere.PREDICTIONS: _predictions,
    Elsewhere.SNAPSHOT: _snapshots,
    Elsewhere.FOLDER: _folders,
}
