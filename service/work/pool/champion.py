"""What the champion predicts of a project's images: its arrays, read once and kept while the file stays the same.

In: a project. Out: the probabilities of every image that was ready when it predicted last, or None. A file that is gone
or damaged counts as nothing: the next `promote` job makes it again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.repositories.projects import projects
from db.repositories.versions import predictions, versions
from db.repositories.versions.predictions import PredictionFile
from db.repositories.versions.versions import Version
from db.session import reading
from labeling.adapters.storage.prediction_files import Predictions, read_predictions
from labeling.errors import BadArtifact, NotFound
from labeling.label_sets.columns import columns_of, in_columns
from labeling.project import ProjectConfig
from labeling.types import ProjectId
from service.labels.machine_labels import before_calibration, with_bias
from service.logs import get_logger
from service.work.wiring import Parts

__all__ = ["ChampionPredictions", "champion_predictions", "stored_predictions", "version_predictions"]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChampionPredictions:
    """What the champion predicts of N images; ids ascend.

    `fitted` (N, K) is at its fitted temperature; `shown` has its biases too, where it has any. Both are in the columns
    of the label set in force; `own` (N, J) is `fitted` in its own, and `columns` brings those to today's (None: the
    same).
    """

    version: Version
    image_ids: NDArray[np.int64]
    fitted: NDArray[np.floating]
    shown: NDArray[np.floating]
    own: NDArray[np.floating]
    columns: NDArray[np.float64] | None = None

    def ranking(self, rows: NDArray[np.int64]) -> NDArray[np.floating]:
        """The same of these rows, at the fixed temperature of its head."""
        return in_columns(before_calibration(self.own[rows], self.version.report), self.columns)

    def rows_of(self, image_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of these images; -1 for one that it has not predicted."""
        rows = np.minimum(np.searchsorted(self.image_ids, image_ids), len(self.image_ids) - 1)
        return np.where(self.image_ids[rows] == image_ids, rows, -1).astype(np.int64)


def champion_predictions(parts: Parts, project_id: ProjectId) -> ChampionPredictions | None:
    """What the champion predicts of every image that was ready when it predicted last; None while there is nothing.

    A file that is gone or damaged counts as nothing: it is made again by the next `promote` job.
    """
    with reading(parts.database) as session:
        champion = versions.champion(session, project_id)
    return None if champion is None else version_predictions(parts, champion)


def version_predictions(
    parts: Parts, version: Version, config: ProjectConfig | None = None
) -> ChampionPredictions | None:
    """What a version predicts that is the champion, or was, of every image that was ready when it predicted last.

    In the classes of this configuration; None: of the one in force.
    """
    with reading(parts.database) as session:
        file = predictions.prediction_file(session, version.id)
        config = config or projects.by_id(session, version.project_id).config
        columns = columns_of(version.classes, config)
    stored = None if file is None else stored_predictions(parts, version.project_id, file)
    if file is None or stored is None or not len(stored.image_ids):
        return None
    own, report = stored.probs, version.report
    if not report.get("bias") and columns is None:
        return ChampionPredictions(version, stored.image_ids, own, own, own)
    made_of = (version.id, file.sha256, None if columns is None else columns.tobytes())
    fitted, shown = parts.memo.get(
        ("shown", version.project_id),
        made_of,
        lambda: tuple(in_columns(one.astype(np.float32), columns) for one in (own, with_bias(own, report))),
    )
    return ChampionPredictions(version, stored.image_ids, fitted, shown, own, columns)


def stored_predictions(parts: Parts, project_id: ProjectId, file: PredictionFile) -> Predictions | None:
    """What this file of the project's champion holds, read once; None where it is gone or damaged."""
    try:
        found = (parts.settings.home / file.path).stat()
        return parts.memo.get(
            ("predictions", project_id),
            (file.sha256, found.st_mtime_ns, found.st_size),
            lambda: read_predictions(parts.settings.home, file.path, file.sha256),
        )
    except (FileNotFoundError, NotFound, BadArtifact) as error:
        log.warning("the champion's predictions are made again", project=project_id, reason=str(error))
        return None
