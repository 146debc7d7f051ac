"""The bounds of machine labels at one moment, beside the truth that a demo knows.

In: the figure as the worker counts it, what the champion says, and the true classes. Out: for each threshold the bound
that the page shows and the share that is really right. It only computes.
"""

from __future__ import annotations

import numpy as np

from service.demo.annotators import SimulatedAnswers
from service.demo.measured.moment import Moment
from service.demo.summary import MachineThreshold

__all__ = ["compare_machine_labels"]


def compare_machine_labels(moment: Moment, people: SimulatedAnswers) -> tuple[MachineThreshold, ...]:
    """Every threshold of the champion, the strictest first; none without a champion, or where nothing is left."""
    champion, classes = moment.predicted, moment.project.config.classes
    if champion is None:
        return ()
    rows = np.flatnonzero(~np.isin(champion.image_ids, list(moment.apart)))
    said = champion.said(rows)
    images = champion.image_ids[rows].tolist()
    true = [classes.index(people.true(moment.named[image].reference)) for image in images]
    right = said.positions == np.array(true, np.int64)
    return tuple(
        MachineThreshold(
            one.score, one.images, one.n, one.lower, round(float(right[said.scores >= one.score].mean()), 4)
        )
        for one in moment.machine.thresholds
    )
