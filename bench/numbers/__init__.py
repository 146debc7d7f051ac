"""Are the shown numbers true? Every interval is computed on data whose truth is known, and held against it.

`REPLAYS` names the replays of all figures: what is before the first comma of a name is the figure, what follows its
cell. `shown` is the registry: which field of which figure rests on which replay. `python -m bench.numbers` runs all;
tests run the same replays with fewer seeds.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.numbers import (
    agreement,
    anchoring,
    arrivals,
    calibration,
    costs,
    drift,
    gate,
    people,
    random_arm,
    shares,
    stored,
    stream,
    wrong_labels,
)
from bench.numbers.gate import Recipe, promoted_share, promotions_on_digits
from bench.numbers.replay import Drawn, Replay, Summary, replayed

__all__ = [
    "REPLAYS",
    "Drawn",
    "Recipe",
    "Replay",
    "Summary",
    "figure_of",
    "promoted_share",
    "promotions_on_digits",
    "replayed",
]

REPLAYS: Mapping[str, Replay] = {
    name: replay
    for module in (
        stream,
        stored,
        arrivals,
        shares,
        random_arm,
        gate,
        calibration,
        agreement,
        people,
        anchoring,
        wrong_labels,
        costs,
        drift,
    )
    for name, replay in module.REPLAYS.items()
}


def figure_of(name: str) -> str:
    """The figure that a replay speaks of.

    >>> figure_of("savings, 40 images, 1 times, 0.8 alike")
    'savings'
    """
    return name.split(",", 1)[0]
