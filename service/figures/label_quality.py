"""The figures of the Label quality page: one struct each, as stored."""

from __future__ import annotations

from typing import Any

import msgspec


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
