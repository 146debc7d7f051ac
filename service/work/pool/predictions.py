"""What is predicted of a project's images now; every step that needs it asks here.

In: a pool, or single images. Out: probabilities by name. `ranking` is what images are ordered by: the champion's at its
head's fixed temperature, or an engine's as it gave them, so that no calibration changes an order. `shown` is what
people see and what thresholds are compared with: calibrated where that is known. NaN and `MISSING` mean absent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.engines import calibrations, engines_in_force, prelabels
from db.repositories.engines.engines_in_force import Stage
from db.repositories.engines.prelabels import Said
from db.repositories.versions import predictions, versions
from db.repositories.versions.predictions import PredictionFile
from db.repositories.versions.versions import Version
from db.session import reading
from db.views import engine_stats
from db.views.engine_stats import EngineAnswer
from labeling.adapters.storage.prediction_files import Predictions, read_predictions
from labeling.answers import MISSING, AnswerSet
from labeling.errors import BadArtifact, NotFound
from labeling.learn.heads.heads import HEADS
from labeling.prelabel.calibration import Terms, calibrated, calibrated_answers, read_terms
from labeling.prelabel.escalation import disagreement, named
from labeling.prelabel.guards.checks import CONFLICT
from labeling.project import Project
from labeling.types import ImageId, Outcome, ProjectId
from service.labels.machine_labels import before_calibration, with_bias
from service.logs import get_logger
from service.work.pool.pool import Pool
from service.work.wiring import Parts

__all__ = [
    "ChampionPredictions",
    "CurrentPredictions",
    "ImagePrediction",
    "champion_predictions",
    "code_of",
    "current_predictions",
    "predictions_of_images",
    "stored_predictions",
]

log = get_logger(__name__)
FIXED_BEFORE = HEADS["logistic"].temperature
"""What versions of 0.1.0 were fitted at; their reports do not name it."""
Probs = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class ChampionPredictions:
    """What the champion predicts of N images; ids ascend.

    `fitted` (N, K) is at its fitted temperature; `shown` has its biases too, where it has any.
    """

    version: Version
    image_ids: NDArray[np.int64]
    fitted: NDArray[np.floating]
    shown: NDArray[np.floating]

    def ranking(self, rows: NDArray[np.int64]) -> Probs:
        """The same of these rows, at the fixed temperature of its head."""
        return before_calibration(self.fitted[rows], self.version.report)

    def rows_of(self, image_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of these images; -1 for one that it has not predicted."""
        rows = np.minimum(np.searchsorted(self.image_ids, image_ids), len(self.image_ids) - 1)
        return np.where(self.image_ids[rows] == image_ids, rows, -1).astype(np.int64)


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


@dataclass(frozen=True, slots=True)
class CurrentPredictions:
    """Of the pool's N images: the champion's where it has predicted (`by_champion`), else the first engine's.

    `champion` is None where it has predicted nothing yet; `engines` are those of the escalation, in its order.
    """

    champion: Version | None
    by_champion: NDArray[np.bool_]
    ranking: Probs
    shown: Probs
    engines: tuple[EnginePredictions, ...]

    def before(self, place: int) -> Probs:
        """The probabilities of the last engine before this place that gave any, else `shown`: (N, K)."""
        probs = np.array(self.shown)
        for engine in self._before(place):
            given = np.isfinite(engine.shown).all(axis=1)
            probs[given] = engine.shown[given]
        return probs

    def conflicts(self) -> Probs:
        """How far the engines of the escalation contradict the prediction, or each other: (N,) in [0, 1]."""
        return _conflicts(self.ranking, self.engines)

    def votes(self, before: int) -> NDArray[np.int64]:
        """The codes of what is predicted, and of what every engine before this place answered: (N, 1 + E)."""
        return np.stack([named(self.shown), *(engine.answers for engine in self._before(before))], axis=1)

    def _before(self, place: int) -> list[EnginePredictions]:
        return [engine for engine in self.engines if engine.stage.place < place]


@dataclass(frozen=True, slots=True)
class ImagePrediction:
    """Of one image: `engine` is the last engine that did not abstain; `champion` (K,) is empty before it predicted.

    `ranking` and `shown` are the champion's, else that engine's; empty where it only named an answer.
    """

    ranking: list[float]
    shown: list[float]
    champion: list[float]
    engine: EngineAnswer | None
    by_engine: list[float]
    """What the engine's probabilities are shown as."""
    conflict: float = 0.0
    """In [0, 1]: how far the engines of the escalation contradict the prediction, or each other."""

    @property
    def answer(self) -> str | None:
        """What the engine named; None where the champion predicts."""
        return None if self.champion or self.engine is None else self.engine.answer


def champion_predictions(parts: Parts, project_id: ProjectId) -> ChampionPredictions | None:
    """What the champion predicts of every image that was ready when it predicted last; None while there is nothing.

    A file that is gone or damaged counts as nothing: it is made again by the next `promote` job.
    """
    with reading(parts.database) as session:
        champion = versions.champion(session, project_id)
        file = None if champion is None else predictions.prediction_file(session, champion.id)
    if champion is None or file is None:
        return None
    stored = stored_predictions(parts, project_id, file)
    if stored is None or not len(stored.image_ids):
        return None
    fitted, report = stored.probs, champion.report
    if not report.get("bias"):
        return ChampionPredictions(champion, stored.image_ids, fitted, fitted)
    made_of = (champion.id, file.sha256)
    shown = parts.memo.get(("shown", project_id), made_of, lambda: with_bias(fitted, report).astype(np.float32))
    return ChampionPredictions(champion, stored.image_ids, fitted, shown)


