"""The images on which two versions differ: all counted, the surest kept, whatever the blocks are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.promote.flips import Answers, find_flips
from labeling.slices import slices

K = 4


def answers(seed: int, n: int) -> Answers:
    rng = np.random.default_rng(seed)
    scores = np.round(rng.uniform(0.25, 1, (4, n)), 2)  # with ties
    return Answers(
        np.arange(n) + 7, rng.integers(K, size=n), rng.integers(K, size=n), *scores, listed=rng.random(n) < 0.8
    )


@given(st.integers(0, 10_000), st.integers(0, 200), st.integers(1, 50), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_they_are_those_of_a_plain_sort_whatever_the_blocks_are(seed: int, n: int, block: int, most: int) -> None:
    said = answers(seed, n)

    found = find_flips((said.take(np.arange(n)[some]) for some in slices(n, block)), K, most)

    differ = [at for at in range(n) if said.first[at] != said.second[at]]
    listed = sorted(
        (at for at in differ if said.listed[at]),
        key=lambda at: (-min(said.first_score[at], said.second_score[at]), said.ids[at]),
    )
    assert found.kept.ids.tolist() == [said.ids[at] for at in listed[:most]]
    assert (found.images, found.counts.sum(), found.unlisted) == (n, len(differ), len(differ) - len(listed))
    for at in range(K):
        assert found.counts[at, at] == 0


def test_they_are_counted_from_the_second_to_the_first() -> None:
    sure = np.full(3, 0.9)
    said = Answers(np.arange(3), np.array([2, 2, 1]), np.array([0, 0, 1]), *[sure] * 4, listed=np.ones(3, bool))

    found = find_flips([said], K, 5)

    assert found.counts[0, 2] == found.counts.sum() == 2


def test_order_comes_from_the_scores_and_not_from_what_is_shown() -> None:
    low, high = np.array([0.3, 0.9]), np.array([0.9, 0.3])
    said = Answers(np.arange(2), np.zeros(2, int), np.ones(2, int), low, low, high, high, listed=np.ones(2, bool))

    found = find_flips([said], K, 1)

    assert found.kept.ids.tolist() == [1]
    assert found.kept.first_shown.tolist() == pytest.approx([0.3])
