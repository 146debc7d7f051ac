"""Untrusted ZIP and TAR files, read as a stream of images: nothing is ever unpacked to a path.

In: a seekable file and the limits. Out: its images one by one, in memory. Names are data, never paths; links, devices,
encrypted members and archives within archives are left alone; too many members, bytes, or bytes for its size, and the
whole archive is refused. The sizes that an archive states are not trusted: bytes are counted as they are read.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import posixpath
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from labeling.errors import BadArchive
from labeling.ingest.headers import ACCEPTED_EXTENSIONS
from labeling.ingest.text import clean_text

__all__ = ["ARCHIVE_EXTENSIONS", "ArchiveLimits", "Contents", "Member", "inspect_archive", "read_archive"]

ARCHIVE_EXTENSIONS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_CHUNK = 1 << 20
_MAX_TEXT_BYTES = 64 * 1024
_DIRECTORY_ENTRY = 128
"""Bytes of a ZIP's directory that are allowed for each member (46 and its name)."""


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Limits for one archive. `max_ratio` is unpacked over packed bytes, past the first 64 MiB."""

    max_members: int = 100_000
    max_member_bytes: int = 50 * 2**20
    max_total_bytes: int = 50 * 2**30
    max_ratio: int = 100
    free_bytes: int = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Member:
    """One image of an archive. `name` is data: whatever the archive says, cleaned for reading."""

    name: str
    data: bytes


@dataclass(slots=True)
class Contents:
    """What an archive holds: how many images, the texts beside them by stem, and what is left alone, by extension."""

    images: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)


def inspect_archive(file: BinaryIO, limits: ArchiveLimits) -> Contents:
    """Read an archive through to its end, within its limits, and keep nothing but the texts.

    Raises
    ------
    BadArchive
        Not an archive, broken, or over a limit. Since nothing was stored, there is nothing to clean up.
    """
    contents = Contents()
    with _explained():
        for name, stream in _open(file, limits):
            _note(contents, name, stream)
    return contents


def read_archive(file: BinaryIO, limits: ArchiveLimits) -> Iterator[Member]:
    """The images of an archive in its order, one in memory at a time; raises as `inspect_archive` does."""
    with _explained():
        for name, stream in _open(file, limits):
            if stream is not None and posixpath.splitext(name.lower())[1] in ACCEPTED_EXTENSIONS:
                yield Member(name, b"".join(stream))


def _note(contents: Contents, name: str, stream: Iterator[bytes] | None) -> None:
    extension = posixpath.splitext(name.lower())[1]
    if stream is None:
        contents.ignored["folders, links and what is encrypted"] += 1
    elif extension in ACCEPTED_EXTENSIONS:
        for _ in stream:
            pass
        contents.images += 1
    elif extension == ".txt":
        text = clean_text(b"".join(stream)[:_MAX_TEXT_BYTES].decode("utf-8-sig", "replace"))
        if text:
            contents.texts[posixpath.splitext(name)[0]] = text
    else:
        contents.ignored[extension or "without extension"] += 1


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class _Budget:
    """Counts the bytes read from an archive, whatever its headers say."""

    def __init__(self, packed_bytes: int, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._left = min(limits.max_total_bytes, limits.free_bytes + packed_bytes * limits.max_ratio)
        self._members = 0

    def member(self) -> None:
        self._members += 1
        if self._members > self._limits.max_members:
            raise BadArchive(f"The archive has over {self._limits.max_members:,} members. Split it.")

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise BadArchive("The archive unpacks to far more than its size allows. Images hardly shrink; is it one?")

    def chunks(self, source: _Readable, *, count: bool) -> Iterator[bytes]:
        """The bytes of one member; `count` unless its source counts for itself."""
        size = 0
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > self._limits.max_member_bytes:
                raise BadArchive(f"A member has over {self._limits.max_member_bytes:,} bytes. Leave it out.")
            if count:
                self.spend(len(chunk))
            yield chunk


_Members = Iterator[tuple[str, Iterator[bytes] | None]]


def _open(file: BinaryIO, limits: ArchiveLimits) -> _Members:
    """Names and bytes of the members; None instead of bytes for what is no ordinary file."""
    packed = file.seek(0, io.SEEK_END)
    file.seek(0)
    start = file.read(512)
    file.seek(0)
    budget = _Budget(packed, limits)
    if start.startswith(b"PK"):
        yield from _zip(file, budget, limits)
    else:
        yield from _tar(_unpacked(file, start), budget)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, struct.error) as error:
        raise BadArchive("The archive is cut off or broken. Make it again.") from error
    except (OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise BadArchive("The archive cannot be read. Make it again, as an ordinary ZIP or TAR.") from error


def _zip(file: BinaryIO, budget: _Budget, limits: ArchiveLimits) -> _Members:
    if _directory_bytes(file) > limits.max_members * _DIRECTORY_ENTRY:
        raise BadArchive(f"The archive has over {limits.max_members:,} members. Split it.")
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            budget.member()
            kind = stat.S_IFMT(info.external_attr >> 16)
            if not info.filename or info.is_dir() or info.flag_bits & 0x1 or kind not in (0, stat.S_IFREG):
                yield _clean(info.filename), None
                continue
            with archive.open(info) as source:
                yield _clean(info.filename), budget.chunks(source, count=True)


def _directory_bytes(file: BinaryIO) -> int:
    """How large a ZIP's directory says it is, read before the library makes objects of all of it."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 66_000))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise BadArchive("The archive is cut off or broken. Make it again.")
    said = int(struct.unpack_from("<I", tail, at + 12)[0])
    if at >= 76 and tail[at - 20 : at - 16] == b"PK\x06\x07":
        said = max(said if said != 0xFFFFFFFF else 0, int(struct.unpack_from("<Q", tail, at - 76 + 40)[0]))
    return said


class _ModestInfo(tarfile.TarInfo):
    """Refuses extended headers larger than any name can be: they would be read into memory whole."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if not self.isreg() and self.size > _CHUNK:
            raise BadArchive("The archive has a header of over a megabyte. Make it again, as an ordinary TAR.")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]  # the hook that tarfile documents


def _tar(unpacked: _Readable, budget: _Budget) -> _Members:
    counted = _Counted(unpacked, budget)
    with tarfile.open(fileobj=counted, mode="r|", tarinfo=_ModestInfo) as archive:  # type: ignore[call-overload]
        for info in archive:
            budget.member()
            source = archive.extractfile(info) if info.isreg() and not info.issparse() else None
            yield _clean(info.name), None if source is None else budget.chunks(source, count=False)
            archive.members = []  # else it keeps every header, and each is needed only once


class _Counted:
    """A stream that spends from the budget what is read of it, headers and padding too."""

    def __init__(self, source: _Readable, budget: _Budget) -> None:
        self._source, self._budget = source, budget

    def read(self, size: int) -> bytes:
        chunk = self._source.read(size)
        self._budget.spend(len(chunk))
        return chunk


def _unpacked(file: BinaryIO, start: bytes) -> _Readable:
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(file)
    if start[257:262] == b"ustar" or not start.strip(b"\0"):
        return file
    raise BadArchive("This is neither a ZIP nor a TAR archive.")


def _clean(name: str) -> str:
    return (clean_text(name) or "without name")[:1_000]
