"""Occlusion maps find the part that carries the class, and agree with the plainest way to make them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from labeling.explain.occlusion import GRID, covered, occlusion_map, stacked, strip

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))


def plainly_covered(image: Image.Image, grid: int) -> list[NDArray[np.uint8]]:
    """Pixel by pixel: a pixel belongs to the cell whose bounds hold it."""
    pixels = np.asarray(image)
    mean = [round(float(pixels[..., channel].mean())) for channel in range(3)]
    height, width = pixels.shape[:2]
    made = []
    for row in range(grid):
        for column in range(grid):
            one = pixels.copy()
            for y in range(height):
                for x in range(width):
                    inside_y = round(height * row / grid) <= y < round(height * (row + 1) / grid)
                    inside_x = round(width * column / grid) <= x < round(width * (column + 1) / grid)
                    if inside_y and inside_x:
                        one[y, x] = mean
            made.append(one)
    return made


@given(size=st.tuples(st.integers(1, 13), st.integers(1, 13)), grid=st.integers(1, 4))
def test_covering_agrees_with_doing_it_pixel_by_pixel(size: tuple[int, int], grid: int) -> None:
    image = noise(size)

    ours = [np.asarray(one) for one in covered(image, grid)]

    assert len(ours) == grid * grid
    for one, plain in zip(ours, plainly_covered(image, grid), strict=True):
        assert np.abs(one.astype(int) - plain.astype(int)).max() <= 1  # halves are rounded another way


@given(x=st.integers(0, GRID - 1), y=st.integers(0, GRID - 1))
def test_the_part_that_carries_the_class_is_found(x: int, y: int) -> None:
    cell, side = 20, 20 * GRID
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[y * cell : (y + 1) * cell, x * cell : (x + 1) * cell, 0] = 255  # the class is where it is red

    def red(image: Image.Image) -> float:
        return float((np.asarray(image)[..., 0] > 128).mean())

    image = Image.fromarray(pixels)
    found = occlusion_map(red(image), [red(one) for one in covered(image)], image.size)

    row, column = np.unravel_index(int(found.argmax()), found.shape)
    assert (int(row) // cell, int(column) // cell) == (y, x)
    assert found[y * cell + cell // 2, x * cell + cell // 2] > 0.9


@given(size=SIZES, probs=st.lists(st.floats(0, 1), min_size=GRID**2 + 1, max_size=GRID**2 + 1))
def test_a_map_has_the_images_size_and_lies_between_0_and_1(size: tuple[int, int], probs: list[float]) -> None:
    found = occlusion_map(probs[0], probs[1:], size)

    assert found.shape == (size[1], size[0])
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1


def test_where_nothing_makes_the_class_less_likely_nothing_is_marked() -> None:
    found = occlusion_map(0.2, [0.2, 0.9, 0.2, 0.3], (8, 8))

    assert not found.any()


@given(labels=st.lists(st.text(max_size=60), min_size=1, max_size=4), size=SIZES)
def test_examples_stand_side_by_side_whatever_they_are_called(labels: list[str], size: tuple[int, int]) -> None:
    drawn = strip([(noise(size), label) for label in labels])

    assert drawn.width == 200 * len(labels)
    assert np.asarray(drawn).std() > 0


@given(upper=SIZES, lower=SIZES)
def test_one_over_the_other_is_as_wide_as_the_wider_one(upper: tuple[int, int], lower: tuple[int, int]) -> None:
    drawn = stacked(noise(upper), noise(lower))

    assert drawn.width == max(upper[0], lower[0])
