"""What others would ask: scikit-activeml's strategies, used as its documentation shows them.

Each gets the vectors and the answers so far (NaN where there is none) and gives the rows to ask next. The classifier is
scikit-learn's logistic regression, as in the script that they are compared with.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

__all__ = ["PEERS", "C", "Peer", "script"]

Peer = Callable[[NDArray[np.float32], NDArray[np.float64], int, int, int], NDArray[np.int64]]
"""Vectors (N, D), answers (N,), how many to ask, how many classes, a seed."""
C = 30.0
"""What our head has, so that strategies are compared and no heads."""


def script(vectors: NDArray[np.float32], labels: NDArray[np.int64], others: NDArray[np.float32]) -> NDArray[np.int64]:
    """The classes that a script of few lines predicts for other images; the only one there is, if there is one."""
    if len(np.unique(labels)) < 2:
        return np.full(len(others), labels[0])
    return np.asarray(LogisticRegression(C=C, max_iter=300).fit(vectors, labels).predict(others), np.int64)


def _asked_by(
    name: str, vectors: NDArray[np.float32], answers: NDArray[np.float64], n: int, n_classes: int, seed: int
) -> NDArray[np.int64]:
    from skactiveml import pool
    from skactiveml.classifier import SklearnClassifier

    rng = np.random.default_rng(seed)
    if name in ("margin", "badge") and np.isnan(answers).all():
        return rng.permutation(len(vectors))[:n]  # both need a first classifier
    kinds = {
        "margin": lambda: pool.UncertaintySampling(method="margin_sampling", random_state=seed),
        "badge": lambda: pool.Badge(random_state=seed),
        "typiclust": lambda: pool.TypiClust(random_state=seed),
        "dropquery": lambda: pool.DropQuery(random_state=seed),
    }
    head = SklearnClassifier(LogisticRegression(C=C, max_iter=300), classes=range(n_classes), random_state=seed)
    arguments = {"X": vectors, "y": answers, "batch_size": n}
    if name != "typiclust":
        arguments["clf"] = head
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(kinds[name]().query(**arguments), np.int64)


def _peer(name: str) -> Peer:
    return lambda vectors, answers, n, n_classes, seed: _asked_by(name, vectors, answers, n, n_classes, seed)


PEERS: dict[str, Peer] = {name: _peer(name) for name in ("margin", "badge", "typiclust", "dropquery")}
