"""The store of bytes: uploads as they came, and the shown form of every image. Any fsspec address.

In: bytes and their sha256 (hex). Out: bytes. Names are made from hashes alone, never from what a user wrote, and a
file appears under its name only when it is whole: it is written under a temporary name, then moved. What is read is
checked: by its name where that is the hash of its bytes, else by the checksum behind them. No other bytes come out.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterable, Set
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from labeling.adapters.storage.sealed_bytes import sealed, unsealed
from labeling.adapters.storage.storage_faults import Patience, explained
from labeling.errors import BadAddress, Damaged, NotFound, Unavailable

__all__ = ["UPLOAD", "ImageStore", "Stored"]

UPLOAD = "upload:"
"""What the address of an uploaded file begins with; its sha256 follows."""

_HASH = re.compile(r"[0-9a-f]{64}")
_SEALED = ".sealed"
_EXTENSION = {"image/jpeg": f"{_SEALED}.jpg", "image/png": f"{_SEALED}.png"}
_MEDIA_TYPE = {ending: media for media, ending in _EXTENSION.items()} | {".jpg": "image/jpeg", ".png": "image/png"}
"""The last two are of homes that were made before files had seals: `seal` ends them."""
_ASIDE = ".going"
T = TypeVar("T")


class Stored(StrEnum):
    """What is kept under one name: what is shown of an image with its original, an upload, or what we drew."""

    PICTURE = "picture"
    UPLOAD = "upload"
    DRAWING = "drawing"


class ImageStore:
    """One folder or bucket, shared by all projects: the same bytes are kept once.

    Parameters
    ----------
    address : str
        Where it lies.
    patience : Patience, optional
        How long somebody waits for it, where it is not a folder of this machine. Without it the client's own retries
        decide, and some take half a minute.
    """

    def __init__(self, address: str, patience: Patience | None = None) -> None:
        self._files, root = fsspec.url_to_fs(address)
        self._root = str(root).rstrip("/")
        self._patience = None if isinstance(self._files, LocalFileSystem) else patience

    def keep_upload(self, data: bytes) -> str:
        """Keep uploaded bytes until they are fetched; returns the address to register them under."""
        digest = sha256(data).hexdigest()
        self._write(self._path("uploads", digest), data)  # again if there: its age tells `collect` that it is wanted
        return UPLOAD + digest

    def read_upload(self, address: str) -> bytes:
        """The bytes of an upload; NotFound once they were collected, Damaged if they are others."""
        digest = address.removeprefix(UPLOAD)
        data = self._read(self._path("uploads", digest), "This upload is no longer kept. Upload the file again.")
        return _checked(data, digest, "upload", "Upload the file again.")

    def keep(self, content_hash: str, shown: bytes | Iterable[bytes], media_type: str, original: bytes | None) -> None:
        """Keep what is shown of an image, whole or in pieces, and its original bytes if the project wants them."""
        if original is not None:
            self._write(self._path("originals", content_hash), original)
        self._write(self._path("shown", content_hash, _EXTENSION[media_type]), sealed(_pieces(shown)))

    def shown(self, content_hash: str) -> tuple[bytes, str]:
        """The JPEG or PNG that engines, annotators and exports get, with its media type; Damaged if it is another."""
        missing = "The bytes of this image are not in the store. Restore the storage, or ingest the image again."
        for extension, media_type in _MEDIA_TYPE.items():
            try:
                content = self._read(self._path("shown", content_hash, extension), missing)
            except NotFound:
                continue
            data = unsealed(content) if extension.startswith(_SEALED) else content
            if data is None:
                raise Damaged(
                    f"What is kept of image {content_hash} is damaged and is not given out. "
                    "`hardcase doctor --deep --repair` makes it again from the original or its source."
                )
            return data, media_type
        if self._is_empty():
            raise Unavailable("Nothing is in the image store. Is its disk mounted, and is its bucket there?")
        raise NotFound(missing)

    def keep_drawing(self, digest: str, jpeg: bytes) -> None:
        """Keep a picture that we drew of an image, under a hash of what it was drawn from."""
        self._write(self._path("drawings", digest), sealed([jpeg]))

    def drawing(self, digest: str) -> bytes:
        """A picture that we drew, as JPEG; NotFound once it was collected, Damaged if it is another."""
        missing = "This drawing is no longer kept; it is drawn again when its review is."
        data = unsealed(self._read(self._path("drawings", digest), missing))
        if data is None:
            raise Damaged("This drawing is damaged. `hardcase doctor --deep --repair` removes it.")
        return data

    def original(self, content_hash: str) -> bytes:
        """The bytes as they came; NotFound unless the project keeps originals, Damaged if they are others."""
        missing = "The original was not kept; `keep_originals` in the project's policy keeps it."
        data = self._read(self._path("originals", content_hash), missing)
        return _checked(data, content_hash, "original", "Restore it from a backup.")

    def originals(self) -> set[str]:
        """The content hashes of the originals that are kept."""
        return {found[0] for path in self._files_in("originals") if (found := _HASH.search(path.rsplit("/", 1)[-1]))}

    def drawings(self) -> set[str]:
        """The names of the pictures that we drew."""
        return {found[0] for path in self._files_in("drawings") if (found := _HASH.search(path.rsplit("/", 1)[-1]))}

    def seal(self) -> int:
        """Give what is shown of images its checksum where it was kept without one; returns how many that were."""
        old = [path for path in self._files_in("shown") if path.endswith((".jpg", ".png")) and _SEALED not in path]
        for path in old:
            stem, _, ending = path.rpartition(".")
            self._write(f"{stem}{_SEALED}.{ending}", sealed([self._read(path, "It is gone.")]))
            with explained("image"), suppress(FileNotFoundError):
                self._files.rm_file(path)
        return len(old)

    def collect(self, keep: Set[str], *, uploads: Set[str], before: datetime) -> int:
        """Remove what is older than `before` and whose hash is not in `keep` (nor, for uploads, in `uploads`)."""
        removed = 0
        for path in self._everything():
            folder, name = path.removeprefix(self._root + "/").split("/", 1)
            digest = _HASH.search(name.rsplit("/", 1)[-1])
            wanted = uploads if folder == "uploads" else keep
            if (digest is None or digest[0] not in wanted or path.endswith(".tmp")) and self._age(path) < before:
                with explained("image"), suppress(FileNotFoundError):
                    self._files.rm_file(path)
                removed += 1
        return removed

    def has(self, kind: Stored, name: str) -> bool:
        """Whether this is kept, asked of the store itself and not of what is remembered of its folders."""
        originals = f"{self._root}/originals/"
        return any(self._is_there(path) for path in self._files_of(kind, name) if not path.startswith(originals))

    def remove_unheld(self, kind: Stored, names: Iterable[str], held: Callable[[], Set[str]]) -> None:
        """Remove those that nobody holds. What is gone already is no error, and what a kill left is removed, too.

        They are set aside, and `held` is asked again: who came to hold one meanwhile gets it back. Whoever keeps bytes
        and then writes the row that names them asks `has` once the row stands. So either `held` knows of the row, or
        its writer learns that the bytes are gone.
        """
        paths = {name: self._files_of(kind, name) for name in names}
        kept = held()
        for path in (path for name in paths.keys() - kept for path in paths[name]):
            self._move(path, path + _ASIDE)
        kept = held()
        for name, files in paths.items():
            for path in files:
                if name in kept:
                    self._move(path + _ASIDE, path)
                else:
                    self._remove(path + _ASIDE)

    def remove_drawing(self, digest: str) -> None:
        """Remove a picture that we drew."""
        self._remove(self._path("drawings", digest))

    def check(self) -> None:
        """Write, read and remove a small file, so that a doctor can say whether the storage works."""
        path = f"{self._root}/{uuid.uuid4().hex}.tmp"
        self._write(path, b"hardcase")
        with explained("image"):
            self._files.rm_file(path)

    def _files_of(self, kind: Stored, name: str) -> list[str]:
        if kind is not Stored.PICTURE:
            return [self._path(f"{kind.value}s", name.removeprefix(UPLOAD))]
        return [*(self._path("shown", name, ending) for ending in _MEDIA_TYPE), self._path("originals", name)]

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._asked(lambda: self._files.rm_file(path))

    def _is_there(self, path: str) -> bool:
        try:
            self._asked(lambda: self._files.cat_file(path, 0, 1))
            return True
        except FileNotFoundError:
            return False

    def _move(self, path: str, to: str) -> None:
        with suppress(FileNotFoundError):
            self._asked(lambda: self._files.mv(path, to))

    def _is_empty(self) -> bool:
        try:
            return not self._asked(lambda: self._files.ls(self._root, detail=False))
        except FileNotFoundError:
            return True

    def _everything(self) -> list[str]:
        return [path for folder in ("uploads", "shown", "originals", "drawings") for path in self._files_in(folder)]

    def _files_in(self, folder: str) -> list[str]:
        with explained("image"), suppress(FileNotFoundError):
            return [str(path) for path in self._files.find(f"{self._root}/{folder}")]
        return []

    def _age(self, path: str) -> datetime:
        """When a file was written; now, for one that went away."""
        try:
            with explained("image"):
                modified: datetime = self._files.modified(path)
        except FileNotFoundError:
            return datetime.now(UTC)
        return modified if modified.tzinfo else modified.replace(tzinfo=UTC)

    def _path(self, folder: str, digest: str, extension: str = "") -> str:
        if not _HASH.fullmatch(digest):
            raise BadAddress("This is not the address of anything in the image store.")
        return f"{self._root}/{folder}/{digest[:2]}/{digest}{extension}"

    def _read(self, path: str, missing: str) -> bytes:
        """The bytes of a file; NotFound with this message where it is not there."""
        try:
            data: bytes = self._asked(lambda: self._files.cat_file(path))
            return data
        except FileNotFoundError as error:
            raise NotFound(missing) from error

    def _write(self, path: str, data: bytes | Iterable[bytes]) -> None:
        if self._patience is not None and not isinstance(data, bytes):
            data = b"".join(data)  # who is given up may not read on in what its caller has left
        self._asked(lambda: self._write_whole(path, data), len(data) if isinstance(data, bytes) else 0)

    def _write_whole(self, path: str, data: bytes | Iterable[bytes]) -> None:
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        try:
            with self._files.open(temporary, "wb") as file:
                for piece in _pieces(data):
                    file.write(piece)
                _to_disk(file)
            self._files.mv(temporary, path)
        except Exception:
            with suppress(Exception):  # what stays is collected later
                self._files.rm_file(temporary)
            raise

    def _asked(self, do: Callable[[], T], size_bytes: int = 0) -> T:
        """A call of the store, in the words of our errors."""
        with explained("image"):
            return do() if self._patience is None else self._patience.call("image", do, size_bytes)


def _pieces(data: bytes | Iterable[bytes]) -> Iterable[bytes]:
    return [data] if isinstance(data, bytes) else data


def _checked(data: bytes, digest: str, what: str, way_out: str) -> bytes:
    """The bytes, where this is their hash."""
    if sha256(data).hexdigest() != digest:
        raise Damaged(f"The {what} {digest} is damaged and is not given out. {way_out}")
    return data


def _to_disk(file: object) -> None:
    """What was acknowledged survives a power cut, where the file is a local one."""
    fileno = getattr(file, "fileno", None)
    if fileno is not None:
        try:
            descriptor = fileno()
        except OSError:  # a file in memory has no descriptor
            return
        getattr(file, "flush", lambda: None)()
        os.fsync(descriptor)
