"""Chances of drawing without replacement: those of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from labeling.certify.hypergeometric import chance_at_most, chance_of


@given(st.integers(1, 3_000), st.data())
@settings(max_examples=60, deadline=None)
def test_chances_are_those_of_scipy(size: int, data: st.DataObject) -> None:
    marked, drawn = data.draw(st.integers(0, size)), data.draw(st.integers(0, size))
    hits = np.arange(min(marked, 50) + 2)

    assert chance_of(hits, size, marked, drawn) == pytest.approx(hypergeom.pmf(hits, size, marked, drawn), rel=1e-7)
    assert chance_at_most(hits, size, marked, drawn) == pytest.approx(
        hypergeom.cdf(hits, size, marked, drawn), rel=1e-7
    )


def test_a_million_images_cost_no_digit_that_matters() -> None:
    hits, marked = np.array([0, 50, 180, 2_000]), np.array([1_000, 40_000, 100_000, 2_000])

    ours = chance_at_most(hits, 1_000_000, marked, 2_000)

    assert ours == pytest.approx(hypergeom.cdf(hits, 1_000_000, marked, 2_000), rel=1e-6)


def test_what_cannot_be_has_no_chance() -> None:
    assert chance_of(np.array([-1, 6]), 10, 5, 5).tolist() == [0, 0]
    assert chance_of(0, 10, 8, 5) == 0 and chance_at_most(2, 10, 8, 5) == 0
