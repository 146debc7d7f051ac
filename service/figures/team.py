"""The figure of the Team page, as stored."""

from __future__ import annotations

import msgspec


class Known(msgspec.Struct, kw_only=True):
    """A share or a difference of shares with its interval; its numbers are null while not yet known."""

    known: bool
    n: int
    value: float | None
    lower: float | None
    upper: float | None


class Times(msgspec.Struct):
    """Seconds an answer, and the quarter points around the median."""

    known: bool
    n: int
    median_s: float | None
    lower_s: float | None
    upper_s: float | None


class Drift(msgspec.Struct):
    """The first third of each session against the last."""

    early: Known
    late: Known
    change: Known
    early_s: float | None
    late_s: float | None


class OneClass(msgspec.Struct):
    """How often somebody is right on images of one class."""

    label: str
    right: Known


class Found(msgspec.Struct):
    """What the rule holds against somebody."""

    harm: str
    count: int
    n: int
    tolerated: float
    evidence: float
    needed: float
    partner: int | None


class Difference(msgspec.Struct):
    """One image on which somebody says otherwise than is held true."""

    image_id: int
    said: str
    true: str
    gold: bool
    content_hash: str
    ls_task_id: int | None


class Person(msgspec.Struct):
    """One annotator's figures."""

    annotator: int
    answers: int
    gold: Known
    agreement: Known
    kappa: float | None
    accepted_wrong: Known
    blind_error: Known
    anchoring: Known
    times: Times
    per_hour: float | None
    per_day: float | None
    drift: Drift
    quick_copies: Known
    commonest: str
    commonest_share: Known
    usual: Known
    classes: list[OneClass]
    findings: list[Found]
    differences: list[Difference]


class Team(msgspec.Struct):
    """The figure."""

    answers: int
    gold_images: int
    gold_answers: int
    annotators: list[Person]
