"""Two steps of ingest: read the sources that are due, and fetch the bytes of what is registered.

In: a project. Out: registrations, and of each the image that it is: checked, upright, stripped of metadata, stored by
hash. What cannot be used is quarantined with a reason, and the rest goes on. Doing a step again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock

from db.repositories.images import images, registrations, sources
from db.repositories.images.images import FETCH, NewImage, Waiting
from db.repositories.images.sources import Source
from db.repositories.labels import labels
from db.repositories.labels.labels import NewLabel
from db.repositories.projects import projects
from db.repositories.reviews import overlays
from db.repositories.running import failures
from db.session import reading, transaction
from labeling.adapters.sources.fetching import Fetcher
from labeling.adapters.sources.folders import read_file
from labeling.adapters.storage.image_store import UPLOAD
from labeling.errors import BadAddress, BadArchive, Invalid, NotFound, StorageFull, Unavailable
from labeling.ingest.decoding import decode, encode_shown
from labeling.ingest.fingerprints import fingerprint
from labeling.ingest.hashing import content_hash, perceptual_hash
from labeling.ingest.headers import check_header
from labeling.ingest.image_checks import check_picture
from labeling.ingest.text import words_of
from labeling.project import Project
from labeling.slices import batches
from labeling.types import ImageId, LabelSource, ProjectId, RegistrationId
from service.ingest.register import ROWS_A_TRANSACTION, items_of, limits_of, sort_out
from service.label_studio.adopted_tasks import STUDIO, studio_path
from service.work.wiring import Parts

REST = timedelta(seconds=60)
"""How long an address that did not answer rests before it is tried again."""
GRACE = timedelta(hours=1)
"""How old a file without a row must be before it is collected: its row may be about to be written."""
THREADS = 4
LARGE_PIXELS = 10_000_000
"""From here on images are decoded one at a time, so that memory is bounded by the largest and not by the batch."""
WITH_NAMES = {"DICOM"}
"""Formats that hold the names of patients: of these no original is ever kept."""
SOURCE = "source"


def look(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Read every source that is due; register what is new or changed, note what is gone."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        before = parts.now() - timedelta(seconds=project.config.policy.source_every_s)
        due = sources.due(session, project_id, before)
    counts = {"new": 0, "changed": 0, "gone": 0}
    for source in due:
        started = parts.now()
        try:
            found = _read_source(parts, project, source)
        except (Unavailable, BadAddress, BadArchive) as error:
            _note_failure(parts, project_id, source, error.message)
            continue
        counts = {name: counts[name] + found[name] for name in counts}
        with transaction(parts.database) as session:
            sources.note_read(session, source.id, started)
            failures.clear(session, SOURCE, str(source.id))
    return counts


def fetch_batch(parts: Parts, project_id: ProjectId, size: int = 64) -> dict[str, int]:
    """Fetch the next `size` registrations; `left` is 1 while more wait."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        found = images.waiting(session, project_id, failed_before=parts.now() - REST, limit=size + 1)
    fetching = _Fetching(parts, project)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="fetch") as pool:
        results = list(pool.map(fetching.fetch, found[:size]))
    done = [result for result in results if isinstance(result, NewImage)]
    failed = [result for result in results if isinstance(result, _Failed)]
    parts.failpoint("fetch.before_write")
    _write(parts, project, found, done, failed)
    parts.failpoint("fetch.after_write")
    return {"done": len(done), "failed": len(failed), "left": int(len(found) > size)}


def collect(parts: Parts) -> dict[str, int]:
    """Remove stored files that no row names: left by a kill or a refusal, and uploads that were fetched."""
    before = parts.now() - GRACE
    with reading(parts.database) as session:
        keep = images.content_hashes(session) | overlays.wanted(session)
        uploads = {address.removeprefix(UPLOAD) for address in registrations.waiting_uploads(session)}
    return {"removed": parts.images.collect(keep, uploads=uploads, before=before)}


def _read_source(parts: Parts, project: Project, source: Source) -> dict[str, int]:
    with reading(parts.database) as session:
        before = registrations.standing(session, source.id)
    counts = {"new": 0, "changed": 0}
    for chunk in batches(items_of(source.address), ROWS_A_TRANSACTION):
        usable, bad = sort_out(project, chunk)
        for item in usable:
            before.pop(item.reference, None)
        with reading(parts.database) as session:
            known = registrations.known(session, project.id, [item.reference for item in usable])
        moved = [i for i in usable if i.reference not in known or registrations.differs(i, known[i.reference])]
        if moved or bad:
            with transaction(parts.database) as session:
                registered = registrations.register(session, project.id, moved, parts.now(), source.id)
                for reference, reason in bad:
                    subject = f"{project.id}:{reference}"
                    failures.record(session, project.id, "register", subject, reason, True, parts.now())
            counts = {"new": counts["new"] + registered.new, "changed": counts["changed"] + registered.changed}
    return {**counts, "gone": _note_gone(parts, list(before.values()))}


