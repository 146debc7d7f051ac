"""Arms that take turns, so that what else the machine does meets them alike; the median counts."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

__all__ = ["rate_line", "take_turns"]


def take_turns(arms: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every arm in every round, after one turn that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(rounds + 1):
        for name, work in arms.items():
            started = perf_counter()
            work()
            if turn:
                seconds[name].append(perf_counter() - started)
    return seconds


def rate_line(arm: str, n: int, seconds: Sequence[float]) -> dict[str, Any]:
    """Images a second: the median round, the slowest and the quickest."""
    return {
        "arm": arm,
        "n": n,
        "rounds": len(seconds),
        "images_per_s": round(n / statistics.median(seconds), 1),
        "spread": [round(n / max(seconds), 1), round(n / min(seconds), 1)],
    }
