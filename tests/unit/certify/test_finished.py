"""The promise of a finished data set: never broken more often than delta, and looser than precision."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import hypergeom

from labeling.certify.band import errors_allowed
from labeling.certify.finished import finished
from labeling.certify.scan import scan
from labeling.errors import Invalid
from tests.unit.certify.placements import worst_chance


@pytest.mark.parametrize(
    ("size", "drawn", "wrong_share", "delta"), [(8, 4, 0.25, 0.3), (9, 5, 0.2, 0.2), (9, 3, 0.4, 0.3), (8, 6, 0.1, 0.3)]
)
def test_no_placement_of_errors_leaves_too_many_more_often_than_delta(
    size: int, drawn: int, wrong_share: float, delta: float
) -> None:
    def accepted(sampled: NDArray[np.bool_], right: NDArray[np.bool_]) -> list[int]:
        return [finished(sampled, right, wrong_share, delta).rank]

    allowed = float(errors_allowed(size, 1 - wrong_share))
    chance = worst_chance(size, drawn, accepted, lambda _: allowed)

    assert 0 < chance <= delta


def test_the_chance_is_reached_where_every_image_is_wrong() -> None:
    """Of 9 images 3 are sampled, 2 wrong ones are allowed: with none found all is accepted."""
    found = finished(np.arange(9) % 3 == 0, np.ones(3, bool), 0.25, 0.25)

    assert found.found_at_most == 0 and found.rank == 9
    assert hypergeom.cdf(0, 9, 3, 3) <= 0.25 < hypergeom.cdf(1, 9, 4, 3)


@pytest.mark.parametrize("drawn", [45, 100, 200, 500])
def test_as_many_errors_pass_as_the_published_test_allows_and_some_that_are_mended(drawn: int) -> None:
    """Published, mended errors count as wrong: P(Hyp(N, floor(qN) + 1, n) <= b) <= delta."""
    sampled = np.random.default_rng(0).permutation(5_000) < drawn

    ours = finished(sampled, np.ones(drawn, bool), 0.05, 0.1).found_at_most

    published = int((hypergeom.cdf(np.arange(drawn), 5_000, 251, drawn) <= 0.1).sum()) - 1
    assert ours is not None and published <= ours <= published + 1 + ours * drawn / 5_000


def test_it_accepts_down_to_the_first_error_too_many() -> None:
    sampled = np.arange(1_000) % 10 == 0
    right = np.ones(100, bool)
    right[[50, 60, 70, 80]] = False

    found = finished(sampled, right, 0.05, 0.1)

    assert found.found_at_most is not None and found.wrong == found.found_at_most < 4
    assert found.rank == [500, 600, 700, 800][found.wrong] and found.sampled == [50, 60, 70, 80][found.wrong]
    assert found.unsampled + found.for_people + found.drawn == found.size


def test_it_accepts_no_less_than_the_promise_of_precision() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        sampled = rng.permutation(800) < 120
        right = rng.random(120) < np.linspace(1, 0.75, 120)
        strict = scan(sampled, right, 0.9, 0.1).accepted

        assert finished(sampled, right, 0.1, 0.1).rank >= (strict.rank if strict else 0)


def test_a_sample_that_is_too_small_accepts_nothing_and_none_at_all_is_no_sample() -> None:
    few = finished(np.arange(1_000) < 20, np.ones(20, bool), 0.05, 0.1)

    assert (few.rank, few.found_at_most, few.for_people) == (0, None, 980)
    assert finished(np.zeros(100, bool), np.ones(0, bool), 0.05, 0.1).rank == 0
    assert finished(np.ones(100, bool), np.zeros(100, bool), 0.05, 0.1).for_people == 0


def test_terms_that_cannot_be_are_refused() -> None:
    with pytest.raises(Invalid, match="wrong labels"):
        finished(np.array([True]), np.array([True]), 1.0, 0.1)
    with pytest.raises(Invalid, match="chance"):
        finished(np.array([True]), np.array([True]), 0.1, 0.0)
