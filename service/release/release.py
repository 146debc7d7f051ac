"""`hardcase release`: a snapshot with its figures and a page, released under a person's name.

In: a project and an order. Out: a folder that has all its files or is not there, and their hashes in the snapshot's
row. A snapshot is released once; nothing changes it afterwards.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.deletions import deletions
from db.repositories.deletions.deletions import Elsewhere
from db.repositories.labels import snapshots
from db.repositories.labels.snapshots import Snapshot
from db.repositories.people import annotators, audit
from db.repositories.versions import versions
from db.session import reading, transaction
from labeling.adapters.storage.atomic_files import place_folder
from labeling.adapters.storage.image_store import ImageStore
from labeling.errors import Conflict, NotFound
from labeling.project import Project
from service.exporting.formats.tables import write_parquet
from service.exporting.label_set import LabelSet, open_label_set
from service.exporting.placing import explained
from service.labels.snapshots import check_name, create, verify
from service.release.counting import Counting
from service.release.figures import document
from service.release.files import FIGURES, LABELS, MANIFEST, PAGE, folder_of
from service.release.page import Order, render
from service.release.samples import Samples

__all__ = ["LABELS_HASH", "LEFT", "Order", "hash_of", "json_of", "manifest", "release", "staged_folder"]

LABELS_HASH, LEFT = "labels_hash", "labels"
"""In the report of a release: the hash of its labels, and how many they were."""
_SHA256 = "sha256"


def release(
    database: sa.Engine,
    home: Path,
    images: ImageStore,
    project: Project,
    order: Order,
    tick: Callable[[], None] = lambda: None,
) -> Snapshot:
    """Release the current labels under a new name, or the snapshot of that name.

    Raises
    ------
    Conflict
        It is released already, or something of it was deleted meanwhile.
    BadArtifact
        The snapshot's labels no longer give its hash.
    """
    with reading(database) as session:
        names = annotators.names(session, project.id)
    snapshot = _taken(database, home, project, order)
    labels = open_label_set(database, project, images, snapshot, tick)
    place = folder_of(home, project, snapshot.name)
    with staged_folder(place) as staged:
        try:
            _fill(staged, home, labels, snapshot, order)
        except NotFound as error:  # a picture, perhaps of an image that was deleted
            with reading(database) as session:
                withdrawing = deletions.is_left(session, Elsewhere.SNAPSHOT, str(snapshot.id))
                if withdrawing or _was_deleted(session, project, snapshot, names):
                    raise _deleted_meanwhile() from error
            raise
        report = _report(staged, snapshot, order)  # hashes every file, which no other writer should wait for
        with transaction(database) as session:
            versions.lock(session, project.id)  # a person is being renamed before, or after
            if not snapshots.release(session, snapshot.id, report):
                raise _released_already(snapshot)
            if _was_deleted(session, project, snapshot, names):
                raise _deleted_meanwhile()
            subject = f"{project.id}/{snapshot.name}"
            detail = {"hash": snapshot.state, "labels": snapshot.left, "format": LABELS}
            audit.record(session, order.author, "snapshot.release", subject, detail, order.now, project.id)
            place_folder(staged, place)
    with reading(database) as session:
        return snapshots.by_name(session, project.id, snapshot.name)


def _taken(database: sa.Engine, home: Path, project: Project, order: Order) -> Snapshot:
    check_name(order.name)
    with reading(database) as session:
        kept = snapshots.find(session, project.id, order.name)
    if kept is None:
        author, note = order.author, order.note
        return create(database, home, project, order.name, author=author, note=note, now=order.now)
    if kept.released:
        raise _released_already(kept)
    return verify(database, home, project, kept)


def _was_deleted(session: Session, project: Project, snapshot: Snapshot, names: Set[str]) -> bool:
    """Whether labels, or the name of somebody who gave them, went since they were read."""
    now = snapshots.by_name(session, project.id, snapshot.name)
    return now.state != snapshot.state or not names <= annotators.names(session, project.id)


def _deleted_meanwhile() -> Conflict:
    return Conflict("Something of these labels was deleted while they were released. Release them again in a minute.")


def _report(staged: Path, snapshot: Snapshot, order: Order) -> dict[str, Any]:
    """Who released what, and the hashes of the files."""
    return {
        "author": order.author,
        "note": order.note,
        "at": order.now.isoformat(),
        LABELS_HASH: snapshot.state,
        LEFT: snapshot.left,
        "files": {path.name: hash_of(path) for path in sorted(staged.iterdir())},
    }


def _released_already(snapshot: Snapshot) -> Conflict:
    return Conflict(f"{snapshot.name!r} is released already, and a release never changes. Choose another name.")


def _fill(staged: Path, home: Path, labels: LabelSet, snapshot: Snapshot, order: Order) -> None:
    """Write the files, the manifest last."""
    counting, samples = Counting(labels.classes), Samples()
    for record in labels.records():
        counting.add(record)
        samples.add(record)
    found, project = document(home, labels, snapshot, counting), labels.project.config.name
    write_parquet(labels, staged / LABELS)
    (staged / FIGURES).write_bytes(json_of(found))
    (staged / PAGE).write_text(render(project, order, found, samples.draw(labels)), encoding="utf-8")
    (staged / MANIFEST).write_bytes(manifest(staged, project, snapshot, order))


def manifest(staged: Path, project: str, snapshot: Snapshot, order: Order, **more: Any) -> bytes:
    """What a release consists of: its files as they lie there, with their hashes."""
    files = {path.name: {_SHA256: hash_of(path), "bytes": path.stat().st_size} for path in sorted(staged.iterdir())}
    return json_of(
        {
            "project": project,
            "release": snapshot.name,
            LABELS_HASH: snapshot.report.get(LABELS_HASH, snapshot.hash) if snapshot.released else snapshot.state,
            "author": order.author,
            "at": order.now.isoformat(),
            **more,
            "files": files,
        }
    )


def json_of(value: dict[str, Any]) -> bytes:
    """As the files of a release are written."""
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def hash_of(path: Path) -> str:
    """A file's sha256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, _SHA256).hexdigest()


@contextmanager
def staged_folder(place: Path) -> Iterator[Path]:
    """A folder beside its place, deleted afterwards unless it was moved there."""
    staged = place.with_name(f".{place.name}.{uuid.uuid4().hex}.tmp")
    with explained(place):
        try:
            staged.mkdir(parents=True)
            yield staged
        finally:
            shutil.rmtree(staged, ignore_errors=True)
