"""One step of prelabel: the first engine labels pending images, and images whose vectors are known get their groups.

In: the images of a project that were fetched. Out: vectors in the store, then in one transaction the rows that name
them and the prelabels; then near-duplicate groups in the order of image ids. Doing the step again changes nothing.
"""

from __future__ import annotations

import numpy as np

from db.repositories.engines import engines_in_force, prelabels
from db.repositories.engines.engines_in_force import Stage
from db.repositories.engines.prelabels import PendingImage
from db.repositories.projects import projects
from db.repositories.running import failures
from db.session import reading, transaction
from labeling.ingest.hashing import text_key
from labeling.prelabel.engine import Engine
from labeling.prelabel.picture_size import picture_size
from labeling.project import Project
from labeling.types import ProjectId
from service.work.grouping.new_images import group_new
from service.work.prelabel.inference import InferenceResult, item_of, open_images, run_inference
from service.work.wiring import Parts

STEP = "prelabel"


def prelabel_batch(parts: Parts, project_id: ProjectId, size: int = 64) -> dict[str, int]:
    """Prelabel the next `size` images; `left` counts what is still to do, up to one batch."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
    engine = parts.engine_for(project)
    result, pixels = InferenceResult(), picture_size(engine)
    size = pixels.at_once(size)
    pictures = open_images(parts, _pending(parts, project_id, engine, size), result, pixels)
    items = [(image, item_of(parts, image, picture)) for image, picture in pictures]
    run_inference(engine, items, len(project.config.labels), project.config_version, result)
    _write(parts, project, engine, result)
    if result.away is not None:
        raise result.away
    left = len(_pending(parts, project_id, engine, size))
    placed, waiting = group_new(parts, project, engine.image_encoder, hurry=not left)
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
