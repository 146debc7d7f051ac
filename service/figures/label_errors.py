"""The figure about labels that are suspected to be wrong."""

from __future__ import annotations

import msgspec

__all__ = ["LabelErrors", "OfClass", "OnRandom", "SentBack", "Slice", "Suspect", "Twin"]


class SentBack(msgspec.Struct):
    """What went back to people."""

    images: int
    waiting: int
    """Of these, how many wait for an answer."""
    changed: int
    """Of these, how many labels were ever changed."""


class OnRandom(msgspec.Struct):
    """Labels of the random stream."""

    labels: int
    found: int
    """Of these, how many are suspect."""
    corrected: int
    """How many were ever corrected."""


class OfClass(msgspec.Struct):
    """Labels of one class."""

    label: str
    labels: int
    suspects: int


class Slice(msgspec.Struct):
    """A part of the labels."""

    by: str
    """Folder, kind of review or source."""
    value: str
    """Which of them."""
    labels: int
    suspects: int


class Twin(msgspec.Struct):
    """A near-duplicate with another label."""

    image_id: int
    content_hash: str
    given: str
    """Its label."""


class Suspect(msgspec.Struct):
    """One label that is suspected to be wrong."""

    image_id: int
    label_id: int
    content_hash: str
    given: str
    """The label."""
    suggested: str | None
    """The class that fits better; null where only a twin contradicts."""
    score: float | None
    """0 to 1, lower is more suspicious."""
    kind: str
    """Who suspects it: classifier, twins or both."""
    twins: list[Twin]
    random: bool
    """Whether it is of the random stream."""
    source: str
    """Where the label comes from."""
    ls_task_id: int | None
    """Null: the image stands in no task."""


class LabelErrors(msgspec.Struct):
    """Labels that a classifier that never saw them, or a near-duplicate, contradicts: a ranking, and no rate.

    How many labels are wrong is in `share_of_wrong_labels`.
    """

    labels: int
    """How many were judged."""
    found: int
    """How many are suspect and wait for a review."""
    found_right: int
    """How many were reviewed and found right."""
    sent_back: SentBack
    random: OnRandom
    classes: list[OfClass]
    slices: list[Slice]
    suspects: list[Suspect]
    """At most 200, twins first, then the most suspicious."""
    last_label_id: int
    """The newest label that was considered."""
    config_version: int
    """The configuration of the project then."""
