"""How much does a certificate accept, and how often is its promise broken?

The certifier alone, on sets with known truth: calibrated scores (the chance of being right is Beta(6, .75)), a plateau
on which precision stays just under p from 12 % of the set on, and errors where the scan finds them hardest. Every
replay draws a new uniform sample. *Scan* and *finished* are the product's functions; *chain* is the published scan of
91 ranks, which counts sampled errors too. Coverage is what is accepted over what an oracle that knows the truth would
accept with the same sample.

python -m bench.certify [--pools 12] [--samples 50] [--seconds 600]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from bench.report import Target, at_least, at_most, emit
from labeling.certify.band import band, crossing_chance, errors_allowed
from labeling.certify.finished import finished
from labeling.certify.scan import scan
from labeling.quality.metrics import clopper_pearson

KINDS = ("calibrated", "plateau", "hardest")
SIZES, SAMPLES, PRECISIONS, DELTAS = (5_000, 1_500, 500), (100, 200, 500), (0.9, 0.95, 0.98), (0.1, 0.05)
ARMS = ("scan", "chain", "finished")
STRICT = 0.12
"""From this share of a set on its plateau begins."""
RANKS = np.linspace(0.1, 1, 91)

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of set and the terms of its certificate."""

    kind: str
    size: int
    drawn: int
    precision: float
    delta: float


def wrong_images(cell: Cell, rng: np.random.Generator) -> Flags:
    """Which images of a set are wrong, in order of score, (N,)."""
    if cell.kind == "calibrated":
        return np.asarray(rng.random(cell.size) >= -np.sort(-rng.beta(6, 0.75, cell.size)))
    ranks, errors = hardest(cell) if cell.kind == "hardest" else plateau(cell)
    every = np.arange(cell.size + 1)
    above = np.where(every < ranks[0], 0, np.ceil(np.interp(every, ranks, errors) - 1e-9))  # errors down to each rank
    wrong = np.diff(above) > 0
    wrong[ranks[0] - int(errors[0]) : ranks[0]] = True
    return np.asarray(wrong)


def plateau(cell: Cell) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ranks, and how many errors lie above them: one more than is allowed, from 12 % of the set on."""
    ranks = np.arange(int(STRICT * cell.size), cell.size + 1)
    return ranks, errors_allowed(ranks, cell.precision) + 1


def hardest(cell: Cell) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ranks, and how many errors lie above them: one too many at each rank that a number of found errors may pass.

    Down to the next one they come as evenly as can be, so that what was accepted wrongly stays wrong.
    """
    left = cell.size - cell.drawn
    bounds = np.array(band(cell.size, cell.drawn, cell.delta, int(errors_allowed(left, cell.precision))).left, np.int64)
    share = (1 - cell.precision) * left / cell.size
    ranks, errors = np.ceil((bounds + 0.5) / share).astype(np.int64), bounds + np.arange(len(bounds)) + 1
    kept = ranks <= cell.size
    if not kept.any():
        return plateau(cell)
    end = errors[kept][-1] + math.ceil(1.3 * share * (cell.size - ranks[kept][-1]))
    return np.append(ranks[kept], cell.size + 1), np.append(errors[kept], end)


@cache
def chain(size: int, drawn: int, precision: float, delta: float) -> tuple[float, NDArray[np.int64], NDArray[np.int64]]:
    """The published scan: its local level, 91 ranks, and how many found errors each passes with; -1 for none."""
    ranks = np.unique(np.round(RANKS * size).astype(np.int64))
    bad = errors_allowed(ranks, precision) + 1
    low, high = 0.0, delta
    for _ in range(10):
        middle = (low + high) / 2
        most = _most(size, drawn, bad, middle)
        first = np.array([bad[most >= h].min() for h in range(most.max() + 1)], np.int64)
        holds = crossing_chance(size, drawn, first - 1 - np.arange(len(first))) <= delta
        low, high = (middle, high) if holds else (low, middle)
    return low, ranks, _most(size, drawn, bad, low)


