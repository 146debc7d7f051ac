"""Two steps of ingest: read the sources that are due, and fetch the bytes of what is registered.

In: a project. Out: registrations, and of each the image that it is: checked, upright, stripped of metadata, stored by
hash. What cannot be used is quarantined with a reason, what lies in a place that is away waits, and the rest goes on.
Doing a step again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from db.outages import outage_of
from db.repositories.deletions import deletions
from db.repositories.images import images, registrations, sources
from db.repositories.images.images import FETCH, NewImage, Waiting
from db.repositories.images.sources import Source
from db.repositories.labels import labels
from db.repositories.labels.labels import NewLabel
from db.repositories.projects import projects
from db.repositories.reviews import overlays
from db.repositories.running import failures
from db.session import reading, transaction
from labeling.adapters.storage.image_store import UPLOAD, Stored
from labeling.errors import HardcaseError, Unavailable
from labeling.project import RANDOM_SAMPLE, Project
from labeling.types import ImageId, LabelSource, ProjectId
from service.logs import get_logger
from service.work.ingest.contradictions import note_contradictions
from service.work.ingest.fetching import Failed, Fetching, attempts_of
from service.work.ingest.places import places_of
from service.work.ingest.sources import read_source
from service.work.wiring import Parts

REST = timedelta(seconds=60)
"""How long an address that did not answer rests before it is tried again."""
GRACE = timedelta(hours=1)
"""How old a file without a row must be before it is collected: its row may be about to be written."""
THREADS = 4
DIED = "The worker ended while it decoded this image. Save it again as PNG or JPEG, then retry."
SOURCE = "source"
log = get_logger(__name__)


def look(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Read every source that is due; register what is new or changed, note what is gone. A bad one stops no other."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        before = parts.now() - timedelta(seconds=project.config.policy.source_every_s)
        due = sources.due(session, project_id, before, parts.now())
    counts = {"new": 0, "changed": 0, "gone": 0}
    for source in due:
        if not places_of(parts).rests(source.address):
            found = _look_into(parts, project, source)
            counts = {name: counts[name] + found[name] for name in counts}
    return counts


def fetch_batch(parts: Parts, project_id: ProjectId, size: int = 64) -> dict[str, int]:
    """Fetch the next `size` registrations; `left` is 1 while more wait."""
    count_the_dead(parts, project_id)
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        now, away = parts.now(), places_of(parts).resting()
        found = images.waiting(session, project_id, failed_before=now - REST, now=now, limit=size + 1, away=away)
        since = deletions.oldest_at_work(session)
    fetching = Fetching(parts, project)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="fetch") as pool:
        results = list(pool.map(fetching.fetch, found[:size]))
    done = [result for result in results if isinstance(result, NewImage)]
    failed = [result for result in results if isinstance(result, Failed)]
    parts.failpoint("fetch.before_write")
    _write(parts, project, found, done, failed)
    again = _fetch_again(parts, done, since)
    parts.failpoint("fetch.after_write")
    if len(found) <= size:
        parts.decoders.rest()
    return {"done": len(done), "failed": len(failed), "left": int(len(found) > size or again > 0)}


def count_the_dead(parts: Parts, project_id: ProjectId) -> None:
    """Count a try for each image that was being decoded when a worker died; the second sets the image aside."""
    left = attempts_of(parts).left_over(project_id)
    if not left:
        return
    with transaction(parts.database) as session:
        for registration_id in left:
            subject = str(registration_id)
            again = failures.reason_of(session, FETCH, subject) == DIED
            at = parts.now() - REST  # tried again at once
            failures.record(session, project_id, FETCH, subject, DIED, again, at)
    for note in left.values():
        note.unlink(missing_ok=True)


def collect(parts: Parts) -> dict[str, int]:
    """Remove stored files that no row names: left by a kill or a refusal, and uploads that were fetched."""
    before = parts.now() - GRACE
    with reading(parts.database) as session:
        keep = images.content_hashes(session) | overlays.wanted(session)
        uploads = {address.removeprefix(UPLOAD) for address in registrations.waiting_uploads(session)}
    return {"removed": parts.images.collect(keep, uploads=uploads, before=before)}


def _look_into(parts: Parts, project: Project, source: Source) -> dict[str, int]:
    """Read one source and note how that went; of one that cannot be read nothing counts as gone."""
    started = parts.now()
    try:
        found = read_source(parts, project, source)
    except Unavailable as error:  # it is due again as soon as its place has rested
        places_of(parts).failed(source.address)
        with transaction(parts.database) as session:
            reason = f"{source.address}: {error.message}"
            failures.wait(session, project.id, SOURCE, str(source.id), reason, parts.now())
    except Exception as error:  # a source that is wrong in a way that nobody thought of leaves the others alone
        if outage_of(error) is not None:
            raise  # our own database
        reason = error.message if isinstance(error, HardcaseError) else f"{type(error).__name__}: {error}"
        log.warning("a source cannot be read", source=source.id, project=project.id, exc_info=error)
        _note_failure(parts, project.id, source, reason)
    else:
        places_of(parts).answered(source.address)
        with transaction(parts.database) as session:
            sources.note_read(session, source.id, started)
            failures.clear(session, SOURCE, str(source.id))
        return found
    return {"new": 0, "changed": 0, "gone": 0}


def _note_failure(parts: Parts, project_id: ProjectId, source: Source, reason: str) -> None:
    """A source that cannot be used is read again when it is due."""
    with transaction(parts.database) as session:
        sources.note_read(session, source.id, parts.now())
        failures.record(session, project_id, SOURCE, str(source.id), f"{source.address}: {reason}", False, parts.now())


def _write(
    parts: Parts, project: Project, found: Sequence[Waiting], done: Sequence[NewImage], failed: Sequence[Failed]
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
            subject = str(one.registration_id)
            if one.away:
                failures.wait(session, project.id, FETCH, subject, one.reason, now)
            else:
                failures.record(session, project.id, FETCH, subject, one.reason, one.final, now)


def _fetch_again(parts: Parts, done: Sequence[NewImage], since: int) -> int:
    """Have those wait again whose bytes another project's deletion removed before their rows named them; how many."""
    with reading(parts.database) as session:
        if not deletions.has_worked(session, since):
            return 0
    gone = [one.registration_id for one in done if not parts.images.has(Stored.PICTURE, one.content_hash)]
    if gone:
        with transaction(parts.database) as session:
            images.fetch_again(session, gone)
    return len(gone)


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
