"""Files and folders that are there whole or not at all, whatever kills the process while they are written.

Everything is written under a temporary name beside its place, synced to disk, then renamed; the folder that holds
the name is synced last.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from labeling.errors import NO_ROOM, BadArtifact, StorageFull

__all__ = ["new_folder", "place_folder", "read_files", "stage_folder", "write_whole"]

LARGEST_FILE_BYTES = 512 * 2**20


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that its name never refers to a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _write_synced(staged, data)
    staged.replace(path)
    _sync(path.parent)


def stage_folder(parent: Path, owner: str, files: Mapping[str, bytes]) -> Path:
    """Write the files, in their order, into a temporary folder of this owner; what it left before is removed."""
    staged = parent / f".{owner}.tmp"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    for name, data in files.items():
        _write_synced(staged / name, data)
    _sync(staged)
    return staged


def place_folder(staged: Path, place: Path) -> None:
    """Give a staged folder its name. A folder already there is replaced: the caller owns the name."""
    if place.exists():
        shutil.rmtree(place)
    staged.rename(place)
    _sync(place.parent)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that gets this name when the block has filled it; one that another process placed stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(mkdtemp(dir=folder.parent))
    try:
        yield staged
        for written in staged.rglob("*"):
            _sync(written)
        _sync(staged)
    except BaseException:
        shutil.rmtree(staged)
        raise
    try:
        staged.rename(folder)
    except OSError:
        shutil.rmtree(staged)
        if not folder.exists():
            raise
    _sync(folder.parent)


def read_files(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The contents of those files that are there; BadArtifact for one that is too large to be ours."""
    found = {}
    for name in names:
        path = folder / name
        if not path.is_file():
            continue
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise BadArtifact(f"{path} is larger than any classifier that hardcase writes; it is not read.")
        found[name] = path.read_bytes()
    return found


def _write_synced(path: Path, data: bytes) -> None:
    try:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno in NO_ROOM:
            raise StorageFull(f"There is no room to write {path}. Free some space; it is tried again.") from error
        raise


def _sync(path: Path) -> None:
    """A file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
