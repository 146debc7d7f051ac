"""What is predicted of a project's images now; every step that needs it asks here.

In: a pool, or single images. Out: probabilities by name. `ranking` is what images are ordered by: the champion's at its
head's fixed temperature, or an engine's as it gave them, so that no calibration changes an order. `shown` is what
people see and what thresholds are compared with: calibrated where that is known. NaN and `MISSING` mean absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.engines import calibrations, engines_in_force, prelabels
from db.repositories.engines.engines_in_force import Stage
from db.repositories.engines.prelabels import Said
from db.repositories.versions.versions import Version
from db.session import reading
from db.views import engine_stats
from db.views.engine_stats import EngineAnswer
from labeling.prelabel.calibration import Terms, calibrated, read_terms
from labeling.prelabel.escalation import named
from labeling.project import Project
from labeling.types import ImageId
from service.work.pool.champion import champion_predictions
from service.work.pool.engine_predictions import EnginePredictions, conflicts, of_engine
from service.work.pool.pool import Pool
from service.work.wiring import Parts

__all__ = ["CurrentPredictions", "ImagePrediction", "current_predictions", "predictions_of_images"]

Probs = NDArray[np.floating]


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
        return conflicts(self.ranking, self.engines)

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


def current_predictions(parts: Parts, project: Project, pool: Pool) -> CurrentPredictions:
    """What is predicted of every image of the pool now."""
    with reading(parts.database) as session:
        terms = _terms_in_force(session, project)
        first = engines_in_force.first_revision(session, project.id) or ""
        engines = tuple(
            of_engine(
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
        of_engine(stage, said, rows_of, len(found), project, terms.get(stage.revision)) for stage, said in escalation
    ]
    values = conflicts(ranking, engines).tolist()
    return {image: replace(one, conflict=values[at[image]]) for image, one in found.items()}


def _terms_in_force(session: Session, project: Project) -> dict[str, Terms]:
    """The calibration of each engine revision; one that is not here is not calibrated."""
    return {revision: read_terms(row.terms) for revision, row in calibrations.everyone(session, project.id).items()}


def _of_image(
    engine: EngineAnswer | None, terms: dict[str, Terms], champion: tuple[list[float], list[float]] | None
) -> ImagePrediction:
    given = engine.probs if engine else []
    found = terms.get(engine.revision) if engine else None
    by_engine = calibrated(np.array([given]), found)[0].tolist() if given and found is not None else given
    ranking, shown = champion or (given, by_engine)
    return ImagePrediction(ranking, shown, champion[1] if champion else [], engine, by_engine)
