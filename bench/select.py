"""What each query strategy costs: processor seconds and memory above the pool, beside scikit-activeml's (P3).

A pool of made vectors (384 wide, 10 classes) in a mapped float16 file, 500 labelled, a query of 100. Each arm has a
process of its own and one thread, and has run once on a small pool before it is measured. Ours read stored predictions,
as the product does; theirs predict anew by a fitted logistic regression, as their interface wants it. Members of an
ensemble are eight linear heads in both, and both predict by them.

python -m bench.select [--quick | --million]
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench.memory import anonymous_mb, peak
from bench.report import Target, at_least, at_most, emit
from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Labelled, Predicted, View
from labeling.slices import slices
from labeling.vectors import softmax, unit

WIDTH, CLASSES, LABELLED, BATCH, MEMBERS = 384, 10, 500, 100, 8
SMALL, BLOCK = 2_000, 65_536
UP_TO = {
    **dict.fromkeys(("badge", "bald", "disagreement", "drop_query", "entropy", "k_center"), 100_000),
    **dict.fromkeys(("least_confidence", "margin", "random", "typical"), 100_000),
    **dict.fromkeys(("herding", "prob_cover"), 10_000),
}
"""By strategy: of how many images theirs is run; the last two hold a number for each pair of images."""
GOALS = {"badge": 200.0, "typical": 20.0, "k_center": 15.0, "margin": 4.0, "entropy": 4.0}
"""How many times as fast as theirs at 100,000 images."""
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pool:
    """Where the vectors lie, and how many."""

    file: Path
    n: int

    def mapped(self) -> NDArray[np.float16]:
        return np.memmap(self.file, np.float16, "r", shape=(self.n, WIDTH))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10,000 images, ours alone")
    parser.add_argument("--million", action="store_true", help="1,000,000 images, ours alone: 0.8 GB on disk")
    chosen = parser.parse_args()
    sizes = [1_000_000] if chosen.million else [10_000] if chosen.quick else [10_000, 100_000]
    with tempfile.TemporaryDirectory() as folder:
        pools = {n: draw_pool(Path(folder), n) for n in sizes}
        lines = [_line(name, pools[n], with_peer=not chosen.quick) for n, name in product(sizes, STRATEGIES)]
    emit("select", dict(_targets(lines)), lines)


def _line(name: str, pool: Pool, *, with_peer: bool) -> dict[str, Any]:
    line: dict[str, Any] = {"strategy": name, "n": pool.n, **_alone(ours, name, pool)}
    if with_peer and pool.n <= UP_TO.get(name, 0):
        peer = _alone(theirs, name, pool)
        line |= {f"peer_{key}": value for key, value in peer.items()}
        line["ratio"] = round(peer["cpu_s"] / max(line["cpu_s"], 1e-4), 1)
    return line


def _targets(lines: list[dict[str, Any]]) -> Iterator[tuple[str, Target]]:
    for name, goal in GOALS.items():
        found = [line.get("ratio") for line in lines if (line["strategy"], line["n"]) == (name, 100_000)]
        yield f"{name}_vs_skactiveml_100k", at_least(found[0] if found else None, goal)
    yield "mb_above_pool_most", at_most(max(line["mb"] for line in lines), 500)


def _alone(work: Callable[[str, Pool], dict[str, float]], name: str, pool: Pool) -> dict[str, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, name, pool).result()


def draw_pool(folder: Path, n: int) -> Pool:
    """Unit vectors around ten centres, in a file."""
    pool, rng = Pool(folder / str(n), n), np.random.default_rng(0)
    vectors = np.memmap(pool.file, np.float16, "w+", shape=(n, WIDTH))
    for some in slices(n, BLOCK):
        vectors[some] = _unit_vectors(rng, _centres()[rng.integers(0, CLASSES, some.stop - some.start)])
    vectors.flush()
    return pool


def _centres() -> NDArray[np.float64]:
    return np.random.default_rng(1).normal(size=(CLASSES, WIDTH))


def _unit_vectors(rng: np.random.Generator, centres: NDArray[np.float64]) -> Vectors:
    return unit((0.15 * centres + rng.normal(size=centres.shape)).astype(np.float32))


def _heads() -> Vectors:
    """Weights (M, WIDTH, CLASSES) of members: the centres, each a little otherwise."""
    rng = np.random.default_rng(2)
    return np.stack([_centres().T + 0.5 * rng.normal(size=(WIDTH, CLASSES)) for _ in range(MEMBERS)]).astype(np.float32)


def ours(name: str, pool: Pool) -> dict[str, float]:
    """One query of ours."""
    vectors = pool.mapped()
    _query(name, vectors[: SMALL + LABELLED])()
    return _weighed(_query(name, vectors))


def theirs(name: str, pool: Pool) -> dict[str, float]:
    """One query of theirs; that its vectors lie in memory is not counted."""
    warnings.simplefilter("ignore")
    vectors = pool.mapped()
    _peer_query(name, vectors[: SMALL + LABELLED])()
    return _weighed(_peer_query(name, vectors))


def _query(name: str, vectors: NDArray[np.float16]) -> Callable[[], object]:
    heads, n = _heads(), len(vectors) - LABELLED

    def members(at: NDArray[np.int64]) -> Vectors:
        return softmax(np.float32(0.5) * (vectors[LABELLED + at].astype(np.float32) @ heads))

    probs = np.concatenate([members(np.arange(n)[some]).mean(axis=0) for some in slices(n, BLOCK // MEMBERS)])
    labelled = Labelled(tuple(str(at % CLASSES) for at in range(LABELLED)), lambda at: vectors[at].astype(np.float32))
    view = View(
        np.arange(n),
        lambda at: vectors[LABELLED + at].astype(np.float32),
        lambda: labelled,
        Predicted(probs, members=members, classes=tuple(map(str, range(CLASSES)))),
    )
    return lambda: STRATEGIES[name].choose(view, BATCH, np.random.default_rng(0))


def _peer_query(name: str, vectors: NDArray[np.float16]) -> Callable[[], object]:
    from bench.peers.selection import query_of  # seconds to load, for their processes alone

    y = np.full(len(vectors), np.nan)
    y[:LABELLED] = np.arange(LABELLED) % CLASSES
    return query_of(name, vectors.astype(np.float32), y, BATCH, CLASSES, MEMBERS)


def _weighed(work: Callable[[], object]) -> dict[str, float]:
    with threadpool_limits(1), peak() as sampled:
        before, began = anonymous_mb(), time.process_time()
        work()
        spent = time.process_time() - began
    return {"cpu_s": round(spent, 3), "mb": round(max(sampled) - before, 1)}


if __name__ == "__main__":
    main()