def stored_predictions(parts: Parts, project_id: ProjectId, file: PredictionFile) -> Predictions | None:
    """What this file of the project's champion holds, read once; None where it is gone or damaged."""
    try:
        found = (parts.settings.home / file.path).stat()
        return parts.memo.get(
            ("predictions", project_id),
            (file.sha256, found.st_mtime_ns, found.st_size),
            lambda: read_predictions(parts.settings.home, file.path, file.sha256),
        )
    except (FileNotFoundError, NotFound, BadArtifact) as error:
        log.warning("the champion's predictions are made again", project=project_id, reason=str(error))
        return None


def current_predictions(parts: Parts, project: Project, pool: Pool) -> CurrentPredictions:
    """What is predicted of every image of the pool now."""
    with reading(parts.database) as session:
        terms = _terms_in_force(session, project)
        first = engines_in_force.first_revision(session, project.id) or ""
        engines = tuple(
            _of_engine(
                one,
                prelabels.said(session, project.id, one.revision),
                pool.rows_of,
                len(pool),
                project,
                terms.get(one.revision),
            )
            for one in engines_in_force.in_force(session, project.id)
            if one.place > 0
        )
    ranking, shown = pool.prelabel_probs, calibrated(pool.prelabel_probs, terms.get(first))
    champion = champion_predictions(parts, project.id)
    if champion is None:
        return CurrentPredictions(None, np.zeros(len(pool), bool), ranking, shown, engines)
    rows = champion.rows_of(pool.image_ids)
    predicted = rows >= 0
    ranking, shown = np.array(ranking), np.array(shown)
    ranking[predicted] = champion.ranking(rows[predicted])
    shown[predicted] = champion.shown[rows[predicted]]
    return CurrentPredictions(champion.version, predicted, ranking, shown, engines)


def predictions_of_images(
    parts: Parts, project: Project, image_ids: Sequence[ImageId]
) -> dict[ImageId, ImagePrediction]:
    """What is predicted of these images; one that nothing is predicted of is left out."""
    champion = champion_predictions(parts, project.id)
    with reading(parts.database) as session:
        terms = _terms_in_force(session, project)
        engines = engine_stats.engine_answers(session, project.id, image_ids)
        escalation = [
            (one, prelabels.said_of(session, image_ids, one.revision))
            for one in engines_in_force.in_force(session, project.id)
            if one.place > 0
        ]
    by_champion: dict[int, tuple[list[float], list[float]]] = {}
    if champion is not None and image_ids:
        images = np.asarray(image_ids, np.int64)
        rows = champion.rows_of(images)
        pairs = zip(champion.ranking(rows[rows >= 0]).tolist(), champion.shown[rows[rows >= 0]].tolist(), strict=True)
        by_champion = dict(zip(images[rows >= 0].tolist(), pairs, strict=True))
    found = {
        image: _of_image(engines.get(image), terms, by_champion.get(image))
        for image in image_ids
        if image in engines or image in by_champion
    }
    return _with_conflicts(project, found, escalation, terms)


def _with_conflicts(
    project: Project,
    found: dict[ImageId, ImagePrediction],
    escalation: Sequence[tuple[Stage, list[Said]]],
    terms: dict[str, Terms],
) -> dict[ImageId, ImagePrediction]:
    """The same with what the engines of the escalation contradict, by the rule that images are chosen by."""
    if not escalation or not found:
        return found
    at = {image: row for row, image in enumerate(found)}
    ranking = np.full((len(found), len(project.config.classes)), np.nan)
    for image, one in found.items():
        if len(one.ranking) == ranking.shape[1]:
            ranking[at[image]] = one.ranking

    def rows_of(images: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([at.get(ImageId(image), -1) for image in images.tolist()], np.int64)

    engines = [
        _of_engine(stage, said, rows_of, len(found), project, terms.get(stage.revision)) for stage, said in escalation
    ]
    values = _conflicts(ranking, engines).tolist()
    return {image: replace(one, conflict=values[at[image]]) for image, one in found.items()}


def _conflicts(ranking: Probs, engines: Sequence[EnginePredictions]) -> Probs:
    """How far engines contradict what images are ordered by, or each other: (N,) in [0, 1].

    An answer that was flagged as less trustworthy counts as a contradiction. Without engines: zeros.
    """
    if not engines:
        return np.zeros(len(ranking))
    votes = np.stack([named(ranking), *(engine.answers for engine in engines)], axis=1)
    return np.maximum(disagreement(votes), np.any([engine.flagged for engine in engines], axis=0))


def _terms_in_force(session: Session, project: Project) -> dict[str, Terms]:
    """The calibration of each engine revision; one that is not here is not calibrated."""
    return {revision: read_terms(row.terms) for revision, row in calibrations.everyone(session, project.id).items()}


def code_of(said: Said, answers: AnswerSet) -> int:
    """The code of what was named; `MISSING` where nothing was."""
    return answers.code(said.named)


def _of_image(
    engine: EngineAnswer | None, terms: dict[str, Terms], champion: tuple[list[float], list[float]] | None
) -> ImagePrediction:
    given = engine.probs if engine else []
    found = terms.get(engine.revision) if engine else None
    by_engine = calibrated(np.array([given]), found)[0].tolist() if given and found is not None else given
    ranking, shown = champion or (given, by_engine)
    return ImagePrediction(ranking, shown, champion[1] if champion else [], engine, by_engine)


def _of_engine(
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


def _probs(said: Said, classes: int) -> list[float]:
    """Its probabilities where it named a class of the set and gave them; an abstention has none that count."""
    return said.probs if said.outcome is Outcome.LABEL and len(said.probs) == classes else [np.nan] * classes
