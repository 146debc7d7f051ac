"""Fetching one registration: its bytes read, decoded in another process, and what is shown of it stored.

In: what waits. Out: the image that it is, or why there is none. Several at a time, while the bytes of all files in work
stay under a bound and large images are decoded one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Lock

from db.repositories.deletions import tombstones
from db.repositories.images import registrations
from db.repositories.images.images import NewImage, Waiting
from db.session import reading
from labeling.adapters.decoders.pool import Picture
from labeling.adapters.sources.fetching import Fetcher
from labeling.adapters.sources.files import read_file
from labeling.adapters.storage.image_store import UPLOAD, Stored
from labeling.errors import Damaged, Invalid, NotFound, Unavailable
from labeling.ingest.hashing import content_hash as content_hash_of
from labeling.ingest.headers import check_header
from labeling.ingest.text import words_of
from labeling.project import Project
from labeling.types import RegistrationId
from service.ingest.allowed_places import check_file
from service.ingest.register import limits_of
from service.label_studio.adopted_tasks import STUDIO, studio_path
from service.work.ingest.attempts import Attempts
from service.work.ingest.places import places_of
from service.work.wiring import Parts

__all__ = ["Failed", "Fetching", "attempts_of"]

LARGE_PIXELS = 10_000_000
"""From here on images are decoded one at a time, so that memory is bounded by the largest and not by the batch."""
BYTES_IN_WORK = 50 * 2**20
"""Of all files that are read and not yet decoded; one file alone may have more."""
WITH_NAMES = frozenset({"DICOM"})
"""Formats that hold the names of patients: of these no original is ever kept."""


def attempts_of(parts: Parts) -> Attempts:
    """Where the names of images are kept while they are decoded."""
    return Attempts(parts.settings.home / "decoding")


@dataclass(frozen=True, slots=True)
class Failed:
    """Why one registration gave no image; `final` = trying again cannot help, `away` = its place did not answer."""

    registration_id: RegistrationId
    reason: str
    final: bool = False
    away: bool = False


class Fetching:
    """Fetches registrations of one project, several at a time."""

    def __init__(self, parts: Parts, project: Project) -> None:
        settings = parts.settings
        self._parts, self._policy, self._project_id = parts, project.config.policy, project.id
        self._limits = limits_of(settings)
        self._web = Fetcher(max_bytes=settings.max_image_bytes, allow_private=settings.allow_private_addresses)
        self._large, self._room = Lock(), _Room(BYTES_IN_WORK)
        self._attempts, self._places = attempts_of(parts), places_of(parts)

    def fetch(self, item: Waiting) -> NewImage | Failed:
        """The image; if our own store is full or away, nothing is wrong with the image and the whole step waits."""
        with self._room.held(_size_of(item.address)):
            try:
                data = self._read(item.address)
            except (Invalid, NotFound) as error:
                kept_again = item.address.startswith(UPLOAD) and not isinstance(error, (Invalid, Damaged))
                return Failed(item.id, error.message, final=not kept_again)
            except Unavailable as error:
                if item.address.startswith(UPLOAD):
                    raise
                return Failed(item.id, error.message, away=True)
            try:
                return self._image_of(item, data)
            except Invalid as error:
                return Failed(item.id, error.message, final=True)

    def put_back(self, content_hash: str, address: str | None) -> None:
        """Store what is shown of an image again, from its source's address, or from its original (None).

        Raises
        ------
        NotFound
            It is not there any more, is damaged, or other bytes are there now.
        """
        data = self._parts.images.original(content_hash) if address is None else self._bytes_of(address)
        if content_hash_of(data) != content_hash:
            raise NotFound("Other bytes are there now.")
        header = check_header(data, self._limits)
        with self._parts.decoders.decode(data, self._limits, header.width * header.height) as picture:
            self._keep(picture, data)

    def _image_of(self, item: Waiting, data: bytes) -> NewImage:
        header = check_header(data, self._limits)
        pixels = header.width * header.height
        with self._large if pixels >= LARGE_PIXELS else nullcontext():
            return self._store(item, data, pixels)

    def _read(self, address: str) -> bytes:
        if self._places.rests(address):
            raise Unavailable("Its place does not answer. It is tried again.")
        try:
            data = self._bytes_of(address)
        except Unavailable:
            self._places.failed(address)
            raise
        self._places.answered(address)
        return data

    def _bytes_of(self, address: str) -> bytes:
        if address.startswith(UPLOAD):
            return self._parts.images.read_upload(address)
        if address.lower().startswith(("http://", "https://")):
            return self._web.fetch(address).data
        if address.startswith(STUDIO):
            found = self._parts.label_studio.read_file(
                studio_path(address.removeprefix(STUDIO)), self._limits.max_bytes
            )
            return self._web.fetch(found.elsewhere).data if found.elsewhere else found.data
        return read_file(check_file(self._parts.settings, address), self._limits.max_bytes)

    def _store(self, item: Waiting, data: bytes, pixels: int) -> NewImage:
        with ExitStack() as held:
            with self._attempts.noted(self._project_id, item.id):
                picture = held.enter_context(self._parts.decoders.decode(data, self._limits, pixels))
            findings = picture.findings
            self._check_not_deleted(item, findings.content_hash)
            self._parts.failpoint("fetch.before_store")
            self._keep(picture, data)
        return NewImage(
            registration_id=item.id,
            content_hash=findings.content_hash,
            format=findings.format,
            width=findings.width,
            height=findings.height,
            size_bytes=len(data),
            text=words_of(item.text, item.details, self._policy.metadata_as_text),
            details=item.details,
            fingerprint=findings.fingerprint,
            checks=findings.checks,
        )

    def _keep(self, picture: Picture, data: bytes) -> None:
        findings = picture.findings
        kept = data if self._policy.keep_originals and findings.format not in WITH_NAMES else None
        self._parts.images.keep(findings.content_hash, picture.shown, findings.media_type, kept)

    def _check_not_deleted(self, item: Waiting, content_hash: str) -> None:
        """Invalid for a picture that was deleted here, whatever it is called now; no copy of it stays for that."""
        with reading(self._parts.database) as session:
            deleted = tombstones.among(session, self._project_id, tombstones.CONTENT, [content_hash])
        if content_hash in deleted:
            if item.address.startswith(UPLOAD):
                self._parts.images.remove_unheld(Stored.UPLOAD, [item.address], self._uploads_of_others)
            raise Invalid(f"This is a picture that was deleted. {deleted[content_hash].words}")

    def _uploads_of_others(self) -> set[str]:
        with reading(self._parts.database) as session:
            return registrations.waiting_uploads(session, besides=self._project_id)


class _Room:
    """So many bytes that files may take together; a larger one waits until it is alone."""

    def __init__(self, size: int) -> None:
        self._size, self._used, self._changed = size, 0, Condition()

    @contextmanager
    def held(self, size: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + size <= self._size)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()


def _size_of(address: str) -> int:
    """The bytes of a local file; 0 where they are not known before it is read."""
    try:
        return Path(address).stat().st_size
    except (OSError, ValueError):
        return 0
