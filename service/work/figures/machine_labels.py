"""Counts the figure of machine labels: thresholds over the images without a label, and the surest of each class.

In: the champion's file, the labels in force, and the uniform sample. Out: one figure. It takes one pass over the
version's arrays, which are kept while the file stays the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.queries import stream
from db.views.project_stats import count_images, labelled_images
from labeling.errors import Conflict, Unavailable
from labeling.project import Project
from labeling.quality.machine_labels import AtThreshold, precision_at, thresholds
from labeling.slices import slices
from labeling.types import Example
from service.figures.estimates import rounded
from service.figures.machine_labels import ClassOfRest, MachineLabels, OneThreshold, Sure, Waiting
from service.labels.machine_labels import ChampionLabels, Said, champion_labels, waiting_images
from service.work.pool.random_stream import Sample
from service.work.pool.training_set import truth_of
from service.work.wiring import Parts

__all__ = ["read_machine_labels"]

PICTURES = 6
ROWS_AT_ONCE = 65_536

Rows = NDArray[np.int64]


def read_machine_labels(parts: Parts, session: Session, project: Project, sample: Sample) -> MachineLabels:
    """The figure as of now.

    Thresholds speak of what is left without its shadow picks, and rest on the random stream without them.
    """
    labelled = np.array(labelled_images(session, project.id), np.int64)
    try:
        champion = champion_labels(session, parts.settings.home, project.id)
    except (Conflict, Unavailable):
        waiting = count_images(session, project.id) - len(labelled)
        return MachineLabels(None, len(labelled), 0, waiting, [], [], [])
    rows = np.flatnonzero(~np.isin(champion.image_ids, labelled))
    by_people = labelled_images(session, project.id, certified=False)
    left = np.flatnonzero(~np.isin(champion.image_ids, by_people))  # the sample is of all of these
    waiting, first = waiting_images(session, project, champion, labelled)
    said = _said(parts, project, champion)
    picked = stream.shadow_picks(session, project.id)
    like_the_rest = [example for example in sample.examples if example.group_id not in picked]
    shadows = np.isin(champion.image_ids, stream.images_of(session, project.id, picked))
    return MachineLabels(
        version=champion.version.number,
        labelled=len(labelled),
        rest=len(rows),
        waiting=waiting,
        first_waiting=[Waiting(one.image_id, one.why) for one in first],
        thresholds=_thresholds(project, champion, said, left[~shadows[left]], like_the_rest),
        classes=_classes(project, champion, said, rows),
    )


def _said(parts: Parts, project: Project, champion: ChampionLabels) -> Said:
    """What the champion says of every row; kept in memory while its file stays."""

    def all_rows() -> Said:
        blocks = [champion.said(some) for some in slices(len(champion), ROWS_AT_ONCE)]
        empty = champion.said(np.empty(0, np.int64))
        return Said(
            np.concatenate([empty.positions, *(block.positions for block in blocks)]),
            np.concatenate([empty.probabilities, *(block.probabilities for block in blocks)]),
            np.concatenate([empty.scores, *(block.scores for block in blocks)]),
        )

    return parts.memo.get(("machine labels", project.id), (champion.version.id, champion.made_at), all_rows)


def _thresholds(
    project: Project, champion: ChampionLabels, said: Said, rows: Rows, sample: list[Example]
) -> list[OneThreshold]:
    of_sample = champion.rows_of([example.image_id for example in sample])
    predicted = of_sample >= 0
    truth = truth_of(sample, project.config.classes)[predicted]
    sampled = of_sample[predicted]
    right = said.positions[sampled] == truth
    scores, probabilities = said.scores[rows], said.probabilities[rows]
    return [
        _threshold(precision_at(one, scores, probabilities, said.scores[sampled], right)) for one in thresholds(scores)
    ]


def _threshold(found: AtThreshold) -> OneThreshold:
    precision, known = found.precision, found.precision.known
    return OneThreshold(
        score=found.threshold,
        images=found.images,
        known=known,
        n=precision.n,
        right=found.right,
        precision=rounded(precision.value, 4) if known else None,
        lower=_down(precision.lower) if known else None,
        upper=rounded(precision.upper, 4) if known else None,
    )


def _down(bound: float) -> float:
    """A lower bound is never rounded up."""
    return float(np.floor(bound * 1e4) / 1e4)


def _classes(project: Project, champion: ChampionLabels, said: Said, rows: Rows) -> list[ClassOfRest]:
    order = rows[np.lexsort((rows, -said.scores[rows], said.positions[rows]))]  # by class, the surest first
    bounds = np.searchsorted(said.positions[order], np.arange(len(project.config.classes) + 1))
    found = []
    for position, label in enumerate(project.config.classes):
        of_class = order[bounds[position] : bounds[position + 1]]
        if len(of_class):
            surest, others = of_class[:PICTURES], of_class[PICTURES:]
            pictures = [_sure(champion, said, some) for some in (surest, others[::-1][:PICTURES])]
            found.append(ClassOfRest(label, len(of_class), *pictures))
    return found


def _sure(champion: ChampionLabels, said: Said, rows: Rows) -> list[Sure]:
    return [
        Sure(int(champion.image_ids[row]), round(float(said.probabilities[row]), 4), round(float(said.scores[row]), 4))
        for row in rows
    ]
