"""One file at an address, local or in an object store: whether it is there, and its bytes.

In: an address. Out: bytes, or an error that says what to do. An address is a name: nothing in it is taken for a chain
or a pattern, and a name that is there in another normal form is found.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import fsspec

from labeling.errors import BadAddress, BadImage, Invalid, Unavailable
from labeling.normal_form import clean_name

__all__ = ["absolute", "file_exists", "files_at", "folder_exists", "open_file", "read_file", "start_of", "why_not"]

_PROTOCOLS = frozenset({"file", "local", "memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})
_NOT_THERE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


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
    files, root = files_at(address)
    return bool(files.isdir(root))


def file_exists(address: str) -> bool:
    files, root = files_at(address)
    return bool(files.isfile(root))


@contextmanager
def open_file(address: str) -> Iterator[BinaryIO]:
    """A file to read from its beginning; BadAddress or Unavailable where it cannot be read."""
    files, path = files_at(address)
    with _explained(), files.open(path, "rb") as file:
        yield file


def read_file(address: str, max_bytes: int) -> bytes:
    """The bytes of one file; one whose name is there in another normal form is found.

    Raises
    ------
    BadAddress, BadImage
        It is not there, may not be read, or has more than `max_bytes`.
    Unavailable
        Its place does not answer.
    """
    files, path = files_at(address)
    with _explained():
        try:
            data = start_of(files, path, max_bytes + 1)
        except FileNotFoundError:
            if path.isascii():
                raise
            data = start_of(files, _as_it_is_written(files, path), max_bytes + 1)
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


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except _NOT_THERE as error:
        raise BadAddress("The file is not there any more. Ingest its folder again.") from error
    except PermissionError as error:
        raise BadAddress("The file may not be read. Change its permissions, then retry.") from error
    except OSError as error:
        raise Unavailable(f"The file cannot be read now ({error.strerror or type(error).__name__}).") from error


def why_not(error: OSError) -> str:
    """Why something cannot be read, for people."""
    if isinstance(error, PermissionError):
        return "It may not be read. Change its permissions."
    if isinstance(error, _NOT_THERE):
        return "It is not there any more."
    return f"It cannot be read now ({error.strerror or type(error).__name__})."


def start_of(files: Any, path: str, size: int) -> bytes:
    """The first bytes of a file; OSError where it cannot be read."""
    with files.open(path, "rb") as file:
        start: bytes = file.read(size)
    return start


def _as_it_is_written(files: Any, path: str) -> str:
    """The path with each name in the normal form in which it is there; FileNotFoundError where it is in none."""
    written = "/" if path.startswith("/") else ""
    for name in path.split("/"):
        forms = [name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))]
        there = [one for one in forms if files.exists(posixpath.join(written, one))]
        if not there:
            raise FileNotFoundError(path)
        written = posixpath.join(written, there[0])
    return written
