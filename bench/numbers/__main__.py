"""Replay every figure; print the worst cell of each as a table, a line a cell, and the targets.

Each cell is also written to the errors' stream when it is done.

python -m bench.numbers [--seeds 200] [--only NAME] [--vectors FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.numbers import REPLAYS, figure_of
from bench.numbers.collections import use
from bench.numbers.replay import Summary, replayed
from bench.report import Target, emit

DEAR: Mapping[str, int] = {
    "random arm": 2,
    "our accuracy minus random's": 2,
    "lower bound of a verdict": 2,
    "calibration error": 2,
    "p-value of new images": 4,
    "separability of new images": 2,
}
"""Figures whose replay takes long: so many times fewer seeds."""
AS_STORED = ", as stored,"
"""Cells in which a whole project is played: four times fewer."""


def main() -> None:
    """Replay what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--only", default="", help="the beginning of the names to replay")
    parser.add_argument("--vectors", type=Path, help="a folder that keeps the vectors of the sets from run to run")
    options = parser.parse_args()
    if options.vectors:
        options.vectors.mkdir(parents=True, exist_ok=True)
        use(options.vectors)
    cells = defaultdict[str, dict[str, Summary]](dict)
    for name, replay in REPLAYS.items():
        if name.startswith(options.only):
            figure = figure_of(name)
            fewer = 4 if AS_STORED in name else DEAR.get(figure, 1)
            cells[figure][name] = replayed(replay, max(options.seeds // fewer, 10))
            sys.stderr.write(f"{name}: {_fields(cells[figure][name])}\n")
    sys.stdout.write("".join(f"{line}\n" for line in _table(cells)) + "\n")
    lines = [{"figure": name, **_fields(one)} for found in cells.values() for name, one in found.items()]
    emit("numbers", {figure: _target(found) for figure, found in cells.items()}, lines)


def _fields(one: Summary) -> dict[str, object]:
    found: dict[str, object] = {key: getattr(one, key) for key in Summary.__slots__}
    return {**found, "meets": _meets(one)}


def _meets(one: Summary) -> bool:
    return one.covers and one.narrow and one.unbiased


def _target(found: Mapping[str, Summary]) -> Target:
    """The share of its cells that meet all three rules, which shall be all."""
    shown = [one for one in found.values() if one.seeds]
    share = sum(_meets(one) for one in shown) / len(shown) if shown else None
    return Target(share, 1.0, None if share is None else share >= 1.0)


def _table(cells: Mapping[str, Mapping[str, Summary]]) -> Iterator[str]:
    """One line a figure: how many cells, the least coverage, the largest ratio of widths and mean error."""
    yield "| figure | cells | least coverage | width over exact | mean error, half-widths | missed |"
    yield "|---|---|---|---|---|---|"
    for figure, found in cells.items():
        shown = [one for one in found.values() if one.seeds]
        if shown:
            yield "| " + " | ".join([figure, str(len(shown)), *_worst(shown)]) + " |"


def _worst(shown: list[Summary]) -> Iterator[str]:
    yield f"{min(one.coverage for one in shown):.3f}".lstrip("0")
    ratios = [one.width_ratio for one in shown if one.width_ratio is not None]
    yield f"{max(ratios):.2f}" if ratios else ""
    errors = [one.error_ratio for one in shown if one.error_ratio is not None]
    yield f"{max(errors):.2f}" if errors else ""
    missed = [
        f"{sum(not rule for rule in rules)} {what}"
        for what, rules in (
            ("coverage", [one.covers for one in shown]),
            ("width", [one.narrow for one in shown]),
            ("mean error", [one.unbiased for one in shown]),
        )
        if not all(rules)
    ]
    yield ", ".join(missed)


if __name__ == "__main__":
    main()
