"""Folders of shards on an object store: written as one object each, and copied to a folder of this machine to be read.

In: names that are the hash of their bytes, and the bytes. Out: a folder with the same files. Any file system of fsspec.
Half of an object is never copied: its hash is another than its name.
"""

from __future__ import annotations

from pathlib import Path

from fsspec import AbstractFileSystem

from labeling.adapters.storage.atomic_files import write_whole
from labeling.adapters.storage.storage_faults import explained
from labeling.adapters.storage.vector_shards import ENDING, name_of

__all__ = ["ObjectFolder"]


class ObjectFolder:
    """All objects under one root, a folder deep."""

    def __init__(self, files: AbstractFileSystem, root: str) -> None:
        self._files, self._root = files, root.rstrip("/")

    def folders(self) -> list[str]:
        """The names of the folders that hold an object."""
        return [path.rsplit("/", 1)[-1] for path in self._listed(self._root)]

    def write(self, folder: str, name: str, content: bytes) -> None:
        """Write an object; it is durable when this returns."""
        path = f"{self._root}/{folder}/{name}"
        with explained("vector"):
            try:
                self._files.pipe_file(path, content)
            except FileNotFoundError:  # not an object store: it has folders
                self._files.makedirs(f"{self._root}/{folder}", exist_ok=True)
                self._files.pipe_file(path, content)

    def remove(self, folder: str, name: str) -> None:
        """Remove an object; one that somebody else removed is no error."""
        with explained("vector"):
            try:
                self._files.rm_file(f"{self._root}/{folder}/{name}")
            except FileNotFoundError:
                return

    def copy_to(self, place: Path, folder: str) -> None:
        """Bring the local folder in step: get what is new, then remove what is there no more."""
        while True:
            found = self._listed(f"{self._root}/{folder}")
            listed = {path.rsplit("/", 1)[-1] for path in found if path.endswith(ENDING)}
            there = {path.name for path in place.glob(f"*{ENDING}")}
            if all(self._copy(place / name, f"{self._root}/{folder}/{name}") for name in sorted(listed - there)):
                break
        for name in there - listed:
            (place / name).unlink(missing_ok=True)

    def _copy(self, to: Path, path: str) -> bool:
        """False if the object went away: another holds what it held."""
        try:
            with explained("vector"):
                content = self._files.cat_file(path)
        except FileNotFoundError:
            return False
        if name_of(content) == to.name:
            write_whole(to, content)
        return True

    def _listed(self, path: str) -> list[str]:
        self._files.invalidate_cache()  # other machines write too
        try:
            with explained("vector"):
                return [str(one) for one in self._files.ls(path, detail=False)]
        except FileNotFoundError:
            return []
