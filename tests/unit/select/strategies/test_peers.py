"""Our strategies against scikit-activeml's on equal inputs: the same utilities, or picks that have its highest.

Where chance decides, it is taken out: their draws are followed, their masks are drawn again, or clusters lie so far
apart that every clustering finds them. docs/decisions/0048-more-strategies.md says where ours differ on purpose.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from labeling.select.strategies.badge import Gradients, factors
from labeling.select.strategies.covering.greedy import covering
from labeling.select.strategies.covering.herding import gaussian
from labeling.select.strategies.covering.prob_cover import pure_radius
from labeling.select.strategies.disagreement.drop_query import changed_share, unstable
from labeling.select.strategies.disagreement.members import bald, vote_entropy, votes
from labeling.select.strategies.k_center import k_center
from labeling.select.strategies.strategy import Predicted
from labeling.select.strategies.typical import typical
from labeling.select.strategies.uncertainty import entropy, least_confidence, margin

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from skactiveml import pool
    from skactiveml.classifier import SklearnClassifier
    from skactiveml.utils import check_random_state

pytestmark = pytest.mark.filterwarnings("ignore")
SIZES = (90, 60, 40, 25, 15)


def _blobs(seed: int = 0, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Clusters of different sizes, far apart, and the cluster of each point."""
    rng = np.random.default_rng(seed)
    which = rng.permutation(np.repeat(np.arange(len(SIZES)), SIZES))
    return (12 * np.eye(len(SIZES), width)[which] + rng.normal(size=(len(which), width))).astype(np.float32), which


def _answered(labelled: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Any]:
    """Points, the answers to the first few (NaN for the others), and a classifier fitted on those."""
    rng = np.random.default_rng(seed)
    truth = np.arange(160) % 4
    x = np.eye(4, 6)[truth] + rng.normal(scale=0.7, size=(160, 6))
    y = np.where(np.arange(160) < labelled, truth, np.nan)
    return x, y, SklearnClassifier(LogisticRegression(C=30, max_iter=300), classes=range(4)).fit(x, y)


def _members() -> np.ndarray:
    return np.random.default_rng(3).dirichlet(np.full(4, 0.4), size=(6, 80))


def test_disagreement_is_theirs() -> None:
    members = _members()

    by_bald = pool.batch_bald(members.copy(), batch_size=1, random_state=0)[0]
    by_divergence = pool.average_kl_divergence(members.copy())
    by_votes = pool.vote_entropy(votes(members).T, np.arange(4))

    assert bald(members) == pytest.approx(by_bald, abs=1e-5)
    assert bald(members) == pytest.approx(by_divergence, abs=1e-5)
    assert vote_entropy(members) == pytest.approx(by_votes, abs=1e-6)


@pytest.mark.parametrize(
    ("ours", "method"),
    [(margin, "margin_sampling"), (entropy, "entropy"), (least_confidence, "least_confident")],
)
def test_doubt_is_theirs(ours: Any, method: str) -> None:
    probs = _members()[0]

    assert ours(probs) == pytest.approx(pool.uncertainty_scores(probs, method=method), abs=1e-5)


def test_badge_draws_with_their_chances_all_along_their_draws() -> None:
    x, y, head = _answered()
    terms = {"fit_clf": False, "batch_size": 12, "return_utilities": True}
    picked, utilities = pool.Badge(random_state=0).query(x, y, head, **terms)

    left = np.flatnonzero(np.isnan(y))
    gradients = Gradients(factors(head.predict_proba(x[left])), x[left])

    distance = gradients.squares.astype(np.float64)
    assert left[distance.argmax()] == picked[0]
    for step, row in enumerate(picked):
        theirs = np.nan_to_num(utilities[step, left])
        assert distance / distance.sum() == pytest.approx(theirs, rel=2e-3, abs=1e-6)
        distance = np.minimum(distance, gradients.squares_to(int(np.searchsorted(left, row))))


def test_prob_cover_takes_a_point_that_has_their_highest_utility_each_time() -> None:
    x, which = _blobs()
    y = np.where(np.arange(len(x)) < 3, which, np.nan)
    radius = 2.2

    ours = 3 + covering(x[3:], 12, lambda squares: (squares <= radius**2).astype(np.float32), covered=x[:3])

    for row in ours:
        _, utilities = pool.ProbCover(deltas=[radius]).query(x, y, batch_size=1, return_utilities=True)
        assert utilities[0, row] == np.nanmax(utilities[0])
        y[row] = which[row]


def test_the_radius_of_prob_cover_lies_between_theirs_and_the_next_one_of_their_grid() -> None:
    x, _ = _blobs(width=5)
    grid = np.arange(5.0, 15.0, 0.25)
    theirs = pool.ProbCover(n_classes=5, deltas=grid, random_state=0, cluster_algo_dict={"n_init": 10})
    theirs.query(x, np.full(len(x), np.nan))

    radius = np.sqrt(pure_radius(x, 5, np.random.default_rng(0)))

    assert theirs.delta_max_ - 1e-3 <= radius <= theirs.delta_max_ + 0.25 + 1e-3


def test_covering_by_a_smooth_kernel_is_their_max_herding() -> None:
    x, _, _ = _answered()
    y = np.where(np.arange(160) < 6, 0.0, np.nan)
    strategy = pool.MaxHerding(normalize_samples=False, metric_dict={"gamma": 0.5})

    theirs = strategy.query(x, y, batch_size=15)

    assert (6 + covering(x[6:], 15, gaussian(1.0), covered=x[:6])).tolist() == theirs.tolist()


@pytest.mark.parametrize("labelled", [0, 1])
def test_typical_is_their_typiclust_where_clusters_are_plain(labelled: int) -> None:
    x, which = _blobs()
    known = [int(np.flatnonzero(which == one)[0]) for one in range(labelled)]
    y, left = np.full(len(x), np.nan), np.setdiff1d(np.arange(len(x)), known)
    y[known] = 0
    strategy = pool.TypiClust(k=20, random_state=0, cluster_algo_dict={"n_init": 10})

    theirs = strategy.query(x, y, batch_size=5 - labelled)

    ours = left[typical(x[left], 5 - labelled, np.random.default_rng(0), x[known] if known else None)]
    assert ours.tolist() == theirs.tolist()


def test_drop_query_clusters_the_points_that_they_cluster() -> None:
    x, y, head = _answered()
    left, seed, n = np.flatnonzero(np.isnan(y)), 7, 4
    _, utilities = pool.DropQuery(random_state=seed).query(
        x, y, head, fit_clf=False, batch_size=n, return_utilities=True
    )

    chance = check_random_state(seed, len(left) + 1)  # as theirs is
    dropped = [np.where(chance.choice([True, False], size=x[left].shape, p=[0.75, 0.25]), 0, x[left]) for _ in range(5)]
    members = np.stack([head.predict_proba(one) for one in dropped])

    shares = changed_share(Predicted(head.predict_proba(x[left]), members=members))
    ours = left[unstable(shares, n, np.random.default_rng(0))]
    assert ours.tolist() == np.flatnonzero(utilities[0] > -np.inf).tolist()
    assert n < len(ours) < len(left)


def test_k_center_takes_the_points_that_their_core_set_takes() -> None:
    x, y, _ = _answered()

    theirs = pool.CoreSet(random_state=0).query(x, y, batch_size=15)

    assert (20 + k_center(x[20:], 15, x[:20])).tolist() == theirs.tolist()
