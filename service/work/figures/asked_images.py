"""Counts what came of images that people were asked about: how often they keep a pre-label, and the hardest ones.

In: the facts. Out: two figures.
"""

from __future__ import annotations

import numpy as np

from db.views.figures import Asked
from labeling.project import Project
from labeling.quality.annotators.acceptance import Acceptance as OfClass
from labeling.quality.annotators.acceptance import acceptance
from labeling.select.strategies.uncertainty import margin
from service.figures.accuracy import Acceptance, Guess, Hardest, HardImage, OneClass
from service.figures.estimates import estimate
from service.work.figures.facts import Facts
from service.work.pool.predictions import ImagePrediction

__all__ = ["acceptance_of", "hardest_of"]

HARDEST = 24


def acceptance_of(facts: Facts) -> Acceptance:
    """How often people keep the pre-label that they are shown, in all and by class."""
    rows = acceptance(facts.shown, facts.project.config.classes)
    shown, kept = sum(row.shown for row in rows), sum(row.kept for row in rows)
    everything = acceptance([("all", shown, kept)], ["all"])[0]
    return Acceptance(all=_accepted(everything), classes=[_accepted(row) for row in rows])


def _accepted(row: OfClass) -> OneClass:
    return OneClass(label=row.label, shown=row.shown, kept=row.kept, **estimate(row.share, "share"))


def hardest_of(facts: Facts) -> Hardest:
    """The images that the champion (before it, the engine) doubts most, of those that were asked last."""
    found = [(one, facts.current[one.image_id]) for one in facts.asked if one.image_id in facts.current]
    predicted = [(one, current) for one, current in found if current.shown]
    doubts = margin(np.array([current.shown for _, current in predicted])) if predicted else np.empty(0)
    order = np.lexsort((np.arange(len(doubts)), -doubts))[:HARDEST]
    return Hardest([_hard(facts.project, predicted[i][0], predicted[i][1], float(doubts[i])) for i in order])


def _hard(project: Project, one: Asked, current: ImagePrediction, doubt: float) -> HardImage:
    return HardImage(
        image_id=one.image_id,
        content_hash=one.content_hash,
        review_id=one.review_id,
        kind=one.kind,
        ls_task_id=one.ls_task_id,
        doubt=round(doubt, 4),
        prelabel=_best(project, current.by_engine),
        champion=_best(project, current.champion),
        answer=one.label,
    )


def _best(project: Project, probs: list[float]) -> Guess | None:
    if not probs:
        return None
    best = int(np.argmax(probs))
    return Guess(project.config.classes[best], round(float(probs[best]), 4))
