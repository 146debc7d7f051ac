"""Machine labels: what the champion says of every image that it has predicted. Never labels.

In: a project and its home. Out: classes with probabilities and scores, of all images or of one, and the reason where
there is none. The arrays lie in the version's file; rows are read when they are taken. Class and score come from the
probabilities before calibration, so that nothing that is fitted on labels which measure changes a class or an order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.paging import Slice
from db.repositories.projects import projects
from db.repositories.versions import predictions, versions
from db.repositories.versions.versions import Version
from db.views import label_list, listings
from db.views import project_stats as view
from db.views.listings import ImageState
from labeling.adapters.storage.prediction_files import map_predictions
from labeling.errors import BadArtifact, Conflict, NotFound, Unavailable
from labeling.label_sets.columns import columns_of, in_columns
from labeling.project import Project
from labeling.types import ImageId, ProjectId
from labeling.vectors import shown_probs, softmax

__all__ = [
    "MACHINE",
    "ChampionLabels",
    "MachineLabel",
    "Said",
    "before_calibration",
    "champion_labels",
    "machine_labels",
    "machine_labels_of",
    "waiting_images",
    "with_bias",
]

MACHINE = "machine"
"""The source, split and decision of what no person said."""
SCANNED = 1_000
"""A slice of a filtered list reads so many images at most."""
SMALLEST = 1e-6
NAMED = 20
"""So many images without any label are named."""
DIGITS = 6
"""Thresholds are compared with rounded scores, as they are shown and exported."""
BLIND = "a blind review of this image is open"


@dataclass(frozen=True, slots=True)
class Said:
    """Of n images: the `positions` of their classes, calibrated `probabilities` and `scores` before calibration."""

    positions: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChampionLabels:
    """What a version says of N images; `image_ids` ascend, `probs` (N, J) are at its fitted temperature.

    `columns` brings what it says to the classes of now; None where they are its own.
    """

    version: Version
    made_at: datetime
    image_ids: NDArray[np.int64]
    probs: NDArray[np.floating]
    columns: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.image_ids)

    def rows_of(self, image_ids: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of these images; -1 for one that was not predicted."""
        wanted = np.asarray(image_ids, np.int64)
        if not len(self):
            return np.full(len(wanted), -1, np.int64)
        rows = np.minimum(np.searchsorted(self.image_ids, wanted), len(self) - 1)
        return np.where(self.image_ids[rows] == wanted, rows, -1).astype(np.int64)

    def said(self, rows: slice | NDArray[np.int64]) -> Said:
        """What it says of these rows."""
        fitted = np.asarray(self.probs[rows], np.float64)
        said = before_calibration(fitted, self.version.report), with_bias(fitted, self.version.report)
        ranking, shown = (in_columns(one, self.columns) for one in said)
        positions = ranking.argmax(axis=1)
        at = np.arange(len(fitted)), positions
        return Said(positions, np.round(shown[at], DIGITS), np.round(ranking[at], DIGITS))


@dataclass(frozen=True, slots=True)
class MachineLabel:
    """One image: its `label` in force, and what the champion says. `why` tells why it says nothing, or shows nothing.

    `hidden`: a blind review is open, so that only leads see label and machine label.
    """

    image_id: ImageId
    content_hash: str
    label: str | None
    machine_label: str | None = None
    probability: float | None = None
    score: float | None = None
    version: int | None = None
    made_at: datetime | None = None
    why: str = ""
    hidden: bool = False


def before_calibration(probs: NDArray[np.floating], report: Mapping[str, Any]) -> NDArray[np.float64]:
    """Probabilities (N, K) at a version's fitted temperature, brought to the fixed one; `report` is the version's.

    >>> before_calibration(np.array([[0.8, 0.2]]), {"temperature": 0.5, "fixed_temperature": 1.0}).round(3).tolist()
    [[0.667, 0.333]]
    """
    fitted = float(report.get("temperature", report.get("fixed_temperature", 1.0)))
    fixed = float(report.get("fixed_temperature", fitted))
    return softmax(np.log(np.maximum(np.asarray(probs, np.float64), SMALLEST)) * (fitted / fixed))


def with_bias(probs: NDArray[np.floating], report: Mapping[str, Any]) -> NDArray[np.floating]:
    """Probabilities (N, K) at a version's fitted temperature as they are shown: with its bias a class, if it has one.

    >>> with_bias(np.array([[0.7, 0.3]]), {"bias": [-0.2, 0.2]}).round(3).tolist()
    [[0.61, 0.39]]
    """
    bias = report.get("bias", ())
    return shown_probs(np.log(np.maximum(np.asarray(probs, np.float64), SMALLEST)), 1.0, bias) if bias else probs


