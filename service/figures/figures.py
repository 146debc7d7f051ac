"""Every figure by its name: what it holds, how it is kept, how it is read back.

In: structs of this folder from the worker, and rows of the database. Out: the one as the other. A figure that was kept
in another form than its struct is read as one that is not there; `outdated` names it, and `is_current` lets the worker
count it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from sqlalchemy.orm import Session

from db.views.dashboard import Figure
from db.views.figures import NewFigure, data_of, kept_fingerprint
from labeling.types import ProjectId
from service.figures.accuracy import Acceptance, Confusion, Hardest, HoldoutByVersion, LabelsBySource, Rounds
from service.figures.agreement import Agreement, Consensus
from service.figures.drift import Drift, EngineCanaries
from service.figures.engines import EngineReliability, EngineWork
from service.figures.label_errors import LabelErrors
from service.figures.label_quality import LabelQuality
from service.figures.machine_labels import MachineLabels
from service.figures.team import Team

__all__ = ["FIGURES", "OF_CLASSIFIERS", "OF_PEOPLE", "is_current", "name_of", "outdated", "read", "stored", "write"]

OF_CLASSIFIERS: Mapping[str, type[msgspec.Struct]] = {
    "holdout_by_version": HoldoutByVersion,
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
    "drift": Drift,
    "engine_canaries": EngineCanaries,
    "label_quality": LabelQuality,
}
"""What the jobs `quality` and `inspect` count."""
FIGURES: Mapping[str, type[msgspec.Struct]] = {**OF_CLASSIFIERS, **OF_PEOPLE}

_NAMES = {kind: name for name, kind in FIGURES.items()}

T = TypeVar("T", bound=msgspec.Struct)


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
    """The names of figures that another release kept in another form. The worker counts them anew."""
    return frozenset(
        name for name, figure in kept.items() if name in FIGURES and _in_form(figure.data, FIGURES[name]) is None
    )


def is_current(
    session: Session, project_id: ProjectId, fingerprint: str, *kinds: type[msgspec.Struct], part: str = ""
) -> bool:
    """Whether figures of these kinds are kept, in their form of today, and were counted from these very facts."""
    return fingerprint == kept_fingerprint(session, project_id, part) and all(
        stored(session, project_id, kind) is not None for kind in kinds
    )


def _in_form(data: Mapping[str, Any] | None, kind: type[T]) -> T | None:
    try:
        return None if data is None else msgspec.convert(data, kind)
    except msgspec.ValidationError:
        return None
