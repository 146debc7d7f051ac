"""What a release's page reads of the worker's figures, so that one of another form is left out and breaks nothing."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["SHAPES", "Confusion"]


class Known(msgspec.Struct):
    """A number with its interval; null while it is not yet known, and without an interval where it was counted."""

    known: bool
    n: int
    lower: float | None
    upper: float | None


class Number(Known):
    """The same with its value."""

    value: float | None


class Criterion(msgspec.Struct):
    """One question of the verdict."""

    title: str
    unit: str
    figure: Number | None
    target: float | None
    at_least: bool
    state: str
    why: str


class LabelQuality(msgspec.Struct):
    """Whether the labels can be shipped."""

    words: str
    criteria: list[Criterion]


class OfPeople(msgspec.Struct):
    """How far some people agree."""

    images: int
    people: int
    observed: Number
    fleiss: Number
    alpha: Number


class OfClass(msgspec.Struct):
    """How far they agree on one class."""

    label: str
    alpha: Number


class Everyone(msgspec.Struct):
    """All answers, and perhaps those that saw a pre-label apart."""

    all: OfPeople
    blind: OfPeople | None = None
    anchored: OfPeople | None = None


class Agreement(msgspec.Struct):
    """How far people agree."""

    people: Everyone
    classes: list[OfClass]


class Slice(msgspec.Struct):
    """How many labels of a slice are suspected."""

    by: str
    value: str
    labels: int
    suspects: int


class LabelErrors(msgspec.Struct):
    """How many labels are probably wrong."""

    labels: int
    rate: Number
    found: int
    found_right: int
    slices: list[Slice] = []


class Version(Known):
    """One version on the hold-out."""

    champion: bool
    accuracy: float | None


class ByVersion(msgspec.Struct):
    """All versions on the hold-out."""

    versions: list[Version]


class Cell(msgspec.Struct):
    """How often people said one class (null: none of them) and the classifier another."""

    truth: int | None
    said: int
    count: int


class Confusion(msgspec.Struct):
    """The champion against people on the hold-out."""

    classes: list[str]
    counts: list[Cell]


SHAPES: dict[str, Any] = {
    "label_quality": LabelQuality,
    "agreement": Agreement,
    "label_errors": LabelErrors,
    "holdout_by_version": ByVersion,
    "confusion": Confusion,
}
