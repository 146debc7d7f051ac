"""Predict every image with the champion: one array file, and rows for what was asked or labelled.

Predictions follow the champion: after a promotion or a rollback, and when new images are ready, the whole project is
predicted and the images that were asked or labelled get their evidence rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from db.repositories.projects import projects
from db.repositories.queries.pool import count_ready, state_of_pool
from db.repositories.versions import predictions, versions
from db.repositories.versions.versions import Version
from db.session import reading, transaction
from labeling.adapters.storage.prediction_files import Predictions, keep_only, write_predictions
from labeling.learn.classifier import Classifier
from labeling.learn.training import predict_probs
from labeling.project import Project
from labeling.review.kinds import Use, may_use
from labeling.slices import slices
from labeling.types import ProjectId, ReviewKind
from service.labels.machine_labels import with_bias
from service.logs import get_logger
from service.work.pool.champion import stored_predictions, version_predictions
from service.work.pool.pool import Pool, load_pool
from service.work.pool.saved_versions import load_classifier, pin_of_card
from service.work.wiring import Parts

__all__ = [
    "predict",
]


log = get_logger(__name__)

EVIDENCE_ROWS_A_WRITE = 500
MEASURED = tuple(kind for kind in ReviewKind if not may_use(kind, Use.TRAIN))
"""Kinds of review whose answers measure versions, engines or people."""


def predict(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Predict the whole project where the champion's file is missing or stale; {"rows": how many were predicted}."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        champion = versions.champion(session, project_id)
        if champion is None:
            return {"rows": 0}
    current = _fresh_predictions(parts, project, champion)
    rows = 0
    if current is None:
        current = _predict_all(parts, project, champion)
        rows = len(current.image_ids)
        with transaction(parts.database) as session:
            predictions.thin(session, project_id, champion.id, MEASURED)
    _add_evidence(parts, project_id, champion, current)
    return {"rows": rows}


def _fresh_predictions(parts: Parts, project: Project, champion: Version) -> Predictions | None:
    """The champion's file, unless images became ready since, it was promoted since, or the file is damaged."""
    with reading(parts.database) as session:
        file = predictions.prediction_file(session, champion.id)
        revision = champion.report["engine_revision"]
        ready = parts.memo.get(
            ("ready", project.id),
            (revision, state_of_pool(session, project.id, revision)),
            lambda: count_ready(session, project.id, revision),
        )
        promotion = versions.current_promotion(session, project.id)
    if file is None or promotion is None or file.rows != ready or file.created_at < promotion.created_at:
        return None
    return stored_predictions(parts, project.id, file)


def _predict_all(parts: Parts, project: Project, champion: Version) -> Predictions:
    classifier, card = load_classifier(parts.settings.home, champion)
    pool, now = load_pool(parts, project, pin_of_card(card)), parts.now()
    probs = _said_once(parts, champion, classifier, pool)
    parts.failpoint("predict.before_file")
    folder = f"predictions/{project.id}/{champion.number}"
    written = write_predictions(parts.settings.home, folder, pool.image_ids, probs)
    parts.failpoint("predict.before_write")
    with transaction(parts.database) as session:
        file = predictions.PredictionFile(written.path, written.rows, written.sha256, now)
        predictions.keep_prediction_file(session, champion.id, file)
    parts.failpoint("predict.after_write")
    keep_only(parts.settings.home, written.path)
    log.info("predicted", project=project.id, version=champion.number, rows=written.rows)
    return Predictions(pool.image_ids, probs.astype(np.float32))


def _said_once(parts: Parts, version: Version, classifier: Classifier, pool: Pool) -> NDArray[np.floating]:
    """What the version says of every image: as it said before where it has, so that a query can be drawn again.

    The same row in another batch may come out differently in its last bit.
    """
    before = version_predictions(parts, version)
    if before is None:
        return predict_probs(classifier, pool.inputs)
    rows = before.rows_of(pool.image_ids)
    probs = np.array(before.own[np.maximum(rows, 0)], np.float32)
    new = np.flatnonzero(rows < 0)
    if len(new):
        probs[new] = predict_probs(classifier, pool.inputs.take(new))
    return probs


def _add_evidence(parts: Parts, project_id: ProjectId, champion: Version, current: Predictions) -> None:
    """Rows for what people are asked about and what judges versions; an image that is not ready gets its row later."""
    with reading(parts.database) as session:
        made_of = (champion.id, predictions.evidence_fingerprint(session, project_id))
        missing = parts.memo.get(
            ("without evidence", project_id),
            made_of,
            lambda: predictions.images_without_evidence(session, project_id, champion.id, MEASURED),
        )
    rows = np.flatnonzero(np.isin(current.image_ids, np.array(missing, np.int64)))
    for some in slices(len(rows), EVIDENCE_ROWS_A_WRITE):
        shown = with_bias(current.probs[rows[some]], champion.report)
        pairs = zip(current.image_ids[rows[some]].tolist(), shown.tolist(), strict=True)
        with transaction(parts.database) as session:
            predictions.add_evidence(session, champion.id, pairs, parts.now())
