"""The images of a folder, local or at any fsspec address.

In: an address. Out: the images under it in a stable order, each with a fingerprint that changes with its content, the
name of its folder and the text beside it; and what could not be read. Links that lead out of the folder are not
followed. A name is a name: nothing in it is taken for a protocol, a chain or a pattern. What one folder or file refuses
is named, and the walk goes on; a place that does not answer is Unavailable, and nothing is known of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeling.adapters.sources.files import entries_of, files_at, folder_exists, start_of
from labeling.errors import BadAddress, Invalid, Unavailable
from labeling.ingest.containers.file_names import (
    HIDDEN,
    START_BYTES,
    FileKind,
    Names,
    begins_like_an_image,
    extension_of,
    kind_of,
    printable,
    stem_of,
)
from labeling.ingest.text import MAX_TEXT_BYTES, text_of
from labeling.normal_form import clean_name

__all__ = ["FoundFile", "Unread", "find_images"]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """An image in a folder. `reference` is its address in normal form; `folder` is the first folder under the source,
    None directly in it."""

    address: str
    fingerprint: str
    folder: str | None
    text: str | None
    reference: str


@dataclass(frozen=True, slots=True)
class Unread:
    """What could not be read under a folder, by its reference, and why: what is known of it may not be given up.

    `is_empty`: a folder without a single entry, which may be a disk that is not mounted.
    """

    reference: str
    reason: str
    is_empty: bool = False


def find_images(address: str, ignored: Counter[str], unread: list[Unread] | None = None) -> Iterator[FoundFile]:
    """The images under a folder, by name.

    Parameters
    ----------
    ignored
        Counts what is left alone: by extension where it is no image, by its name and the reason where it cannot
        be used.
    unread
        Gets what could not be read, and empty folders.

    Raises
    ------
    Unavailable
        The folder is not there, or its place does not answer, now or in the middle of the walk.
    """
    files, root = files_at(address)
    files.invalidate_cache()  # a listing that is remembered has nothing that came since
    if not folder_exists(address):
        raise Unavailable(f"The folder {address} is not there. Was it moved, or is its disk not mounted?")
    prefix = address.rstrip("/")
    walk = _Walk(files, root, ignored, [] if unread is None else unread)
    waiting = [_Place(root, prefix, clean_name(prefix), None)]
    while waiting:
        place = waiting.pop()
        try:
            found = walk.entries(place.path)
        except BadAddress as error:
            if place.path == root:
                raise Unavailable(f"The folder {address} cannot be read: {error.message}") from error
            walk.leave(place.reference, error.message)
            continue
        if not found:
            walk.unread.append(Unread(place.reference, "The folder is empty. Is its disk mounted?", is_empty=True))
        yield from walk.images(place, found)
        waiting += reversed(walk.folders(place, found))


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder: where it is in its file system, its address, its reference, and the first folder that it is under."""

    path: str
    address: str
    reference: str
    first: str | None


@dataclass(frozen=True, slots=True)
class _Walk:
    """One walk through the folders under `root`."""

    files: Any
    root: str
    ignored: Counter[str]
    unread: list[Unread]

    def entries(self, folder: str) -> dict[str, dict[str, Any]]:
        """What lies in a folder, by name, in order; the object that stands for the folder itself is left out."""
        found = {str(one["name"]).rstrip("/"): one for one in entries_of(self.files, folder)}
        found.pop(folder.rstrip("/"), None)
        return {name.rpartition("/")[2]: found[name] for name in sorted(found)}

    def folders(self, place: _Place, found: dict[str, dict[str, Any]]) -> list[_Place]:
        inner, names = [], Names()
        for name, info in found.items():
            if info.get("type") != "directory":
                continue
            if kind_of(name) is FileKind.HIDDEN:
                self.ignored[HIDDEN] += 1
            elif info.get("islink"):
                self.ignored["links and special files"] += 1
            elif (stored := self._stored(place, names, name)) is not None:
                reference = f"{place.reference}/{stored}"
                inner.append(
                    _Place(_join(place.path, name), f"{place.address}/{name}", reference, place.first or stored)
                )
        return inner

    def images(self, place: _Place, found: dict[str, dict[str, Any]]) -> Iterator[FoundFile]:
        texts = {
            stem_of(name): name for name, info in found.items() if kind_of(name) is FileKind.TEXT and _is_file(info)
        }
        names = Names()
        for name, info in found.items():
            if info.get("type") != "directory" and self._is_taken(place, name, info):
                stored = self._stored(place, names, name)
                if stored is not None:
                    reference = f"{place.reference}/{stored}"
                    text = self._text(place, texts.get(stem_of(name)))
                    yield FoundFile(f"{place.address}/{name}", _fingerprint(info), place.first, text, reference)

    def leave(self, reference: str, reason: str) -> None:
        """Note what could not be read."""
        self.ignored[f"{printable(reference)}: {reason}"] += 1
        self.unread.append(Unread(reference, reason))

    def _is_taken(self, place: _Place, name: str, info: dict[str, Any]) -> bool:
        kind = kind_of(name)
        if kind is FileKind.HIDDEN:
            self.ignored[HIDDEN] += 1
        elif not _is_plain(info, self.root):
            self.ignored["links and special files"] += 1
        elif kind is FileKind.IMAGE:
            return True
        elif kind is FileKind.UNKNOWN and info.get("size"):
            if self._begins_like_an_image(place, name):
                return True
            self.ignored[extension_of(name)] += 1
        elif kind is not FileKind.TEXT:
            self.ignored[extension_of(name)] += 1
        return False

    def _begins_like_an_image(self, place: _Place, name: str) -> bool:
        try:
            return begins_like_an_image(start_of(self.files, _join(place.path, name), START_BYTES))
        except BadAddress as error:
            self.leave(f"{place.reference}/{name}", error.message)
            return False

    def _stored(self, place: _Place, names: Names, name: str) -> str | None:
        """The name in normal form; None for one that cannot be stored."""
        try:
            return names.of(name)
        except Invalid as error:
            self.leave(f"{place.reference}/{printable(name)}", error.message)
            return None

    def _text(self, place: _Place, name: str | None) -> str | None:
        if name is None:
            return None
        try:
            return text_of(start_of(self.files, _join(place.path, name), MAX_TEXT_BYTES + 1))
        except Invalid as error:
            self.leave(f"{place.reference}/{name}", error.message)
            return None


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def _is_file(info: dict[str, Any]) -> bool:
    return info.get("type") == "file" and not info.get("islink")


def _is_plain(info: dict[str, Any], root: str) -> bool:
    if not info.get("islink"):
        return bool(info.get("type") == "file")
    try:
        target = Path(str(info["name"])).resolve()
        return target.is_relative_to(Path(root).resolve()) and target.is_file()
    except (OSError, RuntimeError):  # a circle of links
        return False


def _fingerprint(info: dict[str, Any]) -> str:
    tag = info.get("ETag") or info.get("etag") or info.get("md5Hash")
    if tag:
        return str(tag)
    changed = info.get("mtime") or info.get("LastModified") or info.get("last_modified") or info.get("created")
    return f"{info.get('size')}-{changed}"
