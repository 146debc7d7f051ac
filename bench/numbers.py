"""Are the shown numbers true? Every interval is computed on data whose truth is known, and held against it.

A replay draws one project with a seeded `rng` and gives what would be shown beside the truth. `REPLAYS` names one for
each figure; `replayed` runs it over seeds. Printed: coverage, the median width against that of the exact interval of a
uniform sample of the same size, and the mean error in half-widths. Tests run the same replays with fewer seeds.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.report import Target, at_least, at_most, emit
from labeling.estimates import Estimate
from labeling.quality.comparison import calibration_error
from labeling.quality.metrics import expected_calibration_error

__all__ = ["REPLAYS", "Drawn", "Replay", "Summary", "replayed"]

COVERS, WIDTH_RATIO, ERROR_RATIO = 0.93, 1.2, 0.25
MANY = 200_000


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one project would show, beside the truth; `width` is the exact interval's, where there is one."""

    shown: Estimate
    truth: float
    width: float | None = None


Replay = Callable[[np.random.Generator], Drawn]


@dataclass(frozen=True, slots=True)
class Summary:
    """Over all seeds: the share of intervals that hold the truth, their median width and its ratio to the exact one's,
    and the mean error as a share of the median half-width."""

    seeds: int
    coverage: float
    width: float
    width_ratio: float | None
    error_ratio: float

    @property
    def covers(self) -> bool:
        """Whether the coverage is at least .93 as far as so many seeds can say: two standard errors are allowed."""
        return self.coverage >= COVERS - 2 * math.sqrt(COVERS * (1 - COVERS) / self.seeds)


def replayed(replay: Replay, seeds: int) -> Summary:
    """The replay over seeds 0 to `seeds` - 1."""
    drawn = [replay(np.random.default_rng(seed)) for seed in range(seeds)]
    lower, upper = (np.array([getattr(one.shown, end) for one in drawn]) for end in ("lower", "upper"))
    value, truth = np.array([one.shown.value for one in drawn]), np.array([one.truth for one in drawn])
    width = float(np.median(upper - lower))
    exact = [one.width for one in drawn if one.width is not None]
    return Summary(
        seeds,
        float(((lower <= truth) & (truth <= upper)).mean()),
        width,
        width / float(np.median(exact)) if exact else None,
        float(abs((value - truth).mean()) / max(width / 2, 1e-9)),
    )


def calibration(n: int, temperature: float) -> Replay:
    """The calibration error of two classes, whose stated log odds are `temperature` times too large."""

    def rightly(stated: NDArray[np.float64]) -> NDArray[np.float64]:
        odds = (stated / (1 - stated)) ** (1 / temperature)
        return odds / (1 + odds)

    def stated_and_truth(n: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        first = np.clip(rng.beta(6, 0.75, size=n), 0.5, 1 - 1e-9)
        return np.stack([first, 1 - first], axis=1), (rng.random(n) >= rightly(first)).astype(np.int64)

    truth = expected_calibration_error(*stated_and_truth(MANY, np.random.default_rng(0))) if temperature != 1 else 0.0

    def replay(rng: np.random.Generator) -> Drawn:
        return Drawn(calibration_error(*stated_and_truth(n, rng), np.arange(n), rng), truth)

    return replay


REPLAYS: Mapping[str, Replay] = {
    f"calibration error, n {n}, T {temperature:g}": calibration(n, temperature)
    for n in (40, 100, 300)
    for temperature in (1.0, 1.5, 3.0)
}


def main() -> None:
    """Replay every figure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--only", default="", help="the beginning of the names to replay")
    options = parser.parse_args()
    lines, targets = [], dict[str, Target]()
    for name, replay in REPLAYS.items():
        if not name.startswith(options.only):
            continue
        found = replayed(replay, options.seeds)
        lines.append({"figure": name, **{key: getattr(found, key) for key in Summary.__slots__}})
        targets[f"{name}: coverage"] = at_least(found.coverage, COVERS)
        targets[f"{name}: mean error"] = at_most(found.error_ratio, ERROR_RATIO)
        if found.width_ratio is not None:
            targets[f"{name}: width ratio"] = at_most(found.width_ratio, WIDTH_RATIO)
    emit("numbers", targets, lines)


if __name__ == "__main__":
    main()