def _most(size: int, drawn: int, bad: NDArray[np.int64], level: float) -> NDArray[np.int64]:
    found = np.arange(min(drawn, drawn * int(bad[-1]) // size + 3))  # a level under one half: under the mean
    return np.asarray((hypergeom.cdf(found, size, bad[:, None], drawn) <= level).sum(axis=1) - 1, np.int64)


def accepted(arm: str, sampled: Flags, right: Flags, cell: Cell) -> int:
    """The rank that an arm accepts, 0 for none."""
    if arm == "finished":
        return finished(sampled, right, 1 - cell.precision, cell.delta).rank
    if arm == "scan":
        found = scan(sampled, right, cell.precision, cell.delta).accepted
        return found.rank if found else 0
    _, ranks, most = chain(cell.size, cell.drawn, cell.precision, cell.delta)
    wrong = np.zeros(cell.size, np.int64)
    wrong[np.flatnonzero(sampled)] = ~right
    passes = ranks[np.cumsum(wrong)[ranks - 1] <= most]
    return int(passes[-1]) if len(passes) else 0


def replays(cell: Cell, pools: int, samples: int) -> Iterator[NDArray[np.float64]]:
    """By arm, (A, 3): the share that is accepted, the oracle's, and whether the promise is broken."""
    for pool in range(pools):
        rng = np.random.default_rng(pool)
        wrong = wrong_images(cell, rng)
        for _ in range(samples):
            sampled = rng.permutation(cell.size) < cell.drawn
            unsampled, errors = (np.cumsum(some, dtype=np.int64) for some in (~sampled, wrong & ~sampled))
            within = {
                "precision": errors <= errors_allowed(unsampled, cell.precision),
                "finished": errors <= errors_allowed(cell.size, cell.precision),
            }
            yield np.array([_held(arm, sampled, ~wrong[sampled], cell, unsampled, within) for arm in ARMS])


def _held(
    arm: str, sampled: Flags, right: Flags, cell: Cell, unsampled: NDArray[np.int64], within: dict[str, Flags]
) -> tuple[float, float, float]:
    kept = within["finished" if arm == "finished" else "precision"]
    rank, best = accepted(arm, sampled, right, cell), np.flatnonzero(kept)[-1:]
    share = float(unsampled[rank - 1] / unsampled[-1]) if rank else 0.0
    oracle = float(unsampled[best[0]] / unsampled[-1]) if len(best) else 0.0
    return share, oracle, float(bool(rank) and not kept[rank - 1])


def line(cell: Cell, pools: int, samples: int) -> dict[str, Any]:
    """What the arms come to in one cell."""
    held = np.array(list(replays(cell, pools, samples)))  # (R, A, 3)
    share, oracle, broken = held.mean(axis=0).T
    found: dict[str, Any] = {
        "kind": cell.kind, "size": cell.size, "sample": cell.drawn, "p": cell.precision, "delta": cell.delta,
        "replays": len(held), "oracle": round(float(oracle[0]), 3),
    }  # fmt: skip
    for at, arm in enumerate(ARMS):
        times = int(held[:, at, 2].sum())
        found |= {
            f"{arm}_coverage": round(float(share[at] / oracle[at]), 3) if oracle[at] else None,
            f"{arm}_accepts": round(float(share[at]), 3),
            f"{arm}_broken": round(float(broken[at]), 4),
            f"{arm}_broken_at_least": round(clopper_pearson(times, len(held), 0.998)[0], 4),
        }
    return found


def targets(lines: list[dict[str, Any]]) -> dict[str, Target]:
    """Each cell's exact 99.9 % bound, and the 95 % bound of all, within delta; as much accepted as by the chain."""
    found: dict[str, Target] = {}
    for arm in ("scan", "finished"):
        over = [one[f"{arm}_broken_at_least"] - one["delta"] for one in lines]
        found[f"{arm}: bound of the worst cell, less delta"] = at_most(max(over, default=None), 0.0)
        for delta in DELTAS:
            cells = [one for one in lines if one["delta"] == delta]
            n, times = sum(one["replays"] for one in cells), sum(one[f"{arm}_broken"] * one["replays"] for one in cells)
            bound = clopper_pearson(round(times), n, 0.9)[0] if n else None
            found[f"{arm}: bound of all cells together at {delta}"] = at_most(bound, delta)
    scored = [one for one in lines if one["kind"] == "calibrated" and one["size"] == 5_000]
    ratio = sum(one["scan_accepts"] for one in scored) / sum(one["chain_accepts"] for one in scored) if scored else None
    found["scan accepts, over the chain of 91 ranks, 5,000 images"] = at_least(ratio, 0.95)
    return found


def main() -> None:
    """A line a cell, as many cells as the time allows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pools", type=int, default=12, help="sets a cell")
    parser.add_argument("--samples", type=int, default=50, help="samples of each set")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no further cell is begun after so many")
    args = parser.parse_args()
    started, lines = time.monotonic(), []
    every = [Cell(*one) for one in product(KINDS, SIZES, SAMPLES, PRECISIONS, DELTAS) if one[2] < one[1]]
    for cell in every:
        if time.monotonic() - started > args.seconds:
            break
        lines.append(line(cell, args.pools, args.samples))
    emit("certify", targets(lines) | {"cells that were run": at_least(len(lines), len(every))}, lines)


if __name__ == "__main__":
    main()
