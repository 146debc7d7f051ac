"""The nearest labelled images: by cosine, and never of the own group."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labeling.prelabel.zero_shot.nearest import nearest_others


@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(1, 6), st.integers(0, 5))
def test_no_image_is_near_to_its_own_group(seed: int, known: int, groups: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, asked = rng.normal(size=(known, 4)), rng.normal(size=(3, 4))
    known_groups, asked_groups = rng.integers(groups, size=known), rng.integers(groups, size=3)

    found = nearest_others(asked, asked_groups, vectors, known_groups, n)

    for near, group in zip(found, asked_groups, strict=True):
        assert group not in {known_groups[at] for at, _ in near}
        assert len(near) == min(n, int((known_groups != group).sum()))
        assert [cosine for _, cosine in near] == sorted((cosine for _, cosine in near), reverse=True)


def test_a_vector_that_is_not_finite_is_near_to_nothing() -> None:
    known = np.array([[np.nan, 1.0], [1.0, 0.0]])

    found = nearest_others(np.array([[1.0, 0.0]]), np.array([9]), known, np.array([1, 2]), 2)

    assert found == [[(1, 1.0)]]


def test_cosines_are_those_of_the_textbook() -> None:
    rng = np.random.default_rng(0)
    asked, known = rng.normal(size=(1, 8)), rng.normal(size=(20, 8))
    cosines = (known @ asked[0]) / np.linalg.norm(known, axis=1) / np.linalg.norm(asked[0])

    [found] = nearest_others(asked, np.array([-1]), known, np.arange(20), 5)

    assert [at for at, _ in found] == np.argsort(-cosines)[:5].tolist()
    assert np.allclose([cosine for _, cosine in found], np.sort(cosines)[::-1][:5], atol=1e-3)
