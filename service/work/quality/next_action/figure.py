"""The figure `next_action` from a ranking: a row for each action, and the first images with their reasons.

In: candidates in the order of the ranking. Out: the figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.views import label_audit
from labeling.project import Project
from labeling.review.next_action import ACTIONS, HOUR_S, Action, Candidates
from labeling.types import ImageId
from service.figures.next_action import NextAction, NextImage, OneAction
from service.work.pool.pool import Pool
from service.work.quality.answered_images import AnsweredImages

__all__ = ["Found", "Reasons", "figure_of"]

BEST = 100
"""So many of the best of an action are summed up, and so many images are listed."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A ranking: `rows` and the engines' `places` in its order (0: people), and what the figure says beside it.

    `engines` and `notes` are by place.
    """

    rows: Candidates
    places: NDArray[np.int64]
    engines: Mapping[int, str]
    groups: int
    accept: int
    expected_wrong: float
    notes: Mapping[int, str]
    seconds: float
    timed: int
    used_error: float
    pairs: int
    label_teaches: float
    new_answer: float
    worth_asking_twice: int


@dataclass(frozen=True, slots=True, eq=False)
class Reasons:
    """What is said of each image; `probs` (N, K) are of the pool's rows."""

    project: Project
    pool: Pool
    probs: NDArray[np.float64]
    answered: AnsweredImages

    def of(self, action: Action, image: ImageId) -> str:
        """Why this action would correct something."""
        if action is Action.ADJUDICATE:
            one = self.answered.standing.get(image)
            return "people disagree" if one is not None and one.said else "nobody could tell"
        if action is Action.RE_REVIEW:
            return "a classifier that never saw its label contradicts it"
        if action is Action.SECOND:
            [said] = self.answered.standing[image].said.values()
            return f"one person said {said}; {self._before(image)}"
        row = int(self.pool.rows_of(np.array([image], np.int64))[0])
        return self._predicted(self.probs[row]) if row >= 0 else "nothing is predicted of it"

    def _before(self, image: ImageId) -> str:
        probs = self.answered.predicted.get(image, ())
        return self._predicted(np.array(probs)) if len(probs) else "nothing was predicted of it"

    def _predicted(self, probs: NDArray[np.float64]) -> str:
        best = int(probs.argmax())
        return f"predicted {self.project.config.classes[best]} with {100 * probs[best]:.0f} %"


def figure_of(session: Session, project: Project, found: Found, reasons: Reasons) -> NextAction:
    """The figure."""
    stop, budget = project.config.policy.stop, project.config.policy.budget
    return NextAction(
        pool=found.groups,
        expected_wrong=found.expected_wrong,
        accept=found.accept,
        actions=_actions(found, stop.wage),
        first=_first(session, found, reasons, stop.wage),
        wage=stop.wage,
        currency=budget.currency if budget else "USD",
        seconds=round(found.seconds, 1),
        timed=found.timed,
        used_error=found.used_error,
        pairs=found.pairs,
        label_teaches=found.label_teaches,
        new_answer=found.new_answer,
        worth_asking_twice=found.worth_asking_twice,
    )


def _actions(found: Found, wage: float) -> list[OneAction]:
    """A row for each engine, and for each action that people do."""
    kinds = [(Action.ENGINE, place) for place in sorted(found.engines)]
    kinds += [(one, 0) for one in Action if one not in (Action.ENGINE, Action.ACCEPT)]
    return [_action(found, action, place, wage) for action, place in kinds]


def _action(found: Found, action: Action, place: int, wage: float) -> OneAction:
    at = np.flatnonzero((found.rows.actions == ACTIONS.index(action)) & (found.places == place))
    best = found.rows.take(at[:BEST])
    seconds, money = float(best.seconds.sum()), float(best.price(wage).sum()) if wage > 0 else None
    teaches = float(best.teaches.sum())
    corrects = float(best.gain.sum()) - teaches
    n = len(best)
    return OneAction(
        action=action.value,
        engine=found.engines.get(place, ""),
        images=len(at),
        seconds=round(seconds / n, 1) if n else None,
        money=round(money / n, 6) if n and money is not None else None,
        best=n,
        corrects=round(corrects, 2) if n else None,
        teaches=round(teaches, 2) if n else None,
        per_hour=round((corrects + teaches) / seconds * HOUR_S, 1) if seconds else None,
        per_money=round((corrects + teaches) / money, 2) if money else None,
        note=found.notes.get(place, ""),
    )


def _first(session: Session, found: Found, reasons: Reasons, wage: float) -> list[NextImage]:
    best = found.rows.take(np.arange(min(BEST, len(found.rows))))
    ids = [ImageId(one) for one in best.image_ids.tolist()]
    places, prices = label_audit.places(session, ids), best.price(wage)
    return [
        NextImage(
            image_id=image,
            content_hash=places[image].content_hash,
            action=ACTIONS[best.actions[at]].value,
            engine=found.engines.get(int(found.places[at]), ""),
            wrong_now=round(float(best.wrong_now[at]), 4),
            wrong_after=round(float(best.wrong_after[at]), 4),
            corrects=round(float(best.gain[at]), 4),
            seconds=round(float(best.seconds[at]), 1),
            money=round(float(prices[at]), 6) if wage > 0 else None,
            reason=reasons.of(ACTIONS[best.actions[at]], image),
            ls_task_id=places[image].ls_task_id,
        )
        for at, image in enumerate(ids)
    ]
