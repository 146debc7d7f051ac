"""The figures about several answers to one question: how far people agree, and how answers became one label."""

from __future__ import annotations

import msgspec

from service.figures.estimates import Known

__all__ = [
    "Agreement",
    "Among",
    "Annotator",
    "Cell",
    "Confused",
    "Consensus",
    "OneClass",
    "Pair",
    "People",
    "Picture",
    "WithEngine",
]


class Consensus(msgspec.Struct):
    """How several answers became one label."""

    method: str
    """As in the policy."""
    images: int
    """Those that were weighed."""
    quality: dict[str, float]
    """By annotator, how often what they say is true by this method. Annotators are named by their number, an engine as
    `engine:` and its revision. The majority weighs all people alike, so it has none."""
    by_majority: str = ""
    """Why every label is by majority although the policy names another method; empty where it weighs."""


class Among(msgspec.Struct):
    """How far some answers agree."""

    images: int
    """Those with two answers or more."""
    people: int
    observed: Known
    """How often two people say the same."""
    fleiss: Known
    """Fleiss' kappa."""
    alpha: Known
    """Krippendorff's alpha."""


class People(msgspec.Struct):
    """All answers, and those that saw a pre-label apart: whoever saw one is not independent of the engine."""

    all: Among
    blind: Among
    """Answers that saw no pre-label."""
    anchored: Among
    """Answers that saw one."""


class OneClass(msgspec.Struct):
    """How far people agree on one class, against all others."""

    label: str
    alpha: Known


class Annotator(msgspec.Struct):
    """Somebody who answered."""

    id: int
    name: str
    """As the policy shows it."""


class Cell(msgspec.Struct):
    """The first person said one class where the second said another."""

    first: str
    second: str
    count: int
    images: list[int]
    """Some of them, by number."""


class Pair(msgspec.Struct):
    """Two people who answered about the same images."""

    first: Annotator
    second: Annotator
    same: Known
    """How often they say the same."""
    kappa: Known
    """Cohen's kappa."""
    disagreements: list[Cell]


class Picture(msgspec.Struct):
    """An image."""

    image_id: int
    content_hash: str
    ls_task_id: int | None
    """Null: it stands in no task."""


class Confused(msgspec.Struct):
    """Two classes that people take for each other."""

    one: str
    other: str
    count: int
    """Images about which somebody said the one and somebody the other."""
    images: list[Picture]
    """The newest; those about which somebody is asked again are left out."""


class WithEngine(msgspec.Struct):
    """How far an engine agrees with what most people said blind."""

    engine: str
    revision: str
    same: Known
    kappa: Known
    """Cohen's kappa."""


class Agreement(msgspec.Struct):
    """How far people agree with each other, and engines with people."""

    people: People
    classes: list[OneClass]
    pairs: list[Pair]
    """Those with the most images first."""
    confusion: list[Confused]
    """The most frequent first."""
    engines: list[WithEngine]
