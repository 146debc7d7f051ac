"""Fingerprints of images that have none yet, and those of a project's grouped images held for searching.

In: a project. Out: rows of fingerprints, made from the stored images; an index in memory that is made anew when it
lacks an image. Making them may be stopped and goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.orm import Session

from db.repositories.images import groups
from db.session import reading, transaction
from labeling.errors import Invalid, NotFound
from labeling.ingest.fingerprints import Fingerprints, fingerprint
from labeling.ingest.twin_index import TwinIndex
from labeling.prelabel.encoders.decode import open_shown
from labeling.slices import batches
from labeling.types import ImageId, ProjectId
from service.logs import get_logger
from service.work.wiring import Parts

__all__ = ["KnownImages", "fingerprint_batch", "fingerprints_of", "known_images"]

READERS = 4
ROWS_AT_ONCE = 5_000
log = get_logger(__name__)


class KnownImages:
    """The grouped images of one project in an index; row i is the image `ids[i]`. Used by one job at a time.

    `stale`: fingerprints were made of images that it holds as having none.
    """

    def __init__(self) -> None:
        self.index = TwinIndex()
        self.ids: list[ImageId] = []
        self.stale = False

    def clear(self) -> None:
        self.index, self.ids, self.stale = TwinIndex(), [], False

    def add(self, ids: Sequence[ImageId], images: Fingerprints) -> None:
        self.index.add(images)
        self.ids.extend(ids)


def known_images(parts: Parts, project_id: ProjectId, session: Session) -> KnownImages:
    """Those of a project, kept in memory; read anew where another process has grouped some."""
    known = _held(parts, project_id)
    if known.stale or len(known.ids) != groups.count_grouped(session, project_id):
        known.clear()
        for some in batches(groups.grouped(session, project_id), ROWS_AT_ONCE):
            known.add([image_id for image_id, _ in some], Fingerprints.read([content for _, content in some]))
    return known


def fingerprint_batch(parts: Parts, project_id: ProjectId, size: int = 256) -> dict[str, int]:
    """Make the next `size` fingerprints of grouped images that have none; `left` is 1 while more lack one."""
    with reading(parts.database) as session:
        lacking = groups.without_fingerprint(session, project_id, size + 1)
    made = _make(parts, lacking[:size])
    if made:
        _held(parts, project_id).stale = True  # another job may be searching it now
    return {"done": made, "failed": 0, "left": int(len(lacking) > size)}


def fingerprints_of(parts: Parts, content_hashes: Sequence[str]) -> Fingerprints:
    """Those of some images, in order; missing ones are made and kept."""
    with reading(parts.database) as session:
        there = groups.fingerprints(session, content_hashes)
    lacking = [one for one in content_hashes if one not in there]
    if lacking:
        _make(parts, lacking)
        with reading(parts.database) as session:
            there = groups.fingerprints(session, content_hashes)
    return Fingerprints.read([there[one] for one in content_hashes])


def _held(parts: Parts, project_id: ProjectId) -> KnownImages:
    return parts.memo.get(("near-duplicates", project_id), "", KnownImages)


def _make(parts: Parts, content_hashes: Iterable[str]) -> int:
    wanted = list(dict.fromkeys(content_hashes))
    with ThreadPoolExecutor(READERS) as pool:
        made = dict(zip(wanted, pool.map(lambda one: _of_stored(parts, one), wanted), strict=True))
    for some in batches(made.items(), ROWS_AT_ONCE):
        with transaction(parts.database) as session:
            groups.keep_fingerprints(session, dict(some))
    return len(made)


def _of_stored(parts: Parts, content_hash: str) -> bytes:
    """An image that cannot be read is near to nothing; `prelabel` reports it."""
    try:
        return fingerprint(open_shown(parts.images.shown(content_hash)[0]))
    except (Invalid, NotFound) as error:
        log.warning("image has no fingerprint", content_hash=content_hash, reason=error.message)
        return b""
