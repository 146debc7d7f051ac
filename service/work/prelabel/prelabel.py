"""One step of prelabel: the first engine labels pending images, and images whose vectors are known get their groups.

In: the images of a project that were fetched. Out: vectors in the store, then in one transaction the rows that name
them and the prelabels; then near-duplicate groups in the order of image ids. Doing the step again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from db.repositories.engines import engines_in_force, prelabels
from db.repositories.engines.engines_in_force import Stage
from db.repositories.engines.prelabels import GroupedImage, PendingImage, PlacedImage, UngroupedImage
from db.repositories.projects import projects
from db.repositories.running import failures
from db.session import reading, transaction
from labeling.adapters.storage.embedding_store import MissingVectors
from labeling.ingest.groups import Fingerprints
from labeling.ingest.groups import place as place_newcomers
from labeling.ingest.hashing import text_key
from labeling.prelabel.engine import Engine, Item
from labeling.project import Project
from labeling.select.query.stream import position_of
from labeling.types import ProjectId
from service.work.prelabel.inference import InferenceResult, open_images, run_inference
from service.work.wiring import Parts

STEP = "prelabel"
GROUPED_AT_ONCE = 256
"""Grouping compares new images with all others, so it waits for this many, or until no image is pending."""


def prelabel_batch(parts: Parts, project_id: ProjectId, size: int = 64) -> dict[str, int]:
    """Prelabel the next `size` images; `left` counts what is still to do, up to one batch."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
    engine = parts.engine_for(project)
    result = InferenceResult()
    pictures = open_images(parts, _pending(parts, project_id, engine, size), result)
    items = [(image, Item(picture, image.text, key=image.content_hash)) for image, picture in pictures]
    run_inference(engine, items, len(project.config.labels), project.config_version, result)
    _write(parts, project, engine, result)
    if result.away is not None:
        raise result.away
    left = len(_pending(parts, project_id, engine, size))
    placed, waiting = _group(parts, project, engine, hurry=not left)
    failed = len(result.failed) + len(result.final) + len(result.refused)
    return {"done": len(result.outputs) or placed, "failed": failed, "left": left + waiting}


def _pending(parts: Parts, project_id: ProjectId, engine: Engine, limit: int) -> list[PendingImage]:
    with reading(parts.database) as session:
        return prelabels.pending(
            session, project_id, revision=engine.revision, encoder=engine.image_encoder, limit=limit
        )


def _write(parts: Parts, project: Project, engine: Engine, result: InferenceResult) -> None:
    """Vectors first, then the rows that name them: where there is a row, there is its vector."""
    outputs = result.outputs
    hashes = [one.image.content_hash for one in outputs]
    texts = [(text_key(one.image.text or ""), one.text_vector) for one in outputs if one.text_vector is not None]
    parts.failpoint("prelabel.before_vectors")
    if outputs:
        parts.embeddings.put(engine.image_encoder, hashes, np.stack([one.image_vector for one in outputs]))
    if texts:
        parts.embeddings.put(engine.text_encoder, [key for key, _ in texts], np.stack([text for _, text in texts]))
    parts.failpoint("prelabel.before_write")
    now = parts.now()
    with transaction(parts.database) as session:
        engines_in_force.note(session, project.id, Stage(0, project.config.policy.engine, engine.revision), now)
        prelabels.name_vectors(session, engine.image_encoder, hashes, now)
        prelabels.name_vectors(session, engine.text_encoder, [key for key, _ in texts], now)
        prelabels.record(session, [(one.image.id, one.prelabel) for one in outputs], now)
        failures.clear(session, STEP, *(str(one.image.id) for one in outputs))
        for reasons, final in ((result.failed, False), (result.final | result.refused, True)):
            for image_id, reason in reasons.items():
                failures.record(session, project.id, STEP, str(image_id), reason, final, now)
    parts.failpoint("prelabel.after_write")


def _group(parts: Parts, project: Project, engine: Engine, *, hurry: bool) -> tuple[int, int]:
    """Give groups to images that have none; returns how many got one, and how many still wait."""
    with reading(parts.database) as session:
        new = prelabels.ungrouped(session, project.id, encoder=engine.image_encoder, limit=GROUPED_AT_ONCE + 1)
        more = len(new) > GROUPED_AT_ONCE
        new = new[:GROUPED_AT_ONCE]
        if not new or not (hurry or more):
            return 0, len(new)
        known = prelabels.grouped(session, project.id, encoder=engine.image_encoder)
    try:
        fingerprints = _fingerprints(parts, engine, new), _fingerprints(parts, engine, known)
    except MissingVectors as missing:  # their images are pending from now on, and prelabelled again
        with transaction(parts.database) as session:
            prelabels.forget_vectors(session, engine.image_encoder, missing.keys)
        return 0, len(new)
    moves = _place(project, known, new, *fingerprints)
    with transaction(parts.database) as session:
        prelabels.place(session, project.id, moves, parts.now())
    return len(moves), int(more)


def _place(
    project: Project,
    known: Sequence[GroupedImage],
    new: Sequence[UngroupedImage],
    theirs: Fingerprints,
    before: Fingerprints,
) -> list[PlacedImage]:
    """The groups of the new images, and where these stand in the random stream."""
    founders = place_newcomers(theirs, before, [image.founder for image in known])
    return [PlacedImage(i.id, f, position_of(f, project.salt)) for i, f in zip(new, founders, strict=True)]


def _fingerprints(
    parts: Parts, engine: Engine, images: Sequence[GroupedImage] | Sequence[UngroupedImage]
) -> Fingerprints:
    keys = [image.content_hash for image in images]
    vectors = parts.embeddings.matrix(engine.image_encoder, keys)
    return Fingerprints(keys, [image.perceptual_hash for image in images], vectors)
