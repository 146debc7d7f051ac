"""Untrusted ZIP and TAR files, as a stream of images and the texts beside them.

In: a seekable file and the limits. Out: its images one by one, in memory, and what cannot be read, with reasons. Names
are data, never paths; links, devices, hidden files and archives within archives are left alone; too many members,
bytes, or bytes for its size, and the whole archive is refused.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from labeling.errors import Invalid
from labeling.ingest.containers.archive_members import ArchiveLimits, Entry, entries
from labeling.ingest.containers.file_names import (
    HIDDEN,
    START_BYTES,
    FileKind,
    begins_like_an_image,
    extension_of,
    kind_of,
    stem_of,
)
from labeling.ingest.text import text_of

__all__ = ["ARCHIVE_EXTENSIONS", "ArchiveLimits", "Contents", "Member", "inspect_archive", "read_archive"]

ARCHIVE_EXTENSIONS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")


@dataclass(frozen=True, slots=True)
class Member:
    """One image of an archive. `name` is data: whatever the archive says, cleaned for reading."""

    name: str
    data: bytes


@dataclass(slots=True)
class Contents:
    """What an archive holds: how many images, the texts beside them by stem, what is left alone, by extension, and the
    members that cannot be read, each with its reason."""

    images: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)


def inspect_archive(file: BinaryIO, limits: ArchiveLimits) -> Contents:
    """Read an archive through to its end, within its limits, and keep nothing but the texts.

    Raises
    ------
    BadArchive
        Not an archive, broken, or over a limit. Since nothing was stored, there is nothing to clean up.
    """
    contents = Contents()
    for entry in entries(file, limits):
        _note(contents, entry)
    return contents


def read_archive(file: BinaryIO, limits: ArchiveLimits) -> Iterator[Member]:
    """The images of an archive in its order, one in memory at a time; raises as `inspect_archive` does."""
    for entry in entries(file, limits):
        if (stream := _image_of(entry)) is not None:
            yield Member(entry.name, b"".join(stream))


def _note(contents: Contents, entry: Entry) -> None:
    kind = kind_of(entry.name)
    if entry.stream is None and not entry.reason:
        contents.ignored["folders, links and special files"] += 1
    elif kind is FileKind.HIDDEN:
        contents.ignored[HIDDEN] += 1
    elif entry.stream is None:
        contents.refused.append((entry.name, entry.reason))
    elif kind is FileKind.TEXT:
        _note_text(contents, entry.name, b"".join(entry.stream))
    elif (stream := _image_of(entry)) is not None:
        for _ in stream:
            pass
        contents.images += 1
    else:
        contents.ignored[extension_of(entry.name)] += 1


def _note_text(contents: Contents, name: str, data: bytes) -> None:
    try:
        text = text_of(data)
    except Invalid as error:
        contents.refused.append((name, error.message))
        return
    if text:
        contents.texts[stem_of(name)] = text


def _image_of(entry: Entry) -> Iterator[bytes] | None:
    """The bytes of a member that is an image by its name, or by its first bytes where the name does not say."""
    kind = kind_of(entry.name)
    if entry.stream is None or kind not in (FileKind.IMAGE, FileKind.UNKNOWN):
        return None
    if kind is FileKind.IMAGE:
        return entry.stream
    start = next(entry.stream, b"")
    return itertools.chain([start], entry.stream) if begins_like_an_image(start[:START_BYTES]) else None
