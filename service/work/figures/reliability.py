"""The figure that shows how far each engine's confidence is from how often it is right, before and after calibration.

In: the engines in force and the random stream; an engine of the escalation got only the images in doubt. Out: one
figure. What terms are judged on had no part in fitting them: they are fitted five times, each time on four fifths.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.engines import calibrations, engines_in_force
from db.repositories.engines.engines_in_force import Stage
from labeling.estimates import MIN_LABELS
from labeling.project import Project
from labeling.quality.comparison import calibration_error
from labeling.quality.metrics import Bin, reliability
from labeling.types import Example
from service.figures.engines import EngineReliability, Reliability, ReliabilityBin, ReliabilityOfEngine
from service.work.prelabel.calibrate import Sample, fit, read_by, said_of, sample_of

__all__ = ["read_reliability"]

FOLDS = 5


def read_reliability(session: Session, project: Project, examples: Sequence[Example]) -> EngineReliability:
    """Reliability of every engine in force on these labels, in the order of the escalation."""
    rows = []
    for stage in engines_in_force.in_force(session, project.id):
        sample = sample_of(said_of(session, examples, stage), examples, project.config.classes)
        rows.append(_of_engine(session, project, stage, sample))
    return EngineReliability(rows)


def _of_engine(session: Session, project: Project, stage: Stage, sample: Sample) -> ReliabilityOfEngine:
    stored = calibrations.newest(session, project.id, stage.revision)
    given, read = sample.probs, np.full_like(sample.probs, np.nan)
    if stored is not None:
        read = _crossed(sample)
    return ReliabilityOfEngine(
        engine=stage.engine,
        revision=stage.revision,
        measured_on="the random stream, images in doubt" if stage.place else "the random stream",
        calibrated_on=0 if stored is None else stored.labels,
        calibration=None if stored is None else stored.number,
        as_given=_measured(given, sample.truth),
        calibrated=_measured(read, sample.truth),
    )


def _measured(probs: NDArray[np.floating], truth: NDArray[np.int64]) -> Reliability:
    """Null while it rests on fewer than 30 images; an engine without probabilities has no figure at all."""
    known = np.isfinite(probs).all(axis=1)
    n = int(known.sum())
    if n < MIN_LABELS:
        return Reliability(known=False, n=n, calibration_error=None, bins=[])
    bins = reliability(*_confidence(probs, truth))
    error = calibration_error(probs[known], truth[known], np.arange(n), np.random.default_rng(0)).value
    return Reliability(known=True, n=n, calibration_error=round(error, 4), bins=[_bin(one) for one in bins])


def _bin(one: Bin) -> ReliabilityBin:
    right = one.right
    return ReliabilityBin(
        confidence=round(one.confidence, 4),
        value=round(float(right.value), 4),
        lower=round(float(right.lower), 4),
        upper=round(float(right.upper), 4),
        n=right.n,
    )


def _confidence(probs: NDArray[np.floating], truth: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How sure it was of its best class, and whether that was right, where it gave probabilities."""
    known = np.isfinite(probs).all(axis=1)
    return np.asarray(probs[known].max(axis=1), np.float64), probs[known].argmax(axis=1) == truth[known]


def _crossed(sample: Sample) -> NDArray[np.float64]:
    """Each fifth read by terms of the other four; NaN where those are too few to fit any."""
    read = np.full_like(sample.probs, np.nan)
    fold = np.arange(len(sample.truth)) % FOLDS
    for one in range(FOLDS):
        inside, outside = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        terms = fit(sample.take(outside))
        if terms is not None:
            read[inside] = read_by(sample.take(inside), terms)
    return read
