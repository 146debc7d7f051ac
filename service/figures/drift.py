"""The figures about what has changed: images, classes, engines and annotators, and endpoints behind an engine."""

from __future__ import annotations

from datetime import datetime

import msgspec

from service.figures.estimates import Known

__all__ = ["Canary", "Drift", "EngineCanaries", "EngineChange", "Habit", "Inputs", "Look", "Moved", "Prior", "Right"]


class Look(msgspec.Struct, kw_only=True):
    """New images against old ones."""

    size: float
    """How large the change is."""
    p_value: float
    level: float
    """The p-value under which a test finds a change: of tests where nothing changed, at most this share finds one."""
    before: int
    """Old images, one a group."""
    after: int
    """The newest of those that came later, 300 at most."""


class Inputs(Look, kw_only=True):
    """Whether new images look otherwise."""

    separability: Known
    """How often a classifier tells new images from old ones; half of the time is chance."""
    images: list[int]
    """Some of the newest."""


class Moved(msgspec.Struct):
    """One class."""

    label: str
    before: float
    """Its share of the old images."""
    after: float
    """Its share of the new ones."""
    corrected: float | None
    """The same, corrected for how the champion errs; null while that is not known."""


class Prior(Look, kw_only=True):
    """Whether the classes are spread otherwise."""

    classes: list[Moved]


class EngineChange(msgspec.Struct):
    """An engine whose revision has changed."""

    engine: str
    earlier: str
    """The earlier revision."""
    revision: str
    """The present one."""
    changed: Known
    """The share of images about which it says something else."""


class Right(msgspec.Struct):
    """How often somebody was right."""

    right: float
    """The share."""
    n: int
    """The number of answers that could be judged."""


class Habit(msgspec.Struct):
    """One annotator with at least 20 answers that can be judged, lately and before."""

    annotator: int
    before: Right
    now: Right
    """In the last two weeks."""
    size: float
    """How far the share has fallen."""
    p_value: float
    """Corrected for the number of annotators (Holm)."""
    found: bool
    """Whether that raises an alarm."""
    still: bool
    """Whether an alarm that is open stays."""


class Drift(msgspec.Struct):
    """What has changed among images, engines and people.

    Old are the images that were there at the first champion (at least 200 groups); after an alarm, those that were
    there at the first champion that follows it.
    """

    champion: int | None
    """The number of the present one."""
    since: datetime | None
    """Images until then count as old; null before the first champion."""
    look: int
    """How many hundreds of new groups have come; there is a look with each."""
    inputs: Inputs | None
    """Null before the first look."""
    prior: Prior | None
    """Null before the first look."""
    engines: list[EngineChange]
    annotators: list[Habit]


class Canary(msgspec.Struct):
    """One engine that asks an endpoint."""

    engine: str
    revision: str
    day: str
    """When it was asked again."""
    asked: int
    """Images, 30 at most."""
    differ: int
    """Answers that differ from those of before."""
    lower: float
    """The lower bound of their share at 95 %."""
    changed: Known
    """That share."""
    images: list[int]
    """Some of those that differ."""
    cost_micro: int


class EngineCanaries(msgspec.Struct):
    """Engines that ask an endpoint, asked again once a day about the same images. Absent where no engine asks one."""

    engines: list[Canary]
