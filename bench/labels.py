"""What an answer is worth: the whole default policy against a random sample and against other strategies.

Accuracy by the number of all answers, on images that no arm may ask, on three image sets with good and with weakened
vectors, at three shares of wrong answers. *Ours* is the version that is delivered, fitted on everything that was asked,
the random stream included; *champion* never trains on the stream; *certified* is ours where second and third answers
about the stream are given as a certificate will need them. The random sample and scikit-activeml's strategies have a
script of few lines, fitted on all their answers.

Seeds go on until the paired standard error of each cell is at most .3 points, or the time is over. Vectors are made
once a run. With `--resume FILE` every run is kept in the file when it is done, and those that it holds are not done
again; a file holds runs of one state of the code, and `--minutes 0` shows what it says. It needs the extra `bench`.

python -m bench.labels [--quick] [--sets digits] [--minutes 85] [--seeds 100] [--resume FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from time import monotonic
from typing import Any

from bench.label_arms import BUDGETS, full_accuracy, run, split
from bench.label_data import SETS, WEAKENED, load, prepare
from bench.label_targets import Cell, Curves, is_known, lines, targets
from bench.peers.active_learning import PEERS
from bench.processes import processes
from bench.report import emit

WRONG = (0.0, 0.05, 0.2)
PEER_SEEDS = 40
"""As a mean over cells the peers are known well enough before."""
QUICK_BUDGETS = (50, 100, 150)
Found = dict[Cell, dict[int, Curves]]
"""By cell and seed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="digits, good and few dimensions, once, to 150 answers")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--minutes", type=float, default=85)
    parser.add_argument("--seeds", type=int, default=100, help="at most")
    parser.add_argument("--resume", type=Path, help="keeps every run that is done, and begins with those it holds")
    chosen = parser.parse_args()
    sets = ["digits"] if chosen.quick else chosen.sets
    cells = [Cell(*cell) for cell in product(sets, WEAKENED, WRONG)]
    if chosen.quick:
        cells = [cell for cell in cells if cell.vectors in WEAKENED[:2] and cell.wrong != 0.05]
    budgets, seeds = (QUICK_BUDGETS, 1) if chosen.quick else (BUDGETS, chosen.seeds)
    found = read_kept(chosen.resume)
    if chosen.minutes > 0:
        until = monotonic() + 60 * chosen.minutes
        with tempfile.TemporaryDirectory(prefix="bench-labels") as folder:
            with processes(1) as pool:
                pool.submit(prepare, sets, Path(folder)).result()
            measure(found, cells, Path(folder), budgets, seeds, until, chosen.resume)
    runs = {cell: list(found[cell].values()) for cell in cells if found[cell]}
    emit("labels", targets(runs), lines(runs))


def measure(
    found: Found,
    cells: Sequence[Cell],
    folder: Path,
    budgets: tuple[int, ...],
    seeds: int,
    until: float,
    kept: Path | None,
) -> None:
    """Add a seed of every cell in turn, two at a time, leaving out cells that are known well enough."""
    took = 0.0
    with processes() as pool:
        for seed in range(seeds):
            started = monotonic()
            open_now = [cell for cell in cells if seed not in found[cell] and not is_known(list(found[cell].values()))]
            if started + took > until:
                break
            for cell, curves in zip(open_now, pool.map(play, *_work(open_now, seed, folder, budgets)), strict=True):
                found[cell][seed] = curves
                keep(kept, cell, seed, curves)
            took = monotonic() - started


def _work(cells: Sequence[Cell], seed: int, folder: Path, budgets: tuple[int, ...]) -> Iterable[Iterable[Any]]:
    return zip(*((cell, seed, folder, budgets) for cell in cells), strict=True) if cells else ((),) * 4


def keep(file: Path | None, cell: Cell, seed: int, curves: Curves) -> None:
    """Append one run."""
    if file is not None:
        run = {"set": cell.images, "vectors": cell.vectors, "wrong": cell.wrong, "seed": seed, "curves": curves}
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(run) + "\n")


def read_kept(file: Path | None) -> Found:
    """The runs that a file holds; none where there is no file yet."""
    found: Found = defaultdict(dict)
    if file is None or not file.exists():
        return found
    for line in file.read_text("utf-8").splitlines():
        one = json.loads(line)
        curves = {arm: {int(at): value for at, value in curve.items()} for arm, curve in one["curves"].items()}
        found[Cell(one["set"], one["vectors"], one["wrong"])][one["seed"]] = curves
    return found


def play(cell: Cell, seed: int, folder: Path, budgets: tuple[int, ...]) -> Curves:
    """Every arm on the same images, answers and seed."""
    trial = split(load(folder, cell.images, cell.vectors), cell.wrong, seed)
    arms = ["ours", "random", *(PEERS if cell.clean and seed < PEER_SEEDS else ())]
    curves = {name: curve for arm in arms for name, curve in run(arm, trial, seed, budgets).items()}
    return {**curves, "full": {len(trial.pool): full_accuracy(trial)}} if cell.clean else curves


if __name__ == "__main__":
    main()
