"""Near-duplicate groups."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.ingest.groups import Fingerprints, place

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


def in_batches(images: Fingerprints, size: int) -> list[str]:
    placed: list[str] = []
    for start in range(0, len(images.content_hashes), size):
        old, new = slice(0, start), slice(start, start + size)
        placed += place(part(images, new), part(images, old), placed)
    return placed


def part(images: Fingerprints, rows: slice) -> Fingerprints:
    return Fingerprints(images.content_hashes[rows], images.perceptual_hashes[rows], images.vectors[rows])


@pytest.mark.parametrize("seed", range(20))
def test_in_twenty_random_orders_every_image_is_a_twin_of_one_in_its_group_or_founded_it(seed: int) -> None:
    images = chains(np.random.default_rng(seed))

    founders = in_batches(images, 64)

    twins = images.vectors @ images.vectors.T > 0.95
    of = np.array([images.content_hashes.index(founder) for founder in founders])
    assert (of[of] == of).all()  # a founder is of its own group
    assert all(founder == row or (twins[row, :row] & (of[:row] == founder)).any() for row, founder in enumerate(of))
    assert all(not twins[row, :row].any() for row in set(of.tolist()))


def test_the_size_of_the_batches_changes_nothing() -> None:
    images = chains(np.random.default_rng(7))

    assert in_batches(images, 1) == in_batches(images, 17) == in_batches(images, 1_000)


def test_a_group_is_named_by_its_founder() -> None:
    images = Fingerprints(["a", "b", "c"], ["", "", ""], np.array([[1, 0], [1, 0.01], [0, 1]], np.float32))

    assert place(images, Fingerprints([], [], np.zeros((0, 2), np.float32)), []) == ["a", "a", "c"]


@pytest.mark.parametrize(("bits", "is_twin"), [(0, True), (6, True), (7, False)])
def test_six_bits_of_the_perceptual_hash_make_a_twin_and_seven_do_not(bits: int, is_twin: bool) -> None:
    images = Fingerprints(["a", "b"], ["0" * 16, f"{(1 << bits) - 1:016x}"], np.eye(2, dtype=np.float32))

    placed = place(images, Fingerprints([], [], np.zeros((0, 2), np.float32)), [])

    assert (placed[1] == "a") is is_twin


def test_flat_images_and_images_without_a_vector_are_near_to_nothing() -> None:
    images = Fingerprints(["a", "b"], ["", ""], np.zeros((2, 8), np.float32))

    assert place(images, NOBODY, []) == ["a", "b"]


def test_an_image_that_touches_two_groups_joins_the_nearest() -> None:
    known = Fingerprints(["a", "b"], ["", ""], np.array([[1, 0], [np.cos(0.5), np.sin(0.5)]], np.float32))
    between = Fingerprints(["c"], [""], np.array([[np.cos(0.3), np.sin(0.3)]], np.float32))

    assert place(between, known, ["a", "b"]) == ["b"]
