"""What a query was drawn from: the same arrays come back from a few kilobytes."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.basis import Basis, pack, unpack, unpack_candidates


def basis_of(n: int, seed: int = 0, *, twins: float = 0.1, conflicts: bool = True, weights: bool = False) -> Basis:
    """N images, some of which are near-duplicates of others, and some in conflict."""
    rng = np.random.default_rng(seed)
    images = np.cumsum(1 + (rng.random(n) < 0.01)) + 7
    groups = np.arange(n) + 3
    joined = np.flatnonzero(rng.random(n) < twins)
    groups[joined] = groups[rng.integers(0, np.maximum(joined, 1))]
    values = rng.choice([0.0, 1 / 3, 1.0], n) if conflicts else np.zeros(n)
    return Basis(
        images=images,
        groups=groups,
        free=rng.random(n) < 0.75,
        predicted=rng.random(n) < 0.9,
        conflicts=values,
        stream=rng.permutation(np.unique(groups))[:300],
        labels=rng.permutation(5 * n)[: n // 10].astype(np.int64),
        gold=images[:5],
        weights=rng.choice([0.0, 1.0, 2.5], n) if weights else None,
    )


@given(n=st.integers(0, 300), seed=st.integers(0, 9), conflicts=st.booleans())
def test_what_is_unpacked_is_what_was_packed(n: int, seed: int, conflicts: bool) -> None:
    basis = basis_of(n, seed, conflicts=conflicts, weights=conflicts)

    again = unpack(pack(basis))
    images, free = unpack_candidates(pack(basis))

    for field in fields(Basis):
        before, after = getattr(basis, field.name), getattr(again, field.name)
        if before is None:
            assert after is None, field.name
            continue
        assert np.array_equal(before, after), field.name
        assert after.dtype == before.dtype, field.name
    assert np.array_equal(images, basis.images) and np.array_equal(free, basis.free)


def test_the_same_arrays_are_the_same_bytes_and_large_numbers_come_back() -> None:
    far = np.array([1, 2**40, 2**62], np.int64)
    mask = np.array([True, False, True])
    basis = Basis(far, far[::-1].copy(), mask, ~mask, np.zeros(3), far[:1], far, far[:0])

    assert pack(basis) == pack(basis)
    assert unpack(pack(basis)).groups.tolist() == [2**62, 2**40, 1]


@pytest.mark.parametrize(("n", "most_kb"), [(1_000, 6), (100_000, 160)])
def test_it_is_small(n: int, most_kb: int) -> None:
    assert len(pack(basis_of(n))) < most_kb * 1_000


def test_some_of_the_images_keep_the_groups_that_they_stand_in() -> None:
    basis = basis_of(200)
    kept = np.ones(200, bool)
    kept[basis.groups == basis.stream[0]] = False

    some = basis.take(kept)

    assert len(some.images) == kept.sum()
    assert basis.stream[0] not in some.stream and len(some.stream) < len(basis.stream)
