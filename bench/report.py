"""How every benchmark ends: its arms as JSON lines, then one JSON object with what was aimed at and reached."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Target", "at_least", "at_most", "emit"]


@dataclass(frozen=True, slots=True)
class Target:
    """A measured value beside its goal; `value` is None where the arm did not run."""

    value: float | None
    goal: float
    meets: bool | None


def at_least(value: float | None, goal: float) -> Target:
    """A target that more of is better."""
    return Target(value, goal, None if value is None else value >= goal)


def at_most(value: float | None, goal: float) -> Target:
    """A target that less of is better."""
    return Target(value, goal, None if value is None else value <= goal)


def emit(bench: str, targets: Mapping[str, Target], lines: Iterable[Mapping[str, Any]] = ()) -> None:
    """Print one JSON line an arm, then the line that a machine reads: the last one."""
    for line in lines:
        print(json.dumps(line))
    summary = {
        name: {"value": t.value if t.value is None else round(t.value, 4), "goal": t.goal, "meets": t.meets}
        for name, t in targets.items()
    }
    print(json.dumps({"bench": bench, "targets": summary}))
