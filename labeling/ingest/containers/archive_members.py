"""The members of a ZIP or TAR file, read as a stream: nothing is ever unpacked to a path.

In: a seekable file and the limits. Out: each member with its bytes, or without them. The sizes that an archive states
are not trusted: bytes are counted as they are read, and over a limit the whole archive is refused.
"""

from __future__ import annotations

import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from labeling.errors import BadArchive
from labeling.ingest.containers.archive_bytes import Readable, directory_bytes, goes_on, unpacked
from labeling.ingest.containers.member_names import UTF8_FLAG, member_name, name_in_zip

__all__ = ["ArchiveLimits", "Entry", "entries"]

T = TypeVar("T")
_CHUNK = 1 << 20
_READ = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_METHODS = {
    9: "Deflate64",
    20: "Zstandard",
    93: "Zstandard",
    94: "MP3",
    95: "XZ",
    96: "JPEG",
    97: "WavPack",
    98: "PPMd",
}
_REST = "the rest of the file"
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
class Entry:
    """A member: its name, and its bytes; without bytes a reason where it is a file that cannot be read."""

    name: str
    stream: Iterator[bytes] | None = None
    reason: str = ""


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

    def chunks(self, source: Readable, name: str, *, count: bool) -> Iterator[bytes]:
        """The bytes of one member; `count` unless its source counts for itself."""
        size = 0
        while chunk := _read(source, name):
            size += len(chunk)
            if size > self._limits.max_member_bytes:
                limit = f"{self._limits.max_member_bytes:,} bytes"
                raise BadArchive(f"The member {name[:200]!r} has over {limit}. Make the archive again without it.")
            if count:
                self.spend(len(chunk))
            yield chunk


def _read(source: Readable, name: str) -> bytes:
    try:
        return source.read(_CHUNK)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise BadArchive(f"The member {name[:200]!r} is cut off or broken. Make the archive again.") from error


def entries(file: BinaryIO, limits: ArchiveLimits) -> Iterator[Entry]:
    """The members of an archive in its order; BadArchive, here or in a stream, for a broken one or over a limit."""
    return _explained(_entries(file, limits))


def _entries(file: BinaryIO, limits: ArchiveLimits) -> Iterator[Entry]:
    packed = file.seek(0, io.SEEK_END)
    file.seek(0)
    start = file.read(512)
    file.seek(0)
    budget = _Budget(packed, limits)
    if start.startswith(b"PK"):
        yield from _zip(file, budget, limits)
    else:
        yield from _tar(unpacked(file, start), budget)


def _explained(read: Iterator[T]) -> Iterator[T]:
    """The same; what the libraries raise for broken archives becomes BadArchive, what its reader raises does not."""
    try:
        yield from read
    except UnicodeDecodeError as error:
        raise BadArchive(
            f"The archive says that its names are UTF-8, and one is not ({error.object[:100]!r}). Make it again, as an "
            "ordinary ZIP."
        ) from error
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, struct.error) as error:
        raise BadArchive("The archive is cut off or broken. Make it again.") from error
    except (OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise BadArchive("The archive cannot be read. Make it again, as an ordinary ZIP or TAR.") from error


def _zip(file: BinaryIO, budget: _Budget, limits: ArchiveLimits) -> Iterator[Entry]:
    if directory_bytes(file) > limits.max_members * _DIRECTORY_ENTRY:
        raise BadArchive(f"The archive has over {limits.max_members:,} members. Split it.")
    with zipfile.ZipFile(file) as archive:
        yield from _lost_before(file, archive.infolist())
        for info in archive.infolist():
            budget.member()
            kind, written = stat.S_IFMT(info.external_attr >> 16), name_in_zip(info)
            name = member_name(written)
            if not info.filename or written.endswith(("/", "\\")) or kind not in (0, stat.S_IFREG):
                yield Entry(name)
            elif reason := _why_unreadable(info):
                yield Entry(name, reason=reason)
            else:
                _take_local_name(file, info)
                with archive.open(info) as source:
                    yield Entry(name, _explained(budget.chunks(source, name, count=True)))


def _lost_before(file: BinaryIO, members: list[zipfile.ZipInfo]) -> Iterator[Entry]:
    """What stands before the first member: of two ZIPs in one file the directory at the end lists the last alone."""
    begins = min((info.header_offset for info in members), default=0)
    file.seek(0)
    if begins > 4 and file.read(4) == b"PK\x03\x04":
        yield Entry(
            _REST, reason="Another archive stands before this one in the same file. Take them apart, or make one."
        )


def _take_local_name(file: BinaryIO, info: zipfile.ZipInfo) -> None:
    """Let the library open a member whose name stands otherwise before its bytes than in the directory.

    Some writers have `\\` in one place and `/` in the other, or two encodings; the directory's name is the one that
    counts.
    """
    file.seek(info.header_offset)
    flags, length = struct.unpack("<6xH18xH2x", file.read(30))
    info.orig_filename = file.read(length).decode("utf-8" if flags & UTF8_FLAG else "cp437")


def _why_unreadable(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & (0x1 | 0x40 | 0x2000):
        return "This member is encrypted. Make the archive again without a password."
    if info.compress_type not in _READ or info.flag_bits & 0x20:
        method = _METHODS.get(info.compress_type, f"method {info.compress_type}")
        return (
            f"This member is compressed by {method}, which is not read here. Make the archive again as an ordinary ZIP."
        )
    return ""


class _ModestInfo(tarfile.TarInfo):
    """Refuses extended headers larger than any name can be: they would be read into memory whole."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if not self.isreg() and self.size > _CHUNK:
            raise BadArchive("The archive has a header of over a megabyte. Make it again, as an ordinary TAR.")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]  # the hook that tarfile documents


def _tar(unpacked: Readable, budget: _Budget) -> Iterator[Entry]:
    counted = _Counted(unpacked, budget)
    with tarfile.open(fileobj=counted, mode="r|", tarinfo=_ModestInfo, encoding="utf-8") as archive:  # type: ignore[call-overload]
        for info in archive:
            budget.member()
            name = member_name(info.name)
            source = archive.extractfile(info) if info.isreg() and not info.issparse() else None
            if source is not None:
                yield Entry(name, _explained(budget.chunks(source, name, count=False)))
            elif info.isreg():
                yield Entry(
                    name, reason="This member is stored as a sparse file. Make the archive again without --sparse."
                )
            else:
                yield Entry(name)
            archive.members = []  # else it keeps every header, and each is needed only once
        if goes_on(archive.fileobj):
            yield Entry(
                _REST, reason="More stands after the end of this archive. Take the archives apart, or make one."
            )


class _Counted:
    """A stream that spends from the budget what is read of it, headers and padding too."""

    def __init__(self, source: Readable, budget: _Budget) -> None:
        self._source, self._budget = source, budget

    def read(self, size: int) -> bytes:
        chunk = self._source.read(size)
        self._budget.spend(len(chunk))
        return chunk