def champion_labels(session: Session, home: Path, project_id: ProjectId) -> ChampionLabels:
    """What the champion says of all images that it has predicted.

    Raises
    ------
    Conflict
        While there is no version in use.
    Unavailable
        While the version has not predicted, or its file must be made again.
    """
    champion = versions.champion(session, project_id)
    if champion is None:
        raise Conflict(
            "There is no version yet, and an engine's pre-labels are no machine labels. They come with the first "
            "version that is promoted."
        )
    file = predictions.prediction_file(session, champion.id)
    if file is None:
        raise Unavailable(f"Version {champion.number} has not predicted yet. Try again after the next job `promote`.")
    try:
        found = map_predictions(home, file.path, file.sha256)
    except (NotFound, BadArtifact) as error:
        raise Unavailable(error.message) from error
    columns = columns_of(champion.classes, projects.by_id(session, project_id).config)
    return ChampionLabels(champion, file.created_at, found.image_ids, found.probs, columns)


def machine_labels_of(
    session: Session, home: Path, project: Project, image_ids: Sequence[int], *, leads: bool
) -> list[MachineLabel]:
    """These images, each with what the champion says, or with the reason why it says nothing."""
    return _of_states(session, home, project, listings.states_of(session, project.id, image_ids), leads=leads)


def waiting_images(
    session: Session, project: Project, champion: ChampionLabels, labelled: NDArray[np.int64]
) -> tuple[int, list[MachineLabel]]:
    """How many images have neither a label nor a machine label, and the first of them, each with the reason."""
    predicted = int((~np.isin(champion.image_ids, labelled)).sum())
    count = view.count_images(session, project.id) - len(labelled) - predicted
    if not count:
        return 0, []
    every = np.array(view.all_images(session, project.id), np.int64)
    neither = every[~(np.isin(every, labelled) | np.isin(every, champion.image_ids))]
    return count, _said(champion, project, listings.states_of(session, project.id, neither[:NAMED].tolist()))


def machine_labels(
    session: Session,
    project_id: ProjectId,
    *,
    after: int | None,
    limit: int,
    home: Path,
    project: Project,
    leads: bool,
    rest: bool = False,
    label: str | None = None,
    at_least: float = 0.0,
) -> Slice[MachineLabel]:
    """The images of a project, newest first; a filtered slice reads a bounded number and may hold few.

    Parameters
    ----------
    leads : bool
        Whether the reader may see what a blind review hides.
    rest : bool
        Only images without a label.
    label, at_least
        Only images of which the champion says this, or says it with this score; those it says nothing of are left out.
    """
    filtered = rest or label is not None or at_least > 0
    scanned = listings.image_states(session, project_id, after=after, limit=max(limit, SCANNED) if filtered else limit)
    found = [
        one
        for one in _of_states(session, home, project, scanned, leads=leads)
        if not (rest and one.label is not None)
        and (label is None or one.machine_label == label)
        and (at_least <= 0 or (one.score is not None and one.score >= at_least))
    ]
    if len(found) > limit:
        return Slice(found[:limit], found[limit - 1].image_id)
    more = len(scanned) == (max(limit, SCANNED) if filtered else limit)
    return Slice(found, scanned[-1].image_id if more else None)


def _of_states(
    session: Session, home: Path, project: Project, states: Sequence[ImageState], *, leads: bool
) -> list[MachineLabel]:
    hidden = set() if leads else label_list.blind_and_open(session, [one.image_id for one in states])
    try:
        champion = champion_labels(session, home, project.id)
    except (Conflict, Unavailable) as error:
        found = [MachineLabel(one.image_id, one.content_hash, one.label, why=error.message) for one in states]
    else:
        found = _said(champion, project, states)
    return [_hidden(one) if one.image_id in hidden else one for one in found]


def _said(champion: ChampionLabels, project: Project, states: Sequence[ImageState]) -> list[MachineLabel]:
    rows = champion.rows_of([one.image_id for one in states])
    said = champion.said(rows[rows >= 0])
    classes, number = project.config.classes, champion.version.number
    of_row = zip(said.positions.tolist(), said.probabilities.tolist(), said.scores.tolist(), strict=True)
    found = []
    for state, row in zip(states, rows, strict=True):
        one = MachineLabel(state.image_id, state.content_hash, state.label, version=number)
        if row < 0:
            found.append(replace(one, why=_why_not_predicted(state, number)))
            continue
        position, probability, score = next(of_row)
        found.append(
            replace(
                one, machine_label=classes[position], probability=probability, score=score, made_at=champion.made_at
            )
        )
    return found


def _hidden(one: MachineLabel) -> MachineLabel:
    return MachineLabel(one.image_id, one.content_hash, None, why=BLIND, hidden=True)


def _why_not_predicted(state: ImageState, version: int) -> str:
    """Why a version says nothing of an image."""
    if not state.prelabelled:
        return "its first pre-label is not made yet"
    if not state.grouped:
        return "its near-duplicate group is not known yet"
    return f"it came after version {version} had predicted"
