"""The files of a folder, local or at any fsspec address, and the bytes of one file.

In: an address. Out: the images under it in a stable order, each with a fingerprint that changes with its content, the
name of its folder and the text beside it. Links that lead out of the folder are not followed. A place that does not
answer is Unavailable, and never taken for one where nothing is.
"""

from __future__ import annotations

import errno
import io
import posixpath
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec

from labeling.adapters.storage.storage_faults import explained
from labeling.errors import BadAddress, BadImage, Unavailable
from labeling.ingest.headers import ACCEPTED_EXTENSIONS
from labeling.ingest.text import clean_text

__all__ = ["FoundFile", "absolute", "file_exists", "find_images", "folder_exists", "open_file", "read_file"]

_MAX_TEXT_BYTES = 64 * 1024
_NO_NAME = frozenset({errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL})
"""What a folder of this machine says to a name that nothing can have."""
_PROTOCOLS = frozenset({"file", "local", "memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})


@dataclass(frozen=True, slots=True)
class FoundFile:
    """An image in a folder. `folder` is the first folder under the source, None directly in it."""

    address: str
    fingerprint: str
    folder: str | None
    text: str | None


def absolute(address: str) -> str:
    """The one way to write an address: a local path in full, without links; other addresses as they are."""
    protocol, separator, _ = address.partition("://")
    if not separator:
        if "::" in address or "\0" in address:
            raise BadAddress("This is not a folder or file that can be read.")
        return Path(address).expanduser().resolve().as_posix()
    if protocol not in _PROTOCOLS or "::" in address:
        raise BadAddress(f"{protocol}:// cannot be a source. Use a folder, s3://, gs:// or az://.")
    return address.rstrip("/")


def folder_exists(address: str) -> bool:
    """Whether a folder is there; Unavailable where its place does not answer."""
    return _kind(address) == "directory"


def file_exists(address: str) -> bool:
    """Whether a file is there; Unavailable where its place does not answer."""
    return _kind(address) == "file"


@contextmanager
def open_file(address: str) -> Iterator[BinaryIO]:
    """A file to read from; whatever its place cannot do while it is read is Unavailable."""
    files, path = _files(address)
    with explained("source"):
        file = files.open(path, "rb")
    try:
        yield cast(BinaryIO, io.BufferedReader(_Translated(file)))
    finally:
        file.close()


def find_images(address: str, ignored: Counter[str]) -> Iterator[FoundFile]:
    """The images under a folder, by name; what is no image by its name is counted in `ignored` by extension.

    Raises
    ------
    Unavailable
        The folder is not there, or cannot be read now.
    """
    if not folder_exists(address):
        raise _is_gone(address)
    try:
        with explained("source"):
            yield from _walk(address, ignored)
    except FileNotFoundError as error:
        raise _is_gone(address) from error


def _walk(address: str, ignored: Counter[str]) -> Iterator[FoundFile]:
    files, root = _files(address)
    prefix = address.rstrip("/")
    files.invalidate_cache()  # a listing that is remembered has nothing that came since
    for folder, folders, found in files.walk(root, detail=True, on_error="raise"):
        entered = [(n, folders[n]) for n in sorted(folders) if not n.startswith(".") and not folders[n].get("islink")]
        folders.clear()
        folders.update(entered)
        inside = posixpath.relpath(str(folder), root)
        for name in sorted(name for name in found if not name.startswith(".")):
            info = found[name]
            if not _is_plain(info, root):
                ignored["links and special files"] += 1
            elif posixpath.splitext(name.lower())[1] in ACCEPTED_EXTENSIONS:
                path = name if inside == "." else f"{inside}/{name}"
                text = _text_beside(files, f"{folder}/{name}", found, name)
                yield FoundFile(
                    f"{prefix}/{path}", _fingerprint(info), None if inside == "." else inside.split("/")[0], text
                )
            elif not name.lower().endswith(".txt"):
                ignored[posixpath.splitext(name.lower())[1] or "without extension"] += 1


def read_file(address: str, max_bytes: int) -> bytes:
    """The bytes of one file.

    Raises
    ------
    BadAddress, BadImage
        It is not there, or has more than `max_bytes`.
    Unavailable
        Its place does not answer, or does not allow it to be read.
    """
    files, path = _files(address)
    try:
        with explained("source"), files.open(path, "rb") as file:
            data: bytes = file.read(max_bytes + 1)
            size: int | None = getattr(file, "size", None)
    except (FileNotFoundError, Unavailable) as error:
        if isinstance(error, Unavailable) and not _names_nothing(error):
            raise
        raise BadAddress("The file is not there any more. Ingest its folder again.") from error
    if size is not None and len(data) < min(size, max_bytes + 1):
        raise Unavailable("The file came only in part. It is tried again.")
    if len(data) > max_bytes:
        raise BadImage(f"The file has over {max_bytes:,} bytes. Make it smaller.")
    return data


def _kind(address: str) -> str | None:
    """`directory`, `file` or another kind; None where nothing is. `isdir` and `exists` take an outage for nothing."""
    files, root = _files(address)
    try:
        with explained("source"):
            return str(files.info(root)["type"])
    except FileNotFoundError:
        return None
    except Unavailable as error:
        if _names_nothing(error):
            return None
        raise


def _names_nothing(error: Unavailable) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _NO_NAME


def _is_gone(address: str) -> Unavailable:
    return Unavailable(f"The folder {address} is not there. Was it moved, or is its disk not mounted?")


class _Translated(io.RawIOBase):
    """A file whose errors are ours."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with explained("source"):
            data: bytes = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with explained("source"):
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())


def _files(address: str) -> tuple[Any, str]:
    try:
        files, root = fsspec.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise BadAddress(f"{address.partition('://')[0]}:// needs a library that is not installed: {error}") from error
    return files, str(root)


def _is_plain(info: dict[str, Any], root: str) -> bool:
    if not info.get("islink"):
        return bool(info.get("type") == "file")
    target = Path(str(info["name"])).resolve()
    return target.is_relative_to(root) and target.is_file()


def _fingerprint(info: dict[str, Any]) -> str:
    tag = info.get("ETag") or info.get("etag") or info.get("md5Hash")
    if tag:
        return str(tag)
    changed = info.get("mtime") or info.get("LastModified") or info.get("last_modified") or info.get("created")
    return f"{info.get('size')}-{changed}"


def _text_beside(files: Any, path: str, found: dict[str, Any], name: str) -> str | None:
    beside = found.get(posixpath.splitext(name)[0] + ".txt")
    if beside is None or beside.get("type") != "file" or beside.get("islink"):
        return None
    try:
        data: bytes = files.cat_file(posixpath.splitext(path)[0] + ".txt", end=_MAX_TEXT_BYTES)
    except FileNotFoundError:  # it went away since its folder was listed
        return None
    return clean_text(data.decode("utf-8-sig", "replace"))
