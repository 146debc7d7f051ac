"""One step of prelabel: an engine looks at pending images, and images whose vectors are known get their groups.

In: the images of a project that were fetched. Out: vectors in the store, then in one transaction the rows that name
them and the prelabels; then near-duplicate groups in the order of image ids. Doing the step again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from db.repositories import failures, prelabels, projects
from db.repositories.prelabels import GroupedImage, PendingImage, PlacedImage, UngroupedImage
from db.session import reading, transaction
from labeling.adapters.embedding_store import MissingVectors
from labeling.errors import Invalid, NotFound
from labeling.ingest.groups import Looks, Placement
from labeling.ingest.groups import place as place_newcomers
from labeling.ingest.hashing import text_key
from labeling.prelabel.engine import Engine, Item, Vectors, check_look
from labeling.prelabel.reading import open_shown
from labeling.types import ImageId, Prelabel, Project, ProjectId
from service.work.wiring import Parts

__all__ = ["prelabel_batch"]

STEP = "prelabel"
GROUPED_AT_ONCE = 256
"""Grouping compares newcomers with everything, so it waits until they are many, or until no image is pending."""
READERS = 4

Failures = dict[ImageId, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """One image with what the engine made of it."""

    image: PendingImage
    prelabel: Prelabel
    image_vector: Vectors
    text_vector: Vectors | None


def prelabel_batch(parts: Parts, project_id: ProjectId, size: int = 64) -> dict[str, int]:
    """Prelabel the next `size` images; `left` counts what is still to do, up to one batch."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
    engine = parts.engine_for(project)
    batch = _pending(parts, project_id, engine, size)
    items, failed = _open_all(parts, batch)
    seen = _look(engine, items, len(project.config.labels), failed)
    _write(parts, project_id, engine, seen, failed)
    left = len(_pending(parts, project_id, engine, size))
    placed, waiting = _group(parts, project, engine, hurry=not left)
    return {"done": len(seen) or placed, "failed": len(failed), "left": left + waiting}


def _pending(parts: Parts, project_id: ProjectId, engine: Engine, limit: int) -> list[PendingImage]:
    with reading(parts.database) as session:
        return prelabels.pending(
            session, project_id, revision=engine.revision, encoder=engine.image_encoder, limit=limit
        )


def _open_all(parts: Parts, batch: Sequence[PendingImage]) -> tuple[list[tuple[PendingImage, Item]], Failures]:
    def open_one(image: PendingImage) -> Item | str:
        try:
            data, _ = parts.images.shown(image.content_hash)
            return Item(open_shown(data), image.text)
        except (Invalid, NotFound) as error:
            return error.message

    with ThreadPoolExecutor(READERS) as pool:
        opened = list(zip(batch, pool.map(open_one, batch), strict=True))
    items = [(image, found) for image, found in opened if isinstance(found, Item)]
    return items, {image.id: found for image, found in opened if isinstance(found, str)}


def _look(engine: Engine, items: Sequence[tuple[PendingImage, Item]], classes: int, failed: Failures) -> list[_Seen]:
    """Look at all at once; if that fails, at each alone, so that one bad image costs only itself."""
    if not items:
        return []
    try:
        look = check_look(engine.look([item for _, item in items]), items=len(items), classes=classes)
    except (Invalid, ValueError, RuntimeError) as error:
        if len(items) > 1:
            return [seen for item in items for seen in _look(engine, [item], classes, failed)]
        failed[items[0][0].id] = f"{type(error).__name__}: {error}"[:500]
        return []
    return [
        _Seen(image, *seen)
        for (image, _), *seen in zip(items, look.prelabels, look.image_vectors, look.text_vectors, strict=True)
    ]


def _write(parts: Parts, project_id: ProjectId, engine: Engine, seen: Sequence[_Seen], failed: Failures) -> None:
    """Vectors first, then the rows that name them: whoever finds a row finds its vector."""
    hashes = [one.image.content_hash for one in seen]
    texts = [(text_key(one.image.text or ""), one.text_vector) for one in seen if one.text_vector is not None]
    parts.failpoint("prelabel.before_vectors")
    if seen:
        parts.embeddings.put(engine.image_encoder, hashes, np.stack([one.image_vector for one in seen]))
    if texts:
        parts.embeddings.put(engine.text_encoder, [key for key, _ in texts], np.stack([text for _, text in texts]))
    parts.failpoint("prelabel.before_write")
    now = parts.now()
    with transaction(parts.database) as session:
        prelabels.name_vectors(session, engine.image_encoder, hashes, now)
        prelabels.name_vectors(session, engine.text_encoder, [key for key, _ in texts], now)
        prelabels.record(session, [(one.image.id, one.prelabel) for one in seen], now)
        for one in seen:
            failures.clear(session, STEP, str(one.image.id))
        for image_id, reason in failed.items():
            failures.record(session, project_id, STEP, str(image_id), reason, False, now)
    parts.failpoint("prelabel.after_write")


def _group(parts: Parts, project: Project, engine: Engine, *, hurry: bool) -> tuple[int, int]:
    """Give groups to those who wait for one; returns how many did, and how many still wait."""
    with reading(parts.database) as session:
        new = prelabels.ungrouped(session, project.id, encoder=engine.image_encoder, limit=GROUPED_AT_ONCE + 1)
        more = len(new) > GROUPED_AT_ONCE
        new = new[:GROUPED_AT_ONCE]
        if not new or not (hurry or more):
            return 0, len(new)
        known = prelabels.grouped(session, project.id, encoder=engine.image_encoder)
    keys = [image.content_hash for image in known] + [image.content_hash for image in new]
    try:
        vectors = parts.embeddings.matrix(engine.image_encoder, keys)
    except MissingVectors as missing:  # their images are pending from now on, and looked at again
        with transaction(parts.database) as session:
            prelabels.forget_vectors(session, engine.image_encoder, missing.keys)
        return 0, len(new)
    moves = _place(project, known, new, vectors)
    with transaction(parts.database) as session:
        prelabels.place(session, project.id, moves, parts.now())
    return len(moves), int(more)


def _place(
    project: Project, known: Sequence[GroupedImage], new: Sequence[UngroupedImage], vectors: Vectors
) -> list[PlacedImage]:
    """Where the newcomers are to stand; `vectors` (N + n, D) are those of the known images, then theirs."""
    placements = place_newcomers(
        _looks(new, vectors[len(known) :]),
        _looks(known, vectors[: len(known)]),
        [Placement(image.founder, image.side, image.bridge) for image in known],
        salt=project.salt,
        holdout_share=project.config.policy.holdout_share,
    )
    return [PlacedImage(i.id, p.founder, p.side, p.bridge) for i, p in zip(new, placements, strict=True)]


def _looks(images: Sequence[GroupedImage] | Sequence[UngroupedImage], vectors: Vectors) -> Looks:
    return Looks([image.content_hash for image in images], [image.perceptual_hash for image in images], vectors)
