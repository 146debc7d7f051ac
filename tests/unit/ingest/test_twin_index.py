"""The index finds the twins that comparing all images would find, in small and in sorted parts."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.ingest.fingerprints import Fingerprints
from labeling.ingest.twin_index import ONE_BY_ONE, TwinIndex
from labeling.ingest.twins import NOTHING, TwinRule

RULE = TwinRule(30.0, 30.0)


def made_up(n: int, rng: np.random.Generator) -> Fingerprints:
    signs = rng.integers(0, 2**64, (n, 5, 4), dtype=np.uint64)
    strong = np.full((n, 5, 4), 2**64 - 1, np.uint64)
    return Fingerprints(signs, strong, np.full((n, 32), 128, np.uint8), np.ones(n, bool))


def with_bits_turned(images: Fingerprints, bits: int, rng: np.random.Generator) -> Fingerprints:
    """Copies that differ from each image in so many bits of every view."""
    copies = images.copy()
    for row in range(len(copies)):
        for bit in rng.permutation(256)[:bits].tolist():
            copies.signs[row, :, bit // 64] ^= np.uint64(1 << (bit % 64))
    return copies


def filled(images: Fingerprints, batch: int) -> TwinIndex:
    index = TwinIndex()
    for start in range(0, len(images), batch):
        index.add(images[start : start + batch])
    return index


@pytest.mark.parametrize("batch", [1, 100, 5_000])
def test_copies_are_found_wherever_they_lie(batch: int) -> None:
    rng = np.random.default_rng(0)
    known = made_up(3 * ONE_BY_ONE + 7, rng)
    index = filled(known, batch)

    found = index.twins(with_bits_turned(known, 10, rng), RULE)

    right = found.new == found.known
    assert len(index) == len(known)
    assert right.all()
    assert right.sum() >= 0.95 * len(known)
    assert set(found.bits.tolist()) == {10.0}


def test_a_turned_view_of_a_known_image_is_found() -> None:
    rng = np.random.default_rng(1)
    known = made_up(2 * ONE_BY_ONE, rng)
    new = made_up(2 * ONE_BY_ONE, rng)
    new.signs[:, 0] = known.signs[:, 3]

    found = filled(known, 64).twins(new, RULE)

    assert found.known.tolist() == list(range(len(known)))


def test_without_a_rule_or_a_fingerprint_nothing_is_a_twin() -> None:
    rng = np.random.default_rng(2)
    known = made_up(10, rng)
    absent = Fingerprints.read([b""] * 10)

    assert not len(filled(known, 5).twins(known, NOTHING).new)
    assert not len(filled(absent, 5).twins(absent, RULE).new)
    assert not len(TwinIndex().twins(known, RULE).new)


def test_a_pool_of_equal_images_is_searched_at_a_bounded_cost() -> None:
    one = made_up(1, np.random.default_rng(3))
    same = one[np.zeros(20 * ONE_BY_ONE, np.int64)]

    found = filled(same, 500).twins(one, RULE)

    assert 0 < len(found.new) < 2 * ONE_BY_ONE
