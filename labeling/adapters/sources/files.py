"""Files and folders at an address, local or in an object store: what is there, and its bytes.

In: an address. Out: bytes or a listing, or an error that says what to do. An address is a name: nothing in it is taken
for a chain or a pattern, and a name that is there in another normal form is found. A place that does not answer is
Unavailable, and never taken for one where nothing is.
"""

from __future__ import annotations

import io
import posixpath
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from labeling.adapters.sources.file_faults import asked, cause_of, names_nothing, one_of
from labeling.adapters.storage.storage_faults import explained
from labeling.errors import BadAddress, BadImage, Invalid, Unavailable
from labeling.normal_form import clean_name

__all__ = [
    "absolute",
    "entries_of",
    "file_exists",
    "files_at",
    "folder_exists",
    "is_missing",
    "names_file",
    "open_file",
    "read_file",
    "start_of",
]

_PROTOCOLS = frozenset({"file", "local", "memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})
_IN_PART = "The file came only in part. It is tried again."


def absolute(address: str) -> str:
    """The one way to write an address: a local path in full, without links; other addresses as they are."""
    protocol, separator, _ = address.partition("://")
    try:
        clean_name(address)
    except Invalid as error:
        raise BadAddress(f"This is not a folder or file that can be read. {error.message}") from error
    if not separator:
        return Path(address).expanduser().resolve().as_posix()
    if protocol not in _PROTOCOLS or "::" in address:
        raise BadAddress(f"{protocol}:// cannot be a source. Use a folder, s3://, gs:// or az://.")
    return address.rstrip("/")


def folder_exists(address: str) -> bool:
    """Whether a folder is there; Unavailable where its place does not answer."""
    return _kind(*files_at(address)) == "directory"


def file_exists(address: str) -> bool:
    """Whether a file is there; Unavailable where its place does not answer."""
    return _kind(*files_at(address)) == "file"


def names_file(address: str) -> bool:
    """As `file_exists`, but where it may not be asked, as in a bucket that nobody may list, there is none."""
    try:
        return file_exists(address)
    except Unavailable as error:
        if isinstance(error.__cause__, PermissionError):
            return False
        raise


def is_missing(address: str) -> bool:
    """Whether an address names a file of this machine that is not there, in whichever normal form of its name."""
    files, path = files_at(address)
    if not isinstance(files, LocalFileSystem):
        return False
    try:
        return _kind(files, path) is None and (path.isascii() or not _as_it_is_written(files, path))
    except FileNotFoundError:
        return True
    except Unavailable:  # it may be there; whoever reads it says what is wrong
        return False


@contextmanager
def open_file(address: str) -> Iterator[BinaryIO]:
    """A file to read from its beginning.

    Raises
    ------
    BadAddress
        It is not there.
    Unavailable
        Its place does not answer, or stops before the file ends, now or while it is read.
    """
    files, path = files_at(address)
    with asked():
        file = files.open(path, "rb")
    try:
        yield cast(BinaryIO, io.BufferedReader(_Translated(file)))
    finally:
        file.close()


def read_file(address: str, max_bytes: int) -> bytes:
    """The bytes of one file; one whose name is there in another normal form is found.

    Raises
    ------
    BadAddress, BadImage
        It is not there, or has more than `max_bytes`.
    Unavailable
        Its place does not answer, or does not allow it to be read.
    """
    files, path = files_at(address)
    with asked():
        try:
            data = _start(files, path, max_bytes + 1)
        except FileNotFoundError:
            if path.isascii():
                raise
            data = _start(files, _as_it_is_written(files, path), max_bytes + 1)
    if len(data) > max_bytes:
        raise BadImage(f"The file has over {max_bytes:,} bytes. Make it smaller.")
    return data


def files_at(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it; a local path is one whatever stands in it."""
    protocol, separator, _ = address.partition("://")
    try:
        kind = fsspec.get_filesystem_class(protocol if separator else "file")
        options = kind._get_kwargs_from_urls(address) if separator else {}
        return kind(**options), str(kind._strip_protocol(address)) if separator else address.rstrip("/") or "/"
    except (ImportError, ValueError) as error:
        raise BadAddress(f"{protocol}:// needs a library that is not installed: {error}") from error


def entries_of(files: Any, folder: str) -> list[dict[str, Any]]:
    """What lies in a folder, as fsspec describes it; BadAddress where this folder alone cannot be read."""
    with one_of(files):
        return list(files.ls(folder, detail=True))


def start_of(files: Any, path: str, size: int) -> bytes:
    """The first bytes of a file; BadAddress where this file alone cannot be read."""
    with one_of(files):
        return _start(files, path, size)


def _kind(files: Any, path: str) -> str | None:
    """`directory`, `file` or another kind; None where nothing is. `isdir` and `exists` take an outage for nothing."""
    try:
        with explained("source"):
            return str(files.info(path)["type"])
    except (FileNotFoundError, Unavailable) as error:
        if names_nothing(cause_of(error)):
            return None
        raise


def _start(files: Any, path: str, size: int) -> bytes:
    if isinstance(files, LocalFileSystem) and files.info(path)["type"] == "other":
        raise BadAddress("This is a pipe, a socket or a device, and no file.")  # a pipe would be waited for, for ever
    with files.open(path, "rb") as file:
        start: bytes = file.read(size)
        whole: int | None = getattr(file, "size", None)
    if whole is not None and len(start) < min(whole, size):
        raise Unavailable(_IN_PART)
    return start


def _as_it_is_written(files: Any, path: str) -> str:
    """The path with each name in the normal form in which it is there; FileNotFoundError where it is in none."""
    written = "/" if path.startswith("/") else ""
    for name in path.split("/"):
        forms = [] if name.isascii() else [name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))]
        there = [one for one in forms if _kind(files, posixpath.join(written, one)) is not None]
        if forms and not there:
            raise FileNotFoundError(path)
        written = posixpath.join(written, there[0] if there else name)
    return written


class _Translated(io.RawIOBase):
    """A file whose errors are ours, and which does not end before its end."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._size: int | None = getattr(file, "size", None)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with asked():
            data: bytes = self._file.read(len(buffer))
            if not data and len(buffer) and self._size is not None and self._file.tell() < self._size:
                raise Unavailable(_IN_PART)
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with asked():
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())
