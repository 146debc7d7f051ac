"""The files of a folder, local or at any fsspec address, and the bytes of one file.

In: an address. Out: the images under it in a stable order, each with a fingerprint that changes with its content, the
name of its folder and the text beside it. Links that lead out of the folder are not followed.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec

from labeling.errors import BadAddress, BadImage, Unavailable
from labeling.ingest.headers import ACCEPTED_EXTENSIONS
from labeling.ingest.text import clean_text

__all__ = ["FoundFile", "absolute", "file_exists", "find_images", "folder_exists", "read_file"]

_MAX_TEXT_BYTES = 64 * 1024
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
    files, root = _files(address)
    return bool(files.isdir(root))


def file_exists(address: str) -> bool:
    files, root = _files(address)
    return bool(files.isfile(root))


def find_images(address: str, ignored: Counter[str]) -> Iterator[FoundFile]:
    """The images under a folder, by name; what is no image by its name is counted in `ignored` by extension.

    Raises
    ------
    Unavailable
        The folder is not there, or cannot be read now.
    """
    files, root = _files(address)
    prefix = address.rstrip("/")
    if not files.isdir(root):
        raise Unavailable(f"The folder {address} is not there. Was it moved, or is its disk not mounted?")
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
        It is not there, may not be read, or has more than `max_bytes`.
    Unavailable
        Its place does not answer.
    """
    files, path = _files(address)
    try:
        with files.open(path, "rb") as file:
            data: bytes = file.read(max_bytes + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise BadAddress("The file is not there any more. Ingest its folder again.") from error
    except PermissionError as error:
        raise BadAddress("The file may not be read. Change its permissions, then retry.") from error
    except OSError as error:
        raise Unavailable(f"The file cannot be read now ({error.strerror or type(error).__name__}).") from error
    if len(data) > max_bytes:
        raise BadImage(f"The file has over {max_bytes:,} bytes. Make it smaller.")
    return data


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
    data: bytes = files.cat_file(posixpath.splitext(path)[0] + ".txt", end=_MAX_TEXT_BYTES)
    return clean_text(data.decode("utf-8-sig", "replace"))
