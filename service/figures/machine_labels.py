"""The figures of machine labels: how many images each threshold takes and how many of their classes are right, and how
many the next attempt at a certificate may accept."""

from __future__ import annotations

import msgspec

__all__ = ["ClassOfRest", "MachineLabels", "NextAttempt", "OneThreshold", "Sure", "Waiting"]


class OneThreshold(msgspec.Struct, kw_only=True):
    """One threshold, and what is known of the machine labels above it; null where that is not yet known."""

    score: float
    """Images whose score is at least this."""
    images: int
    """How many of those without a label."""
    known: bool
    """Whether at least 30 sampled images are above it."""
    n: int
    """How many sampled images are."""
    right: int
    """How many of these are right."""
    precision: float | None
    """The estimated share of right ones, drawn towards the mean probability as if by ten labels."""
    lower: float | None
    """The lower bound: exact, two-sided 98.75 %, so that the bounds of all thresholds hold together in 95 of 100."""
    upper: float | None
    """The upper bound."""


class Sure(msgspec.Struct):
    """An image without a label, and how sure the version is of its class."""

    image_id: int
    probability: float
    """The calibrated one."""
    score: float


class ClassOfRest(msgspec.Struct):
    """The images without a label of which the version says this class."""

    label: str
    images: int
    """How many."""
    surest: list[Sure]
    """Up to 6, the surest first."""
    least_sure: list[Sure]
    """Up to 6 others, the least sure first."""


class Waiting(msgspec.Struct):
    """An image with neither label nor machine label, and why."""

    image_id: int
    why: str


class MachineLabels(msgspec.Struct):
    """What the champion says of images without a label, and how right it is above each threshold.

    Right means: the share right among images that were sampled uniformly, answered blind and never trained on, of those
    above the threshold. An estimate, never a certificate. "None of these" counts as an error.
    """

    version: int | None
    """The champion; null while there is none that has predicted."""
    labelled: int
    """Images with a label."""
    rest: int
    """Images without one that the version has predicted."""
    waiting: int
    """Images with neither."""
    first_waiting: list[Waiting]
    """The first 20 of these."""
    thresholds: list[OneThreshold]
    """The strictest first: the scores that take .2, .3, ... and all of `rest`."""
    classes: list[ClassOfRest]
    """In the order of the label set; a class that the version says of no such image is left out."""


class NextAttempt(msgspec.Struct):
    """How many images the next attempt at a certificate may accept, by training labels and counts.

    Whether a certifying answer is right is not read. A forecast, not measured:
    [certify.md](../how-to/certify.md#what-the-next-attempt-may-accept) says why it has no interval. Only in a project
    whose file names a target.
    """

    version: int | None
    """The version in use, by its number; null with the other numbers where nothing can be said, or nothing is planned
    any more."""
    planned: int | None
    """With so many sampled images it is tried."""
    answered: int | None
    """How many of them have been answered."""
    missing: int | None
    """So many more answers of the random stream bring them: counted, not estimated."""
    others: int | None
    """Images of the set that are not sampled: so many it could accept."""
    expected: int | None
    """So many it may accept by the training labels, which are harder than the set: mostly more is accepted. Null while
    not yet known, under 30 of them."""
    at_least: int | None
    """So many or more in 19 of 20 samples; 0 says nothing."""
    labels: int
    """How many training labels say so."""
    words: str
    """All of it, or why nothing can be said."""
