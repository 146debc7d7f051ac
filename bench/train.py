"""What a fit of the head costs, against scikit-learn's logistic regression with the same penalty (P8).

Vectors of made classes, unit length, most of them as wide as the features of the bundled encoders. Processor seconds
on one thread; the arms take turns, the ratio is the median of paired rounds with the least and the largest. Accuracy is
on 2,000 other vectors. Both end at their own tolerance.

python -m bench.train [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from bench.report import at_least, emit
from labeling.learn.heads.logistic import Logistic

SIZES = (
    (60, 1664, 4),
    (200, 1664, 10),
    (500, 1664, 20),
    (2_000, 1664, 20),
    (3_000, 1664, 100),
    (10_000, 1664, 10),
    (100_000, 384, 100),
)
"""Examples, features and classes."""
TESTED, ROUNDS = 2_000, 5
SMALL = 200
Fitted = Callable[[NDArray[np.float32]], NDArray[Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"to {SMALL} examples, once")
    quick = parser.parse_args().quick
    sizes = [size for size in SIZES if not quick or size[0] <= SMALL]
    with threadpool_limits(1):
        lines = [measure(*size, 1 if quick else ROUNDS) for size in sizes]
    emit(
        "train",
        {
            f"as_fast_as_scikit_learn_{line['n']}x{line['features']}x{line['classes']}": at_least(line["ratio"], 1.0)
            for line in lines
        },
        lines,
    )


def measure(n: int, width: int, classes: int, rounds: int) -> dict[str, Any]:
    """One size: seconds of both, how many times faster ours is, and both accuracies."""
    rng = np.random.default_rng(n)
    centres = rng.normal(size=(classes, width))
    x, y = draw(rng, centres, n)
    others, truth = draw(rng, centres, TESTED)
    ours(x[: 2 * classes], y[: 2 * classes], classes)  # what is loaded once
    seconds: dict[str, list[float]] = {"ours": [], "scikit_learn": []}
    right = {}
    for _ in range(rounds):
        for name, fit in (("ours", ours), ("scikit_learn", scikit_learn)):
            began = time.process_time()
            fitted = fit(x, y, classes)
            seconds[name].append(time.process_time() - began)
            right[name] = float((fitted(others) == truth).mean())
    ratios = [peer / own for own, peer in zip(seconds["ours"], seconds["scikit_learn"], strict=True)]
    return {
        "n": n,
        "features": width,
        "classes": classes,
        **{f"{name}_s": round(statistics.median(some), 4) for name, some in seconds.items()},
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(min(ratios), 2), round(max(ratios), 2)],
        **{f"accuracy_{name}": round(share, 4) for name, share in right.items()},
    }


def draw(
    rng: np.random.Generator, centres: NDArray[np.float64], n: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """So many unit vectors (n, F), and their classes (n,); the first ones have every class."""
    classes, width = centres.shape
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    vectors = 0.15 * centres[labels] + rng.normal(size=(n, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def ours(x: NDArray[np.float32], y: NDArray[np.int64], classes: int) -> Fitted:
    head = Logistic().fit(x, y, classes, np.random.default_rng(0))
    return lambda others: head.logits(others).argmax(axis=1)


def scikit_learn(x: NDArray[np.float32], y: NDArray[np.int64], _classes: int) -> Fitted:
    fitted = LogisticRegression(C=Logistic().c, max_iter=1_000).fit(x, y)
    return lambda others: fitted.predict(others)


if __name__ == "__main__":
    main()
