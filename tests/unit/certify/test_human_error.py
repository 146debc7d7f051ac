"""The human-error term: the published sizes, its exact chance, and when it is subtracted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, hypergeom

from labeling.certify.human_error import human_error
from labeling.errors import Invalid
from labeling.quality.metrics import clopper_pearson


@pytest.mark.parametrize(("gold", "points"), [(50, 5.8), (100, 2.9), (300, 1.0)])
def test_without_an_error_found_the_term_has_the_published_size(gold: int, points: float) -> None:
    found = human_error(0, gold, 10**7, 0.05)

    assert 100 * found.term == pytest.approx(points, abs=0.06)
    assert found.term == pytest.approx(clopper_pearson(0, gold, 0.9)[1], abs=1e-5)


@pytest.mark.parametrize("wrong", [0, 4, 20, 60])
def test_the_term_is_too_small_in_delta_of_the_samples_at_most(wrong: int) -> None:
    """Of 300 images with so many common errors 80 are gold, the others delivered: exact over all samples."""
    found = np.arange(81)
    chance = hypergeom.pmf(found, 300, wrong, 80)

    small = [human_error(int(k), 80, 220, 0.1).term < (wrong - k) / 220 - 1e-12 for k in found]

    assert chance[small].sum() <= 0.1


def test_with_little_gold_the_bound_is_relative_to_people() -> None:
    few, enough = human_error(1, 299, 1_000, 0.05), human_error(1, 300, 1_000, 0.05)

    assert few.relative and few.bound(0.96) == 0.96
    assert not enough.relative and enough.bound(0.96) == pytest.approx(0.96 - enough.term) and enough.bound(0.001) == 0


def test_the_gold_that_halves_the_term_is_the_least_that_does() -> None:
    found = human_error(0, 50, 10**7, 0.05)

    assert found.gold_to_halve is not None
    halves = [binom.cdf(0, n, found.term / 2) <= 0.05 for n in (found.gold_to_halve - 1, found.gold_to_halve)]
    assert halves == [False, True]


def test_where_people_err_too_often_no_gold_halves_the_term() -> None:
    assert human_error(30, 100, 10_000, 0.05).gold_to_halve is None
    assert human_error(0, 0, 10_000, 0.05).gold_to_halve is None and human_error(0, 0, 10_000, 0.05).term == 1


@pytest.mark.parametrize("counts", [(2, 1, 10), (-1, 5, 10), (0, 5, 0)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(Invalid):
        human_error(*counts, 0.05)
    with pytest.raises(Invalid, match="chance"):
        human_error(0, 5, 10, 0.9)
