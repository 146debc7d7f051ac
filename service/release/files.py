"""The files of a release: a folder of files that never change, each checked by its hash when it is read.

In: a released snapshot and the name of one of its files. Out: the file's bytes. The hashes are in the snapshot's row,
so a changed file is never displayed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from db.repositories.labels.snapshots import Snapshot
from labeling.errors import BadArtifact, NotFound
from labeling.project import Project

PAGE, FIGURES, LABELS, MANIFEST = "index.html", "figures.json", "labels.parquet", "manifest.json"
_RESTORE = "Restore the home folder's releases."


def folder_of(home: Path, project: Project, name: str) -> Path:
    """The folder of the release of that name."""
    return home / "releases" / str(project.id) / name


def read_file(home: Path, project: Project, snapshot: Snapshot, name: str) -> bytes:
    """One file of a release; NotFound if it was not released, BadArtifact if the file is not as it was written."""
    if not snapshot.released:
        raise NotFound("This project has no such release. `hardcase release` makes one.")
    path = folder_of(home, project, snapshot.name) / name
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise BadArtifact(f"{name} of release {snapshot.name!r} is gone. {_RESTORE}") from error
    if hashlib.sha256(data).hexdigest() != snapshot.report["files"].get(name):
        raise BadArtifact(f"{name} of release {snapshot.name!r} was changed. {_RESTORE}")
    return data
