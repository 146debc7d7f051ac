"""Which images an engine still has to process in a project: those that are known, and an estimate of the others.

In: a dry run of one of its engines. Out: the images that it would process today, and the expected count. The rule is
that of the escalation: images of the pool side without a label whose prediction is uncertain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.repositories.engines import engines_in_force
from db.repositories.engines.prelabels import PendingImage
from db.repositories.labels import labels
from db.session import reading
from db.views import engine_stats
from labeling.prelabel.escalation import named, who_goes_on
from labeling.project import EngineUse, Project
from labeling.quality.forecast import Count
from labeling.types import ImageId, Prelabel
from service.work.engine_reports.dry_run import DryRun
from service.work.pool.pool import Pool
from service.work.pool.predictions import CurrentPredictions


def work_left(run: DryRun, tried: Mapping[ImageId, Prelabel]) -> tuple[list[PendingImage], Count]:
    """The images to choose a pilot from, and how many there will be; `tried` are the first engine's pilot answers."""
    project = run.project
    with reading(run.parts.database) as session:
        left = engine_stats.images(session, project.id, not_by=run.engine.revision)
        first = engines_in_force.first_revision(session, project.id)
        fresh = engine_stats.images(session, project.id, not_by=first or "")
        labelled = [label.image_id for label in labels.current(session, project.id)]
    if run.use is None or run.place > len(project.config.policy.escalation):
        return left, Count(sure=len(left))
    if run.pool is None or run.predictions is None:
        return left, _from_pilot(project, run.use, len(left), tried)
    unlabelled = ~np.isin(run.pool.image_ids, np.array(labelled, np.int64))
    count, rows = _Escalation(project, run.pool, run.predictions, unlabelled).count(run.place, fresh=len(fresh))
    wanted = {int(image) for image in run.pool.image_ids[rows]}
    return [image for image in left if image.id in wanted] or fresh, count


def _from_pilot(project: Project, use: EngineUse, left: int, tried: Mapping[ImageId, Prelabel]) -> Count:
    """Before the first engine has run: from its pilot answers."""
    probs = [prelabel.probs for prelabel in tried.values() if prelabel.probs]
    if not probs:
        return Count(sure=0, open=left)
    rows = np.array(probs)
    doubtful = len(who_goes_on(rows, named(rows)[:, None], use.below_margin))
    return Count(0, left, hits=doubtful, observed=len(rows))


@dataclass(frozen=True, slots=True)
class _Escalation:
    """What decides which images an engine gets: the pool, its current predictions, the unlabelled images (N,)."""

    project: Project
    pool: Pool
    predictions: CurrentPredictions
    unlabelled: NDArray[np.bool_]

    def count(self, place: int, *, fresh: int) -> tuple[Count, NDArray[np.bool_]]:
        """How many images this place gets, and a mask (N,) of those that it gets already."""
        waiting = np.zeros(len(self.pool), bool)  # for an engine before this one, whose answer is not known yet
        judged = self.unlabelled.copy() if place == 1 else np.zeros(len(self.pool), bool)
        for earlier in range(1, place):
            answered = self._answered(earlier)
            waiting |= self._gets(earlier) & ~answered
            judged |= self.unlabelled & answered
        gets = self._gets(place)
        sure = gets & ~self._answered(place) & ~waiting
        hits, others = int((gets & judged).sum()), int(waiting.sum()) + fresh
        return Count(int(sure.sum()), others, hits=hits, observed=int(judged.sum())), sure

    def _gets(self, place: int) -> NDArray[np.bool_]:
        use = self.project.config.policy.escalation[place - 1]
        rows = who_goes_on(self.predictions.before(place), self.predictions.votes(place), use.below_margin)
        return np.isin(np.arange(len(self.pool)), rows) & self.unlabelled

    def _answered(self, place: int) -> NDArray[np.bool_]:
        answered = [one.answered for one in self.predictions.engines if one.stage.place == place]
        return answered[0] if answered else np.zeros(len(self.pool), bool)
