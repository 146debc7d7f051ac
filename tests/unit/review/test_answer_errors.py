"""How often people err, from pairs that were chosen by doubt: known rates are found again, and intervals hold them."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.review.answer_errors import Pair, levelled, usual_error
from labeling.review.overlap import Answered, error_rates, wrong
from labeling.types import ReviewId, ReviewKind

CLASSES = 5


def doubtful_pairs(error: float, pairs: int, seed: int, images: int = 400) -> list[Pair]:
    """Second answers about the most doubtful of so many images, whose predictions say how likely each class is."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(CLASSES, 0.2), images)
    trusted = 0.9 * probs + 0.1 / CLASSES  # so that the prediction is as right as it is held to be
    truth = np.array([rng.choice(CLASSES, p=row) for row in trusted])
    other = (truth + rng.integers(1, CLASSES, (2, images))) % CLASSES
    first, second = np.where(rng.random((2, images)) < error, other, truth)
    asked = [
        Answered(ReviewId(at), ReviewKind.HARD, 1, int(first[at]), False, tuple(probs[at])) for at in range(images)
    ]
    worst = sorted(range(images), key=lambda at: -wrong(asked[at], error, CLASSES))[:pairs]
    return [Pair(int(first[at]), int(second[at]), tuple(probs[at])) for at in worst]


def test_without_pairs_it_is_what_is_assumed() -> None:
    found = usual_error([], CLASSES)

    assert found.value == pytest.approx(0.1, abs=0.005)
    assert (found.n, found.known) == (0, False)


@pytest.mark.parametrize("error", [0.02, 0.1, 0.2])
def test_the_interval_holds_the_rate_although_the_pairs_were_chosen_by_doubt(error: float) -> None:
    found = [usual_error(doubtful_pairs(error, 40, seed), CLASSES) for seed in range(60)]

    held = sum(one.lower <= error <= one.upper for one in found)

    assert held >= 54  # 57 on average
    assert np.mean([one.value for one in found]) == pytest.approx(error, abs=0.03)


def test_how_often_two_differ_says_too_much_where_they_were_chosen_by_doubt() -> None:
    pairs = [pair for seed in range(20) for pair in doubtful_pairs(0.05, 40, seed)]
    said = [{1: str(one.first), 2: str(one.second)} for one in pairs]

    assert error_rates(said)[1] > 0.15
    assert usual_error(pairs, CLASSES).value == pytest.approx(0.05, abs=0.015)


def test_rates_keep_their_proportions_at_another_level() -> None:
    assert levelled({1: 0.2, 2: 0.1}, 0.3) == {1: pytest.approx(0.4), 2: pytest.approx(0.2)}
    assert levelled({}, 0.3) == {}
    assert levelled({1: 0.1, 2: 0.1, 3: 0.7}, 0.6)[3] == 0.9
