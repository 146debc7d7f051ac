"""What an archive is by its first and last bytes, before a library reads it.

In: a seekable file. Out: a TAR as a stream of unpacked bytes, the size that a ZIP's directory states, and whether
anything is left where an archive ends.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
from typing import BinaryIO, Protocol

from labeling.errors import BadArchive

__all__ = ["Readable", "directory_bytes", "goes_on", "unpacked"]

_CHUNK = 1 << 20


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int = ..., /) -> bytes: ...


def unpacked(file: BinaryIO, start: bytes) -> Readable:
    """The bytes of a TAR, whatever it is packed by; BadArchive where it is none by its first 512 bytes, `start`."""
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(file)
    if _begins_a_tar(start):
        return file
    raise BadArchive(
        "This is neither a ZIP nor a TAR archive, whatever its name says. Make it again, as an ordinary ZIP."
    )


def _begins_a_tar(start: bytes) -> bool:
    """Whether these are the first 512 bytes of a TAR: by its letters, or by the sum that the oldest form has alone."""
    if start[257:262] == b"ustar" or not start.strip(b"\0"):
        return True
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def directory_bytes(file: BinaryIO) -> int:
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


def goes_on(stream: Readable) -> bool:
    """Whether anything but zeros is left."""
    try:
        while chunk := stream.read(_CHUNK):
            if chunk.strip(b"\0"):
                return True
    except gzip.BadGzipFile:  # bytes after the end that are not packed, which gzip leaves alone too
        return False
    return False
