"""What an engine of the escalation predicts of images, and how far engines contradict the prediction, or each other.

In: what the engine said, and its calibration. Out: arrays by image. NaN and `MISSING` mean absent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.repositories.engines.engines_in_force import Stage
from db.repositories.engines.prelabels import Said
from labeling.answers import MISSING, AnswerSet
from labeling.prelabel.calibration import Terms, calibrated, calibrated_answers
from labeling.prelabel.escalation import disagreement, named
from labeling.prelabel.guards.checks import CONFLICT
from labeling.project import Project
from labeling.types import Outcome

__all__ = ["EnginePredictions", "code_of", "conflicts", "of_engine"]

Probs = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class EnginePredictions:
    """Of one engine of the escalation: which of N images it `answered`, `shown` (N, K), its `answers` as codes (N,).

    `flagged` (N,): a probe made its answer less trustworthy; whether it contradicts the classifier is asked of today's
    classifier instead. `mean_micro` is what an image has cost so far.
    """

    stage: Stage
    answered: NDArray[np.bool_]
    shown: Probs
    answers: NDArray[np.int64]
    flagged: NDArray[np.bool_]
    mean_micro: float


def of_engine(
    stage: Stage,
    said: list[Said],
    rows_of: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    n: int,
    project: Project,
    terms: Terms | None,
) -> EnginePredictions:
    """Of n images; `rows_of` gives the row of each image, -1 for one that is not among them."""
    classes, known = project.config.classes, project.config.answers
    at = rows_of(np.array([one.image_id for one in said], np.int64))
    ready = [(int(row), one) for row, one in zip(at, said, strict=True) if row >= 0]
    rows = np.array([row for row, _ in ready], np.int64)
    answered, flagged = np.zeros(n, bool), np.zeros(n, bool)
    shown, codes = np.full((n, len(classes)), np.nan), np.full(n, MISSING)
    answers = np.full(n, MISSING, np.int64)
    if ready:
        answered[rows] = True
        flagged[rows] = [any(flag != CONFLICT for flag in one.flags) for _, one in ready]
        codes[rows] = [code_of(one, known) for _, one in ready]
        raw = np.array([_probs(one, len(classes)) for _, one in ready])
        stated = calibrated_answers(codes[rows], [one.stated for _, one in ready], terms, len(classes))
        absent = ~np.isfinite(raw).all(axis=1)
        shown[rows] = np.where(absent[:, None], stated, calibrated(raw, terms))
        answers[rows] = named(shown[rows], codes[rows])
    mean = sum(one.cost_micro for one in said) / max(len(said), 1)
    return EnginePredictions(stage, answered, shown, answers, flagged, mean)


def conflicts(ranking: Probs, engines: Sequence[EnginePredictions]) -> Probs:
    """How far engines contradict what images are ordered by, or each other: (N,) in [0, 1].

    An answer that was flagged as less trustworthy counts as a contradiction. Without engines: zeros.
    """
    if not engines:
        return np.zeros(len(ranking))
    votes = np.stack([named(ranking), *(engine.answers for engine in engines)], axis=1)
    return np.maximum(disagreement(votes), np.any([engine.flagged for engine in engines], axis=0))


def code_of(said: Said, answers: AnswerSet) -> int:
    """The code of what was named; `MISSING` where nothing was."""
    return answers.code(said.named)


def _probs(said: Said, classes: int) -> list[float]:
    """Its probabilities where it named a class of the set and gave them; an abstention has none that count."""
    return said.probs if said.outcome is Outcome.LABEL and len(said.probs) == classes else [np.nan] * classes
