"""Fingerprints: copies are near, other images far, flat ones near to nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from labeling.ingest.fingerprints import FINGERPRINT_BYTES, Distances, Fingerprints, distances, fingerprint
from labeling.ingest.twins import TwinRule, adaptive_rule, fixed_rule, is_twin


def scene(seed: int = 0, size: int = 128) -> Image.Image:
    """A blurred picture with some structure."""
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def apart(one: Image.Image, other: Image.Image) -> Distances:
    both = Fingerprints.read([fingerprint(one), fingerprint(other)])
    return distances(both, both, np.array([0]), np.array([1]))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half the size": lambda image: image.resize((64, 64)),
    "cropped": lambda image: image.crop((4, 4, 124, 124)),
    "turned": lambda image: image.rotate(1.5, Image.Resampling.BICUBIC),
    "darker": lambda image: image.point(lambda value: int(value * 0.8)),
    "in another mode": lambda image: image.convert("P"),
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_is_near_and_another_image_is_far(how: str) -> None:
    assert apart(scene(), COPIES[how](scene())).bits[0] <= 40
    assert apart(scene(), scene(1)).bits[0] > 60


def test_the_distance_is_the_same_in_both_directions() -> None:
    one, other = scene(), COPIES["cropped"](scene())

    assert apart(one, other) == apart(other, one) or (
        apart(one, other).bits == apart(other, one).bits and apart(one, other).colour == apart(other, one).colour
    )


@pytest.mark.parametrize("colour", ["white", "black", "red"])
def test_a_flat_image_has_no_fingerprint_and_is_near_to_nothing(colour: str) -> None:
    flat = Image.new("RGB", (64, 64), colour)

    assert fingerprint(flat) == b""
    assert not is_twin(apart(flat, flat), fixed_rule(64))[0]


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (3000, 2), (17, 31)])
def test_an_image_of_any_shape_has_a_whole_fingerprint_or_none(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)

    assert len(fingerprint(Image.fromarray(noise))) in (0, FINGERPRINT_BYTES)


def test_images_that_differ_in_colour_alone_are_no_twins() -> None:
    red = Image.merge("RGB", (scene().getchannel(0), Image.new("L", (128, 128), 0), Image.new("L", (128, 128), 0)))
    grey = red.convert("L").convert("RGB")

    assert apart(red, grey).bits[0] <= 8
    assert not is_twin(apart(red, grey), fixed_rule(64))[0]


def test_bytes_of_another_form_count_as_no_fingerprint() -> None:
    read = Fingerprints.read([b"short", fingerprint(scene())])

    assert read.present.tolist() == [False, True]


def test_thresholds_follow_the_pool() -> None:
    rng = np.random.default_rng(0)
    varied = Fingerprints.read([fingerprint(scene(seed)) for seed in range(40)])
    alike = Fingerprints.read([fingerprint(Image.blend(scene(0), scene(seed), 0.3)) for seed in range(40)])

    assert adaptive_rule(alike, rng).near < 0.8 * adaptive_rule(varied, rng).near


def test_the_same_pool_gives_the_same_thresholds() -> None:
    pool = Fingerprints.read([fingerprint(scene(seed)) for seed in range(30)])

    assert adaptive_rule(pool, np.random.default_rng(1)) == adaptive_rule(pool, np.random.default_rng(1))


@pytest.mark.parametrize("images", [0, 1, 5])
def test_too_few_images_have_no_thresholds(images: int) -> None:
    pool = Fingerprints.read([fingerprint(scene(seed)) for seed in range(images)])

    assert adaptive_rule(pool, np.random.default_rng(0)) == TwinRule(-1.0, -1.0)
