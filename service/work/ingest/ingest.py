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
from labeling.adapters.sources.files import read_file
from labeling.adapters.storage.image_store import UPLOAD
from labeling.errors import Invalid, NotFound, StorageFull, Unavailable
from labeling.ingest.decoding import check_header, decode, encode_shown
from labeling.ingest.fingerprints import fingerprint
from labeling.ingest.hashing import content_hash, perceptual_hash
from labeling.ingest.text import words_of
from labeling.project import RANDOM_SAMPLE, Project
from labeling.types import ImageId, LabelSource, ProjectId, RegistrationId
from service.ingest.register import limits_of
from service.label_studio.adopted_tasks import STUDIO, studio_path
from service.work.ingest.contradictions import note_contradictions
from service.work.ingest.sources import read_source
from service.work.wiring import Parts

REST = timedelta(seconds=60)
"""How long an address that did not answer rests before it is tried again."""
GRACE = timedelta(hours=1)
"""How old a file without a row must be before it is collected: its row may be about to be written."""
THREADS = 4
LARGE_PIXELS = 10_000_000
"""From here on images are decoded one at a time, so that memory is bounded by the largest and not by the batch."""
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
            found = read_source(parts, project, source)
        except (Unavailable, Invalid, NotFound) as error:
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
        self._parts.images.keep(digest, shown, media_type, data if self._policy.keep_originals else None)
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
        )


def _write(
    parts: Parts, project: Project, found: Sequence[Waiting], done: Sequence[NewImage], failed: Sequence[_Failed]
) -> None:
    now = parts.now()
    with transaction(parts.database) as session:
        joined = images.record(session, project.id, done, now)
        labelled = [(item, joined[item.id]) for item in found if item.known_label and item.id in joined]
        standing = labels.current_of(session, [image_id for _, image_id in labelled])
        new = _new_labels(project, labelled, set(standing))
        labels.append(session, project.id, new, now)
        values = {one.image_id: one.value for one in standing.values()} | {one.image_id: one.value for one in new}
        note_contradictions(session, project, [(i, joined[i.id]) for i in found if i.id in joined], values, now)
        failures.clear(session, FETCH, *[str(image.registration_id) for image in done])
        for one in failed:
            failures.record(session, project.id, FETCH, str(one.registration_id), one.reason, one.final, now)


def _new_labels(project: Project, found: Sequence[tuple[Waiting, ImageId]], labelled: set[ImageId]) -> list[NewLabel]:
    """The labels that came with the images; an image that has a label keeps it."""
    imported = LabelSource.SAMPLE if project.config.policy.imported == RANDOM_SAMPLE else LabelSource.IMPORT
    new: dict[ImageId, NewLabel] = {}
    for item, image_id in found:
        if image_id in labelled or image_id in new:
            continue
        new[image_id] = NewLabel(
            image_id=image_id,
            value=item.known_label,
            source=LabelSource.GOLD if item.gold else imported,
            author="ingest",
            reason="came with the image",
            evidence={"registration": item.id, "reference": item.reference},
        )
    return list(new.values())
