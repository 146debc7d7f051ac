"""The figure of the random arm: what as many random labels would have given, what choosing saves and more would add."""

from __future__ import annotations

import msgspec

from service.figures.estimates import Known

__all__ = ["ArmPoint", "OurPoint", "RandomArm"]


class ArmPoint(msgspec.Struct):
    """What so many random labels give."""

    labels: int
    accuracy: Known


class OurPoint(msgspec.Struct):
    """One version: how many chosen labels it learnt from, and how often it is right on the random stream."""

    version: int
    labels: int
    accuracy: Known


class RandomArm(msgspec.Struct):
    """The project's labels against a random sample of them, from the random stream alone.

    A classifier of the same recipe that is fitted on the stream's labels, and tested on those that it was not fitted
    on, stands for a random sample. [random-stream.md](random-stream.md) says more.
    """

    rests_on: int
    """How many images of the stream it rests on; under 40 nothing is known."""
    arm: list[ArmPoint]
    """The smallest first."""
    ours: list[OurPoint]
    """The smallest first."""
    difference: Known
    """Our accuracy minus the arm's at as many labels."""
    pays: str
    """Pays, does not pay, or not yet known."""
    saved: Known
    """Random labels for each chosen one at the same accuracy: 2 means half as many; `upper` null: no bound is known."""
    more: int
    """So many further labels the expected gain speaks of."""
    gain: Known
    """Accuracy that they are expected to add, with a 95 % prediction interval; the three newest versions at least."""
    acted: str
    """What the newest planned comparison at this did to the strategy; empty before the first."""
    made_of: str
    """What it was counted from."""