def _note_gone(parts: Parts, missing: Sequence[RegistrationId]) -> int:
    total = 0
    for chunk in batches(missing, ROWS_A_TRANSACTION):
        with transaction(parts.database) as session:
            total += registrations.gone(session, chunk, parts.now())
    return total


def _note_failure(parts: Parts, project_id: ProjectId, source: Source, reason: str) -> None:
    """A source that cannot be read is read again when it is due; nothing in it counts as gone."""
    with transaction(parts.database) as session:
        sources.note_read(session, source.id, parts.now())
        failures.record(session, project_id, SOURCE, str(source.id), f"{source.address}: {reason}", False, parts.now())


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why one registration gave no image; `final` = trying again cannot help."""

    registration_id: RegistrationId
    reason: str
    final: bool


class _Fetching:
    """Fetches registrations of one project, several at a time."""

    def __init__(self, parts: Parts, project: Project) -> None:
        settings = parts.settings
        self._parts, self._policy = parts, project.config.policy
        self._limits = limits_of(settings)
        self._web = Fetcher(max_bytes=settings.max_image_bytes, allow_private=settings.allow_private_addresses)
        self._large = Lock()

    def fetch(self, item: Waiting) -> NewImage | _Failed:
        try:
            data = self._read(item.address)
            header = check_header(data, self._limits)
            if header.width * header.height < LARGE_PIXELS:
                return self._store(item, data)
            with self._large:
                return self._store(item, data)
        except StorageFull:
            raise  # nothing is wrong with the image: the whole step waits for free space
        except (Invalid, NotFound) as error:
            return _Failed(item.id, error.message, final=True)
        except Unavailable as error:
            return _Failed(item.id, error.message, final=False)

    def _read(self, address: str) -> bytes:
        if address.startswith(UPLOAD):
            return self._parts.images.read_upload(address)
        if address.lower().startswith(("http://", "https://")):
            return self._web.fetch(address).data
        if address.startswith(STUDIO):
            found = self._parts.label_studio.read_file(
                studio_path(address.removeprefix(STUDIO)), self._limits.max_bytes
            )
            return self._web.fetch(found.elsewhere).data if found.elsewhere else found.data
        return read_file(address, self._limits.max_bytes)

    def _store(self, item: Waiting, data: bytes) -> NewImage:
        decoded = decode(data, self._limits)
        shown, media_type = encode_shown(decoded)
        digest = content_hash(data)
        self._parts.failpoint("fetch.before_store")
        kept = data if self._policy.keep_originals and decoded.format not in WITH_NAMES else None
        self._parts.images.keep(digest, shown, media_type, kept)
        return NewImage(
            registration_id=item.id,
            content_hash=digest,
            perceptual_hash=perceptual_hash(decoded.image),
            format=decoded.format,
            width=decoded.image.width,
            height=decoded.image.height,
            size_bytes=len(data),
            text=words_of(item.text, item.details, self._policy.metadata_as_text),
            details=item.details,
            fingerprint=fingerprint(decoded.image),
            checks=check_picture(decoded.image),
        )


def _write(
    parts: Parts, project: Project, found: Sequence[Waiting], done: Sequence[NewImage], failed: Sequence[_Failed]
) -> None:
    now = parts.now()
    with transaction(parts.database) as session:
        joined = images.record(session, project.id, done, now)
        labelled = [(item, joined[item.id]) for item in found if item.known_label and item.id in joined]
        standing = labels.current_of(session, [image_id for _, image_id in labelled])
        labels.append(session, project.id, _new_labels(labelled, set(standing)), now)
        failures.clear(session, FETCH, *[str(image.registration_id) for image in done])
        for one in failed:
            failures.record(session, project.id, FETCH, str(one.registration_id), one.reason, one.final, now)


def _new_labels(found: Sequence[tuple[Waiting, ImageId]], labelled: set[ImageId]) -> list[NewLabel]:
    """The labels that came with the images; an image that has a label keeps it."""
    new: dict[ImageId, NewLabel] = {}
    for item, image_id in found:
        if image_id in labelled or image_id in new:
            continue
        new[image_id] = NewLabel(
            image_id=image_id,
            value=item.known_label,
            source=LabelSource.GOLD if item.gold else LabelSource.IMPORT,
            author="ingest",
            reason="came with the image",
            evidence={"registration": item.id, "reference": item.reference},
        )
    return list(new.values())
