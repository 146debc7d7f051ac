"""One query by each of scikit-activeml's strategies that has one of ours beside it, as its documentation shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml import pool
from skactiveml.classifier import SklearnClassifier
from sklearn.linear_model import LogisticRegression

__all__ = ["query_of"]

KINDS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "badge": (pool.Badge, {}),
    "bald": (pool.GreedyBALD, {}),
    "disagreement": (pool.QueryByCommittee, {"method": "vote_entropy"}),
    "drop_query": (pool.DropQuery, {}),
    "entropy": (pool.UncertaintySampling, {"method": "entropy"}),
    "herding": (pool.MaxHerding, {}),
    "k_center": (pool.CoreSet, {}),
    "least_confidence": (pool.UncertaintySampling, {"method": "least_confident"}),
    "margin": (pool.UncertaintySampling, {"method": "margin_sampling"}),
    "prob_cover": (pool.ProbCover, {}),
    "random": (pool.RandomSampling, {}),
    "typical": (pool.TypiClust, {}),
}
"""By our strategy."""
NEED_NO_HEAD = ("herding", "k_center", "prob_cover", "random", "typical")


def query_of(
    name: str, x: NDArray[np.float32], y: NDArray[np.float64], n: int, n_classes: int, n_members: int
) -> Callable[[], object]:
    """What makes the query; heads are fitted before, on labelled rows drawn with replacement."""
    labelled = np.flatnonzero(np.isfinite(y))

    def head(seed: int) -> SklearnClassifier:
        rows = np.random.default_rng(seed).choice(labelled, len(labelled))
        return SklearnClassifier(LogisticRegression(max_iter=50), classes=range(n_classes)).fit(x[rows], y[rows])

    kind, terms = KINDS[name]
    arguments: dict[str, Any] = {"X": x, "y": y, "batch_size": n}
    if name in ("bald", "disagreement"):
        arguments |= {"ensemble": [head(seed) for seed in range(n_members)], "fit_ensemble": False}
    elif name not in NEED_NO_HEAD:
        arguments |= {"clf": head(0), "fit_clf": False}
    strategy = kind(random_state=0, **terms)
    return lambda: strategy.query(**arguments)
