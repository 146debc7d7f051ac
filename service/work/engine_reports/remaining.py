"""Which images an engine still has to look at in a project: those that are known, and a share of those that are not.

In: a project and one of its engines. Out: the images that it would look at today, and the count to reckon with. The
rule is that of the escalation: images of the pool side that nobody has labelled, and about which doubt is left.
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
from labeling.prelabel.engine import Engine
from labeling.prelabel.escalation import named, who_goes_on
from labeling.project import EngineUse, Project
from labeling.quality.forecast import Count
from labeling.types import ImageId, Prelabel
from service.work.engine_reports.dry_run import place_of, use_of
from service.work.pool.pool import Pool, load_pool
from service.work.pool.predictions import CurrentPredictions, current_predictions
from service.work.wiring import Parts


@dataclass(frozen=True, slots=True)
class WorkLeft:
    """`images` to draw a pilot from, and how many there will be."""

    images: list[PendingImage]
    count: Count


def work_left(parts: Parts, project: Project, name: str, engine: Engine, tried: Mapping[ImageId, Prelabel]) -> WorkLeft:
    """What this engine has to do; `tried` is what the first engine said just now of some images."""
    with reading(parts.database) as session:
        left = engine_stats.images(session, project.id, not_by=engine.revision)
        first = engines_in_force.first_revision(session, project.id)
        fresh = engine_stats.images(session, project.id, not_by=first or "")
        labelled = [label.image_id for label in labels.current(session, project.id)]
    use, place = use_of(project, name), place_of(project, name)
    if use is None or place > len(project.config.policy.escalation):
        return WorkLeft(left, Count(sure=len(left)))
    pool = load_pool(parts, project)
    if not len(pool):
        return WorkLeft(left, _from_pilot(project, use, len(left), tried))
    current = current_predictions(parts, project, pool)
    unlabelled = ~np.isin(pool.image_ids, np.array(labelled, np.int64))
    turn = _Turn(project, pool, current, unlabelled)
    count, rows = turn.count(place, fresh=len(fresh))
    wanted = {int(image) for image in pool.image_ids[rows]}
    return WorkLeft([image for image in left if image.id in wanted] or fresh, count)


def _from_pilot(project: Project, use: EngineUse, left: int, tried: Mapping[ImageId, Prelabel]) -> Count:
    """Before the first engine has run: what it said of the pilot's images, less those that will be held out."""
    probs = [prelabel.probs for prelabel in tried.values() if prelabel.probs]
    if not probs:
        return Count(sure=0, open=left)
    rows = np.array(probs)
    doubtful = len(who_goes_on(rows, named(rows)[:, None], use.below_margin))
    return Count(0, left, hits=round(doubtful * (1 - project.config.policy.holdout_share)), seen=len(rows))


@dataclass(frozen=True, slots=True)
class _Turn:
    """What decides who goes on: the pool, what is predicted of it, and the images that nobody has labelled."""

    project: Project
    pool: Pool
    current: CurrentPredictions
    unlabelled: NDArray[np.bool_]

    def count(self, place: int, *, fresh: int) -> tuple[Count, NDArray[np.bool_]]:
        """How many images go on to this place, and the rows (N,) of those that do so already."""
        waiting = np.zeros(len(self.pool), bool)  # for an engine before this one, whose answer is not known yet
        heard = np.zeros(len(self.pool), bool)
        for earlier in range(1, place):
            waiting |= self._going(earlier) & ~self._spoke(earlier)
            heard |= self._spoke(earlier)
        going = self._going(place)
        sure = going & ~self._spoke(place) & ~waiting
        judged = self.unlabelled & (heard if place > 1 else np.ones(len(self.pool), bool))
        hits, seen = int((going & judged).sum()), int(judged.sum())
        return Count(int(sure.sum()), int(waiting.sum()) + fresh, hits=hits, seen=seen), sure

    def _going(self, place: int) -> NDArray[np.bool_]:
        use = self.project.config.policy.escalation[place - 1]
        rows = who_goes_on(self.current.before(place), self.current.votes(place), use.below_margin)
        going = np.zeros(len(self.pool), bool)
        going[rows] = True
        return going & self.unlabelled & ~self.pool.holdout

    def _spoke(self, place: int) -> NDArray[np.bool_]:
        answered = [one.answered for one in self.current.engines if one.stage.place == place]
        return answered[0] if answered else np.zeros(len(self.pool), bool)
