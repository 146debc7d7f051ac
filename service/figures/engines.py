"""The figures about engines: what they did, and how far their confidence is from how often they are right."""

from __future__ import annotations

import msgspec

from db.views.engine_stats import RevisionFacts

__all__ = ["EngineReliability", "EngineWork", "Reliability", "ReliabilityBin", "ReliabilityOfEngine"]


class EngineWork(msgspec.Struct):
    """What engines did, counted over all prelabels. The Engines page shows it."""

    revisions: list[RevisionFacts]
    """The one used last first."""
    flags: list[tuple[str, int]]
    """Each flag, with how many prelabels bear it."""


class ReliabilityBin(msgspec.Struct):
    """Images of like confidence (tenths), and the share of them that was right."""

    confidence: float
    """Its mean."""
    value: float
    """The share that was right."""
    lower: float
    """The lower bound at 95 %."""
    upper: float
    """The upper bound."""
    n: int
    """The number of images."""


class Reliability(msgspec.Struct):
    """How far confidence is from how often an engine is right."""

    known: bool
    """False while it rests on fewer than 30 images."""
    n: int
    """The number of images; 0 for an engine without probabilities."""
    calibration_error: float | None
    """How far confidence is from accuracy on average, less what chance adds; 0 is best, null while not yet known."""
    bins: list[ReliabilityBin]
    """Those that hold images."""


class ReliabilityOfEngine(msgspec.Struct):
    """One engine in force."""

    engine: str
    revision: str
    measured_on: str
    """Which labels: the random stream, for an engine of the escalation only its images that were in doubt."""
    calibrated_on: int
    """How many labels its terms rest on."""
    calibration: int | None
    """The number of its terms; null: it is not calibrated."""
    as_given: Reliability
    calibrated: Reliability


class EngineReliability(msgspec.Struct):
    """Each engine in force, before and after calibration; it has a plot.

    Measured on the random stream, on which the terms are fitted too: each fifth is read by terms of the other four.
    An engine of the escalation is measured only on images that were in doubt.
    """

    engines: list[ReliabilityOfEngine]
    """The first one, then the escalation."""

    @property
    def drawable(self) -> bool:
        """Whether there is enough for a plot."""
        return any(one.as_given.known or one.calibrated.known for one in self.engines)
