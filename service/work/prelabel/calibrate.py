"""Fits the calibration terms of each engine in force, on the labels of the random stream.

In: the engines' prelabels and people's blind answers to the stream. Out: a numbered row of terms a
revision; the same labels make no second row. An engine of the escalation got only uncertain images, so its terms hold
for those. The features of a classifier are not calibrated: a version's card pins them as the engine gave them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.engines import calibrations, engines_in_force, prelabels
from db.repositories.engines.calibrations import Calibration
from db.repositories.engines.engines_in_force import Stage
from db.repositories.engines.prelabels import Said
from db.repositories.projects import projects
from db.repositories.queries import stream
from db.repositories.queries.examples import fingerprint
from db.repositories.queries.pool import state_of_pool
from db.session import reading, transaction
from labeling.answers import MISSING, AnswerSet
from labeling.prelabel.calibration import Terms, calibrated, calibrated_answers, fit_stated, fit_terms
from labeling.project import Project
from labeling.types import Example, ImageId, Outcome, ProjectId
from service.logs import get_logger
from service.work.pool.engine_predictions import code_of
from service.work.pool.random_stream import read_sample
from service.work.pool.training_set import truth_of
from service.work.wiring import Parts

GROWN = 1.1
"""Terms are fitted anew when there are a tenth more labels, or when one of those already used has changed."""
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sample:
    """What an engine said of labelled images: `probs` (n, K) with NaN rows, `answers` and `truth` (n,).

    `answers` are codes of what was named; `truth` is the true class, `MISSING` where no class is true.
    """

    label_ids: tuple[int, ...]
    probs: NDArray[np.floating]
    answers: NDArray[np.int64]
    levels: tuple[str, ...]
    truth: NDArray[np.int64]

    def take(self, at: NDArray[np.int64]) -> Sample:
        """The same for some of the images."""
        ids, levels = tuple(self.label_ids[i] for i in at), tuple(self.levels[i] for i in at)
        return Sample(ids, self.probs[at], self.answers[at], levels, self.truth[at])


def calibrate(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Fit the revisions in force for which enough labels are new; {"calibrated": how many that were}."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        stages, in_force = engines_in_force.in_force(session, project_id), calibrations.everyone(session, project_id)
        pools = [state_of_pool(session, project_id, stage.revision) for stage in stages]
        labels = fingerprint(session, project_id), stream.fingerprint(session, project_id)
        made_of = (project.config_version, stages, pools, *labels)
        samples = parts.memo.get(("calibration", project_id), made_of, lambda: _samples(session, project, stages))
    fitted = 0
    for stage, sample in samples:
        if _is_due(sample, in_force.get(stage.revision)):
            fitted += _keep(parts, project, stage, sample)
    return {"calibrated": fitted}


def _samples(session: Session, project: Project, stages: Sequence[Stage]) -> list[tuple[Stage, Sample]]:
    examples = read_sample(session, project).examples
    return [(stage, sample_of(said_of(session, examples, stage), examples, project.config.classes)) for stage in stages]


def said_of(session: Session, examples: Sequence[Example], stage: Stage) -> dict[ImageId, Said]:
    """What an engine said of the examples' images; the cost depends on their number, not on the size of the pool."""
    images = [ImageId(example.image_id) for example in examples]
    return {said.image_id: said for said in prelabels.said_of(session, images, stage.revision)}


def sample_of(said: Mapping[ImageId, Said], examples: Sequence[Example], classes: tuple[str, ...]) -> Sample:
    """The examples that the engine has labelled and did not abstain from."""
    known = [example for example in examples if example.image_id in said]
    given = [said[example.image_id] for example in known]
    absent, answers = [np.nan] * len(classes), AnswerSet(classes)
    probs = [one.probs if one.outcome is Outcome.LABEL and len(one.probs) == len(classes) else absent for one in given]
    return Sample(
        tuple(example.label_id for example in known),
        np.array(probs, np.float64).reshape(len(known), len(classes)),
        np.array([code_of(one, answers) for one in given], np.int64),
        tuple(one.stated for one in given),
        truth_of(known, classes),
    )


def fit(sample: Sample) -> Terms | None:
    """Terms for its probabilities and for answers that came without; None where there are too few of both."""
    classes = sample.probs.shape[1]
    has_probs = np.isfinite(sample.probs).all(axis=1)
    usable = has_probs & (sample.truth != MISSING)  # "none of these" is no class
    of_probs = fit_terms(sample.probs[usable], sample.truth[usable])
    at = np.flatnonzero((sample.answers != MISSING) & (sample.answers < classes) & ~has_probs)
    stated = fit_stated([sample.levels[i] for i in at], sample.answers[at] == sample.truth[at])
    if of_probs is None or stated is None:
        return of_probs or stated
    return replace(of_probs, levels=stated.levels, labels=of_probs.labels + stated.labels)


def read_by(sample: Sample, terms: Terms | None) -> NDArray[np.float64]:
    """The engine's probabilities (n, K), calibrated by the terms; NaN where they are absent."""
    has_probs = np.isfinite(sample.probs).all(axis=1)[:, None]
    stated = calibrated_answers(sample.answers, sample.levels, terms, sample.probs.shape[1])
    return np.where(has_probs, calibrated(sample.probs, terms), stated)


def _is_due(sample: Sample, last: Calibration | None) -> bool:
    if last is None:
        return True
    before, now = set(last.terms["label_ids"]), set(sample.label_ids)
    return now != before and (not before <= now or len(now) >= GROWN * len(before))


def _keep(parts: Parts, project: Project, stage: Stage, sample: Sample) -> int:
    terms = fit(sample)
    if terms is None:
        return 0
    kept = {**terms.as_json(), "label_ids": sorted(sample.label_ids)}
    with transaction(parts.database) as session:
        number = calibrations.add(session, project.id, stage.engine, stage.revision, terms.labels, kept, parts.now())
    log.info("calibrated", project=project.id, engine=stage.engine, number=number, labels=terms.labels)
    return int(number > 0)
