"""The figure that says whether labels can be shipped."""

from __future__ import annotations

import msgspec

from service.figures.estimates import Known
from service.figures.label_errors import SentBack, Slice

__all__ = ["Coverage", "Criterion", "RandomLabels", "LabelQuality", "LabelsOfClass", "Source", "Suspects"]


class Criterion(msgspec.Struct):
    """One question with its figure, its target and how it stands."""

    name: str
    title: str
    unit: str
    """Share, index or count."""
    where: str
    """Where its images are: `#` on the page, `/` another page of the project."""
    figure: Known | None
    """Exact ones have no bounds; null: there is none."""
    target: float | None
    """Null: it is shown for information only."""
    at_least: bool
    """Whether the target is a lower one; else it is an upper one."""
    state: str
    """Met, missed, not yet known, or for information."""
    why: str
    """What the number rests on, or what to do so that it is known."""


class Coverage(msgspec.Struct):
    """How many images have a label."""

    images: int
    labelled: int


class Source(msgspec.Struct):
    """Where labels come from."""

    source: str
    count: int


class LabelsOfClass(msgspec.Struct):
    """Labels of one class."""

    label: str
    labels: int
    suspects: int
    alpha: Known
    """How far people agree on it."""
    recall: Known
    """How often the champion finds it."""


class RandomLabels(msgspec.Struct):
    """The labels that judge versions."""

    version: int | None
    """The champion; null while there is none."""
    labels: int
    suspected: int
    corrected: int
    """How many were ever corrected."""


class Suspects(msgspec.Struct):
    """What became of suspected labels."""

    waiting: int
    found_right: int
    sent_back: SentBack


class LabelQuality(msgspec.Struct):
    """Whether the labels can be shipped; needs no other figure to be shown.

    [label-quality.md](label-quality.md) has the targets.
    """

    verdict: str
    """Yes, not yet, or not yet known."""
    words: str
    """The verdict in a sentence."""
    in_the_way: list[str]
    """The names of criteria that are missed or unknown."""
    criteria: list[Criterion]
    coverage: Coverage
    sources: list[Source]
    classes: list[LabelsOfClass]
    slices: list[Slice]
    random: RandomLabels
    suspects: Suspects
