"""Machine labels at the end of a demo, beside the truth that a demo knows.

In: the figure as the worker counts it, and the true classes. Out: for each threshold the bound that the page shows and
the share that is really right. It only reads.
"""

from __future__ import annotations

import numpy as np

from db.repositories.queries import stream
from db.session import reading
from db.views.project_stats import labelled_images
from service.demo.annotators import SimulatedAnswers
from service.demo.look_back import Past
from service.demo.summary import MachineThreshold
from service.labels.machine_labels import champion_labels
from service.work.figures.machine_labels import read_machine_labels
from service.work.pool.random_stream import read_sample
from service.work.wiring import Parts

__all__ = ["compare_machine_labels"]


def compare_machine_labels(parts: Parts, past: Past, people: SimulatedAnswers) -> tuple[MachineThreshold, ...]:
    """Every threshold of the champion, the strictest first; none without a champion."""
    project, classes = past.project, past.project.config.classes
    with reading(parts.database) as session:
        figure = read_machine_labels(parts, session, project, read_sample(session, project))
        if figure.version is None:
            return ()
        champion = champion_labels(session, parts.settings.home, project.id)
        shadows = stream.images_of(session, project.id, stream.shadow_picks(session, project.id))
        aside = [*labelled_images(session, project.id), *shadows]
        rows = np.flatnonzero(~np.isin(champion.image_ids, aside))
    said = champion.said(rows)
    images = champion.image_ids[rows].tolist()
    true = [classes.index(people.true(past.named[image].reference)) for image in images]
    right = said.positions == np.array(true, np.int64)
    return tuple(
        MachineThreshold(
            one.score, one.images, one.n, one.lower, round(float(right[said.scores >= one.score].mean()), 4)
        )
        for one in figure.thresholds
    )
