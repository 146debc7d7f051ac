"""Names for content."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from labeling.ingest.hashing import content_hash, hamming, perceptual_hash, text_key


def scene(seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((256, 256), Image.Resampling.BICUBIC)


def test_content_and_text_are_named_by_their_sha256() -> None:
    assert content_hash(b"x") == sha256(b"x").hexdigest()
    assert text_key("ünï") == sha256("ünï".encode()).hexdigest()
    assert len(text_key("\ud800")) == 64


@pytest.mark.parametrize(
    "change",
    [
        lambda i: i.resize((200, 200)),
        lambda i: Image.eval(i, lambda v: min(255, v + 5)),
    ],
)
def test_a_scaled_or_brightened_copy_keeps_its_perceptual_hash_within_six_bits(
    change: Callable[[Image.Image], Image.Image],
) -> None:
    assert hamming(perceptual_hash(scene()), perceptual_hash(change(scene()))) <= 6


def test_different_scenes_are_far_apart() -> None:
    assert hamming(perceptual_hash(scene(1)), perceptual_hash(scene(2))) > 6


@pytest.mark.parametrize("colour", ["white", "black", (10, 200, 30)])
def test_a_flat_image_is_near_to_nothing(colour: str | tuple[int, int, int]) -> None:
    flat = perceptual_hash(Image.new("RGB", (64, 64), colour))

    assert flat == ""
    assert hamming(flat, flat) == 64
