"""Every figure by its name: what it holds, how it is kept, how it is read back.

In: structs of this folder from the worker, and rows of the database. Out: the one as the other. A figure that was kept
in another form than its struct is read as one that is not there; `outdated` names it, and `is_current` lets the worker
compute it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from sqlalchemy.orm import Session

from db.views.dashboard import Figure
from db.views.figures import NewFigure, data_of, kept_fingerprint
from labeling.conversion import convert
from labeling.types import ProjectId
from service.figures.accuracy import Acceptance, AccuracyByVersion, Confusion, Hardest, LabelsBySource, Rounds
from service.figures.agreement import Agreement, Consensus
from service.figures.drift import Drift, EngineCanaries
from service.figures.engines import EngineReliability, EngineWork
from service.figures.label_errors import LabelErrors
from service.figures.label_quality import LabelQuality
from service.figures.machine_labels import MachineLabels, NextAttempt
from service.figures.next_action import NextAction
from service.figures.random_arm import RandomArm
from service.figures.random_stream import RandomStream
from service.figures.team import Team
from service.figures.wrong_labels import ShareOfWrongLabels

__all__ = [
    "FIGURES",
    "OF_CLASSIFIERS",
    "OF_PEOPLE",
    "PLOT_FORMAT",
    "Decoded",
    "decode",
    "is_current",
    "name_of",
    "outdated",
    "read",
    "stored",
    "write",
]

OF_CLASSIFIERS: Mapping[str, type[msgspec.Struct]] = {
    "random_stream": RandomStream,
    "accuracy_by_version": AccuracyByVersion,
    "confusion": Confusion,
    "acceptance": Acceptance,
    "hardest": Hardest,
    "labels_by_source": LabelsBySource,
    "machine_labels": MachineLabels,
    "engine_work": EngineWork,
    "engine_reliability": EngineReliability,
    "rounds": Rounds,
}
"""What the job `figures` counts."""
OF_PEOPLE: Mapping[str, type[msgspec.Struct]] = {
    "consensus": Consensus,
    "team": Team,
    "agreement": Agreement,
    "label_errors": LabelErrors,
    "random_arm": RandomArm,
    "next_action": NextAction,
    "next_attempt": NextAttempt,
    "share_of_wrong_labels": ShareOfWrongLabels,
    "drift": Drift,
    "engine_canaries": EngineCanaries,
    "label_quality": LabelQuality,
}
"""What the jobs `quality` and `inspect` count."""
FIGURES: Mapping[str, type[msgspec.Struct]] = {**OF_CLASSIFIERS, **OF_PEOPLE}
PLOT_FORMAT = 1
"""How plots look. Raise it with any change to how a figure is drawn: plots that are kept are then drawn again."""

_NAMES = {kind: name for name, kind in FIGURES.items()}

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Decoded:
    """The figures of a project, each decoded once."""

    kept: Mapping[str, Figure]
    values: Mapping[str, msgspec.Struct]
    outdated: frozenset[str]
    """The names of figures that another release kept in another form. The worker computes them again."""

    def of(self, kind: type[T]) -> T | None:
        """The figure of this kind; None where there is none, or one in another form."""
        found = self.values.get(name_of(kind))
        return found if isinstance(found, kind) else None


def decode(kept: Mapping[str, Figure]) -> Decoded:
    """All figures that are in their form of today, and the names of the others."""
    found = {name: _in_form(figure.data, FIGURES[name]) for name, figure in kept.items() if name in FIGURES}
    values = {name: value for name, value in found.items() if value is not None}
    return Decoded(kept, values, frozenset(found.keys() - values.keys()))


def name_of(kind: type[msgspec.Struct]) -> str:
    """Under which name a figure of this kind is kept."""
    return _NAMES[kind]


def write(value: msgspec.Struct) -> NewFigure:
    """A figure to be kept."""
    return NewFigure(name_of(type(value)), msgspec.to_builtins(value))


def read(kept: Mapping[str, Figure], kind: type[T]) -> T | None:
    """The figure of this kind; None where there is none, or one in another form."""
    found = kept.get(name_of(kind))
    return None if found is None else _in_form(found.data, kind)


def stored(session: Session, project_id: ProjectId, kind: type[T]) -> T | None:
    """The same for one figure alone."""
    return _in_form(data_of(session, project_id, name_of(kind)), kind)


def outdated(kept: Mapping[str, Figure]) -> frozenset[str]:
    """The names of figures that another release kept in another form. The worker computes them again."""
    return decode(kept).outdated


def is_current(
    session: Session, project_id: ProjectId, fingerprint: str, *kinds: type[msgspec.Struct], part: str = ""
) -> bool:
    """Whether figures of these kinds are kept, in their form of today, and were counted from these very facts."""
    return fingerprint == kept_fingerprint(session, project_id, part) and all(
        stored(session, project_id, kind) is not None for kind in kinds
    )


def _in_form(data: Mapping[str, Any] | None, kind: type[T]) -> T | None:
    try:
        return None if data is None else convert(data, kind)
    except msgspec.ValidationError:
        return None
