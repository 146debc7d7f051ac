"""What everybody believes of the pool's images: the champion or the first engine, and the engines of the escalation.

In: a pool. Out: aligned arrays, calibrated where terms exist. Row i speaks of the pool's row i; NaN and `MISSING` mean
absent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.engines import calibrations, engines_in_force, prelabels
from db.repositories.engines.engines_in_force import Stage
from db.repositories.engines.prelabels import Said
from db.repositories.versions import predictions, versions
from db.session import reading
from labeling.adapters.storage.prediction_files import read_predictions
from labeling.answers import MISSING, Answer, AnswerSet
from labeling.errors import BadArtifact, NotFound
from labeling.prelabel.calibration import Terms, calibrated, calibrated_answers, read_terms
from labeling.prelabel.escalation import named
from labeling.prelabel.guards.checks import CONFLICT
from labeling.project import Project
from labeling.types import Outcome
from service.work.pool.pool import Pool
from service.work.wiring import Parts

__all__ = ["Opinions", "Voice", "code_of", "read_opinions", "read_voices", "terms_in_force"]

Probs = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Voice:
    """One engine of the escalation: where it `spoke` (N,), its `probs` (N, K), the code of what it `named` (N,).

    `flagged` (N,): a probe made its answer less trustworthy; whether it contradicts
    the classifier is asked of today's classifier instead. `mean_micro` is what an image has cost so far.
    """

    stage: Stage
    spoke: NDArray[np.bool_]
    probs: Probs
    named: NDArray[np.int64]
    flagged: NDArray[np.bool_]
    mean_micro: float


@dataclass(frozen=True, slots=True)
class Opinions:
    """`base` (N, K): the champion's where it has predicted (`by_classifier`), else the first engine's."""

    base: Probs
    by_classifier: NDArray[np.bool_]
    voices: tuple[Voice, ...]

    def believed(self, before: int) -> Probs:
        """The probabilities of the last engine before this place that gave any, else the base: (N, K)."""
        believed = np.array(self.base)
        for voice in self._before(before):
            has_probs = np.isfinite(voice.probs).all(axis=1)
            believed[has_probs] = voice.probs[has_probs]
        return believed

    def votes(self, before: int) -> NDArray[np.int64]:
        """What the base and every engine before this place named: (N, 1 + E)."""
        return np.stack([named(self.base), *(voice.named for voice in self._before(before))], axis=1)

    def _before(self, place: int) -> list[Voice]:
        return [voice for voice in self.voices if voice.stage.place < place]


def read_opinions(parts: Parts, project: Project, pool: Pool) -> Opinions:
    """Everything that is believed of this pool now."""
    with reading(parts.database) as session:
        first = engines_in_force.first_revision(session, project.id)
        terms = terms_in_force(session, project)
        voices = read_voices(session, project, pool)
        champion = versions.champion(session, project.id)
        file = None if champion is None else predictions.prediction_file(session, champion.id)
    base = calibrated(pool.prelabel_probs, terms.get(first or ""))
    predicted = np.zeros(len(pool), bool)
    if file is not None:
        try:
            stored = read_predictions(parts.settings.home, file.path, file.sha256)
        except (NotFound, BadArtifact):  # they are made again by the next `promote`
            return Opinions(base, predicted, voices)
        rows = pool.rows_of(stored.image_ids)
        base[rows[rows >= 0]] = stored.probs[rows >= 0]
        predicted[rows[rows >= 0]] = True
    return Opinions(base, predicted, voices)


def read_voices(session: Session, project: Project, pool: Pool) -> tuple[Voice, ...]:
    """The engines of the escalation that are in force, in their order; none where there is no escalation."""
    terms = terms_in_force(session, project)
    return tuple(
        _voice(stage, prelabels.said(session, project.id, stage.revision), pool, project, terms.get(stage.revision))
        for stage in engines_in_force.in_force(session, project.id)
        if stage.place > 0
    )


def terms_in_force(session: Session, project: Project) -> dict[str, Terms]:
    """How each revision's answers are to be read; one that is not here is not calibrated."""
    return {revision: read_terms(row.terms) for revision, row in calibrations.everyone(session, project.id).items()}


def code_of(said: Said, answers: AnswerSet) -> int:
    """The code of what was named; `MISSING` where nothing was."""
    return answers.code(Answer.named(said.outcome, said.answer))


def _voice(stage: Stage, all_said: list[Said], pool: Pool, project: Project, terms: Terms | None) -> Voice:
    classes, known = project.config.classes, project.config.answers
    at = pool.rows_of(np.array([said.image_id for said in all_said], np.int64))
    ready = [(int(row), said) for row, said in zip(at, all_said, strict=True) if row >= 0]
    rows = np.array([row for row, _ in ready], np.int64)
    spoke, flagged = np.zeros(len(pool), bool), np.zeros(len(pool), bool)
    probs, answers = np.full((len(pool), len(classes)), np.nan), np.full(len(pool), MISSING)
    likeliest = np.full(len(pool), MISSING, np.int64)
    if ready:
        spoke[rows] = True
        flagged[rows] = [any(flag != CONFLICT for flag in said.flags) for _, said in ready]
        answers[rows] = [code_of(said, known) for _, said in ready]
        raw = np.array([_probs(said, len(classes)) for _, said in ready])
        levels = [said.stated for _, said in ready]
        stated = calibrated_answers(answers[rows], levels, terms, len(classes))
        absent = ~np.isfinite(raw).all(axis=1)
        probs[rows] = np.where(absent[:, None], stated, calibrated(raw, terms))
        likeliest[rows] = named(probs[rows], answers[rows])
    mean = sum(said.cost_micro for said in all_said) / max(len(all_said), 1)
    return Voice(stage, spoke, probs, likeliest, flagged, mean)


def _probs(said: Said, classes: int) -> list[float]:
    """Its probabilities where it named a class of the set and gave them; an abstention has none that count."""
    return said.probs if said.outcome is Outcome.LABEL and len(said.probs) == classes else [np.nan] * classes
