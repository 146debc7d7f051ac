"""Images that look otherwise: how soon the look at new images finds them, and how often it finds what is not there.

Simulated embeddings of 20 classes in 64 dimensions. A project has 300 old images; new ones come, and the newest are
looked at with each 100 more, as `service/work/quality/drift.py` does: an alarm needs a p-value under the level, and a
classifier that separates new from old. In the shifted arms every new image moves in one direction, by 1.5 standard
deviations of its class (a perfect classifier would be right in 70 of 100) or by 1 (in 64).

python -m bench.drift [--quick]
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from bench.report import at_least, at_most, emit
from labeling.quality.drift import LEVEL, input_shift, separability
from service.work.quality.drift import A_LOOK, INPUTS_APART

OLD, NEW, CLASSES, DIMS = 300, 300, 20, 64


def images(rng: np.random.Generator, n: int, centres: NDArray[np.float64], shift: float) -> NDArray[np.float64]:
    """(n, D) embeddings; `shift` in standard deviations of a class."""
    found = centres[rng.integers(len(centres), size=n)] + rng.normal(size=(n, DIMS))
    found[:, 0] += shift
    return np.asarray(found)


def looks(seed: int, shift: float) -> list[tuple[bool, bool]]:
    """Of each look of one project: whether the p-value is under the level, and whether there is an alarm."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(CLASSES, DIMS))
    before, after = images(rng, OLD, centres, 0.0), images(rng, NEW, centres, shift)
    found = []
    for seen in range(A_LOOK, NEW + 1, A_LOOK):
        surely = input_shift(before, after[:seen], rng).p_value < LEVEL
        apart = separability(before, after[:seen], rng)
        found.append((surely, surely and apart.value >= INPUTS_APART))
        if shift and found[-1][1]:
            break
    return found


def main() -> None:
    """Both arms, and the targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 projects an arm in place of 100 and 40")
    runs, others = (10, 10) if parser.parse_args().quick else (100, 40)
    arms = {1.5: runs, 1.0: others}
    found = {shift: _found([looks(seed, shift) for seed in range(n)]) for shift, n in arms.items()}
    same = [look for seed in range(others) for look in looks(seed, 0.0)]
    lines = [
        *({"arm": f"shifted by {shift}", "projects": arms[shift], "found_within": one} for shift, one in found.items()),
        {"arm": "the same", "looks": len(same), "under_level": sum(surely for surely, _ in same) / len(same)},
    ]
    alarms = sum(alarm for _, alarm in same) / len(same)
    targets = {"found_within_300": at_least(found[1.5][NEW], 0.95), "alarms_a_look": at_most(alarms, LEVEL)}
    emit("drift", targets, lines)


def _found(projects: list[list[tuple[bool, bool]]]) -> dict[int, float]:
    """The share of projects with an alarm, by how many new images had come."""
    looked = range(1, NEW // A_LOOK + 1)
    return {A_LOOK * k: sum(any(alarm for _, alarm in one[:k]) for one in projects) / len(projects) for k in looked}


if __name__ == "__main__":
    main()
