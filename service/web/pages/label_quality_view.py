"""What the Label quality page shows: the worker's figures read back into plain values, and where suspects stand now.

In: figures as stored (docs/reference/figures.md). Out: one value for the template. A figure that is missing, or that an
older worker wrote in another form, is simply not shown. Suspects that were seen to since they were listed are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy.orm import Session

from db.views import dashboard, label_audit
from labeling.project import Project

__all__ = ["LabelView", "look_at_labels"]

SHOWN = 60
T = TypeVar("T")


class Known(msgspec.Struct, kw_only=True):
    """A figure with its interval; its numbers are null while it rests on too few images, or is counted exactly."""

    known: bool
    n: int
    value: float | None
    lower: float | None
    upper: float | None


class Criterion(msgspec.Struct):
    """One question with its figure, its target (null: told only) and how it stands."""

    name: str
    title: str
    unit: str
    where: str
    figure: Known | None
    target: float | None
    at_least: bool
    state: str
    why: str


class Source(msgspec.Struct):
    """How many labels come from there."""

    source: str
    count: int


class OneClass(msgspec.Struct):
    """One class: its labels, how many are suspected, how far people agree on it, how often the champion finds it."""

    label: str
    labels: int
    suspects: int
    alpha: Known
    holdout: Known


class Slice(msgspec.Struct):
    """A part of the labels."""

    by: str
    value: str
    labels: int
    suspects: int


class Verdict(msgspec.Struct):
    """The figure `label_quality`."""

    verdict: str
    words: str
    criteria: list[Criterion]
    sources: list[Source]
    classes: list[OneClass]
    slices: list[Slice]
    coverage: dict[str, int]
    holdout: dict[str, int | None]
    suspects: dict[str, Any]


class Person(msgspec.Struct):
    """An annotator as shown."""

    id: int
    name: str


class Picture(msgspec.Struct):
    """An image and its task; null: it stands in none."""

    image_id: int
    content_hash: str
    ls_task_id: int | None = None


class Cell(msgspec.Struct):
    """How often the first person said this where the second said that."""

    first: str
    second: str
    count: int


class Pair(msgspec.Struct):
    """Two people who answered about the same images."""

    first: Person
    second: Person
    same: Known
    kappa: Known
    disagreements: list[Cell]


class Confused(msgspec.Struct):
    """Two classes that people take for each other."""

    one: str
    other: str
    count: int
    images: list[Picture]


class Among(msgspec.Struct):
    """How far some answers agree."""

    images: int
    people: int
    observed: Known
    fleiss: Known
    alpha: Known


class WithEngine(msgspec.Struct):
    """How far an engine agrees with blind answers."""

    engine: str
    revision: str
    same: Known
    kappa: Known


class Agreement(msgspec.Struct):
    """The figure `agreement`."""

    people: dict[str, Among]
    pairs: list[Pair]
    confusion: list[Confused]
    engines: list[WithEngine]


class Twin(msgspec.Struct):
    """A near-duplicate with another label."""

    image_id: int
    content_hash: str
    given: str


class Suspect(msgspec.Struct):
    """One label that is probably wrong."""

    image_id: int
    label_id: int
    content_hash: str
    given: str
    suggested: str | None
    score: float | None
    kind: str
    twins: list[Twin]
    holdout: bool
    ls_task_id: int | None


class LabelErrors(msgspec.Struct):
    """The figure `label_errors`."""

    found: int
    suspects: list[Suspect]


class Moved(msgspec.Struct):
    """One class then and now."""

    label: str
    before: float
    after: float
    corrected: float | None


class Inputs(msgspec.Struct):
    """New images against old ones."""

    p_value: float
    level: float
    after: int
    told_apart: Known


class Prior(msgspec.Struct):
    """How the classes are spread."""

    size: float
    p_value: float
    level: float
    after: int
    classes: list[Moved]


class Share(msgspec.Struct):
    """How often somebody was right."""

    right: float
    n: int


class Habit(msgspec.Struct):
    """One annotator then and now."""

    annotator: int
    before: Share
    now: Share
    p_value: float
    found: bool


class EngineChange(msgspec.Struct):
    """How many answers changed from one look of an engine to the next."""

    engine: str
    changed: Known


class Canary(msgspec.Struct):
    """One endpoint engine, asked again about the same images."""

    engine: str
    day: str
    asked: int
    differ: int


class Canaries(msgspec.Struct):
    """The figure `engine_canaries`."""

    engines: list[Canary]


class Drift(msgspec.Struct):
    """The figure `drift`."""

    inputs: Inputs | None
    prior: Prior | None
    engines: list[EngineChange]
    annotators: list[Habit]


@dataclass(frozen=True, slots=True)
class LabelView:
    """Everything that the page shows; what is None is not there yet."""

    verdict: Verdict | None
    agreement: Agreement | None
    errors: LabelErrors | None
    pool: list[Suspect]
    holdout: list[Suspect]
    drift: Drift | None
    canaries: Canaries | None
    computed_at: datetime | None


def look_at_labels(session: Session, project: Project) -> LabelView:
    """Read the figures, and leave out the suspects that were seen to since."""
    figures = dashboard.figures(session, project.id)
    errors = _read(figures, "label_errors", LabelErrors)
    waiting = _waiting(session, project, errors.suspects if errors else [])
    return LabelView(
        verdict=_read(figures, "label_quality", Verdict),
        agreement=_read(figures, "agreement", Agreement),
        errors=errors,
        pool=[one for one in waiting if not one.holdout][:SHOWN],
        holdout=[one for one in waiting if one.holdout][:SHOWN],
        drift=_read(figures, "drift", Drift),
        canaries=_read(figures, "engine_canaries", Canaries),
        computed_at=figures["label_quality"].computed_at if "label_quality" in figures else None,
    )


def _waiting(session: Session, project: Project, listed: list[Suspect]) -> list[Suspect]:
    """Those whose label still stands, was not found right, and about which nobody is asked."""
    standing = label_audit.standing_labels(session, project.id, [one.label_id for one in listed])
    right = label_audit.checked_labels(session, project.id)
    asked = label_audit.open_images(session, standing.values())
    return [
        one for one in listed if one.label_id in standing and one.label_id not in right and one.image_id not in asked
    ]


def _read(figures: dict[str, dashboard.Figure], name: str, kind: type[T]) -> T | None:
    if name not in figures:
        return None
    try:
        return msgspec.convert(figures[name].data, kind)
    except msgspec.ValidationError:
        return None
