"""Near-duplicate groups and the hold-out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.ingest.groups import Fingerprints, Placement, place, side_of_founder

SALT, SHARE = "salt", 0.5
NOBODY = Fingerprints([], [], np.zeros((0, 8), np.float32))


def chains(rng: np.random.Generator, families: int = 30) -> Fingerprints:
    """Families along an arc: neighbours are twins (cosine > .95), the ends are not, so groups can touch."""
    rows = []
    for family in range(families):
        for step in range(8):
            angle = 0.2 * step  # cos .2 = .98, cos .4 = .92
            row = np.zeros(2 * families)
            row[2 * family : 2 * family + 2] = np.cos(angle), np.sin(angle)
            rows.append(row)
    order = rng.permutation(len(rows))
    hashes = [f"{position:064x}" for position in order]
    return Fingerprints(hashes, [""] * len(rows), np.array(rows, np.float32)[order])


def in_batches(images: Fingerprints, size: int) -> list[Placement]:
    placed: list[Placement] = []
    for start in range(0, len(images.content_hashes), size):
        old, new = slice(0, start), slice(start, start + size)
        placed += place(part(images, new), part(images, old), placed, salt=SALT, holdout_share=SHARE)
    return placed


def part(images: Fingerprints, rows: slice) -> Fingerprints:
    return Fingerprints(images.content_hashes[rows], images.perceptual_hashes[rows], images.vectors[rows])


@pytest.mark.parametrize("seed", range(20))
def test_in_twenty_random_orders_no_twins_stand_on_different_sides_unless_one_is_a_bridge(seed: int) -> None:
    images = chains(np.random.default_rng(seed))

    placed = in_batches(images, 64)

    twins = np.argwhere(np.triu(images.vectors @ images.vectors.T > 0.95, 1))
    loose = [(a, b) for a, b in twins if not placed[a].bridge and not placed[b].bridge]
    assert all(placed[a].side is placed[b].side for a, b in loose)
    assert any(p.bridge for p in placed)


def test_the_size_of_the_batches_changes_nothing() -> None:
    images = chains(np.random.default_rng(7))

    assert in_batches(images, 1) == in_batches(images, 17) == in_batches(images, 1_000)


def test_a_group_is_named_by_its_founder_and_stands_on_the_founders_side() -> None:
    images = Fingerprints(["a", "b", "c"], ["", "", ""], np.array([[1, 0], [1, 0.01], [0, 1]], np.float32))

    first, twin, other = place(
        images, Fingerprints([], [], np.zeros((0, 2), np.float32)), [], salt=SALT, holdout_share=SHARE
    )

    assert (first.founder, twin.founder, other.founder) == ("a", "a", "c")
    assert first.side is twin.side is side_of_founder("a", SALT, SHARE)


@pytest.mark.parametrize(("bits", "is_twin"), [(0, True), (6, True), (7, False)])
def test_six_bits_of_the_perceptual_hash_make_a_twin_and_seven_do_not(bits: int, is_twin: bool) -> None:
    images = Fingerprints(["a", "b"], ["0" * 16, f"{(1 << bits) - 1:016x}"], np.eye(2, dtype=np.float32))

    placed = place(images, Fingerprints([], [], np.zeros((0, 2), np.float32)), [], salt=SALT, holdout_share=SHARE)

    assert (placed[1].founder == "a") is is_twin


def test_flat_images_and_images_without_a_vector_are_near_to_nothing() -> None:
    images = Fingerprints(["a", "b"], ["", ""], np.zeros((2, 8), np.float32))

    assert [p.founder for p in place(images, NOBODY, [], salt=SALT, holdout_share=SHARE)] == ["a", "b"]


def test_an_image_that_touches_both_sides_joins_the_nearest_and_is_a_bridge() -> None:
    known = Fingerprints(["a", "b"], ["", ""], np.array([[1, 0], [np.cos(0.5), np.sin(0.5)]], np.float32))
    placed = [Placement("a", Side.POOL, bridge=False), Placement("b", Side.HOLDOUT, bridge=False)]
    between = Fingerprints(["c"], [""], np.array([[np.cos(0.3), np.sin(0.3)]], np.float32))

    assert place(between, known, placed, salt=SALT, holdout_share=SHARE) == [Placement("b", Side.HOLDOUT, bridge=True)]


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_the_share_of_the_hold_out_is_what_was_asked_for(seed: int, share: float) -> None:
    sides = [side_of_founder(f"{n:064x}", str(seed), share) for n in range(2_000)]

    assert abs(sides.count(Side.HOLDOUT) / 2_000 - share) < 0.06
