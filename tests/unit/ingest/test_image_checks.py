"""The checks of a picture, compared with cleanvision's own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from cleanvision.issue_managers.image_property import (
    AspectRatioProperty,
    BlurrinessProperty,
    BrightnessProperty,
    EntropyProperty,
)
from cleanvision.issue_managers.image_property_issue_manager import ImagePropertyIssueManager
from PIL import Image, ImageFilter

from labeling.ingest.image_checks import check_picture
from labeling.types import ISSUES


def photograph(shape: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    return Image.fromarray(values).resize(size, Image.Resampling.BICUBIC)


PICTURES = {
    "coarse": photograph((3, 4), (640, 480)),
    "ordinary": photograph((30, 40), (640, 480)),
    "large": photograph((200, 300), (1_600, 1_200)),
    "small": photograph((30, 40), (60, 80)),
    "long": photograph((5, 50), (900, 100)),
    "dark": photograph((30, 40), (640, 480)).point(lambda value: value // 5),
    "blown out": photograph((30, 40), (640, 480)).point(lambda value: 250 + value // 60),
    "blurred": photograph((30, 40), (640, 480)).filter(ImageFilter.GaussianBlur(30)),
    "one colour": Image.new("RGB", (400, 300), (120, 130, 140)),
    "a little noise": Image.fromarray(np.random.default_rng(1).integers(90, 93, (300, 400, 3), dtype=np.uint8)),
}


def by_cleanvision(image: Image.Image) -> dict[str, float]:
    measured = [BrightnessProperty("dark"), AspectRatioProperty(), EntropyProperty(), BlurrinessProperty()]
    raw = pd.DataFrame([{name: value for one in measured for name, value in one.calculate(image).items()}])
    scores = {
        "blurry": measured[3].get_scores(raw, "blurry", normalizing_factor=0.01, color_threshold=0.18),
        "dark": measured[0].get_scores(raw, "dark"),
        "light": BrightnessProperty("light").get_scores(raw, "light"),
        "low_information": measured[2].get_scores(raw, "low_information", normalizing_factor=0.1),
        "odd_aspect": measured[1].get_scores(raw, "odd_aspect_ratio"),
    }
    return {name: float(score.iloc[0, 0]) for name, score in scores.items()}


@pytest.mark.parametrize("what", PICTURES)
def test_every_score_is_cleanvisions(what: str) -> None:
    found, wanted = check_picture(PICTURES[what]), by_cleanvision(PICTURES[what])

    assert {name: getattr(found, name) for name in ISSUES} == pytest.approx(wanted, abs=0.01)


def test_the_limits_are_cleanvisions() -> None:
    theirs = ImagePropertyIssueManager().get_default_params()

    assert {name: theirs[name.replace("odd_aspect", "odd_aspect_ratio")]["threshold"] for name in ISSUES} == ISSUES


def test_extreme_shapes_have_scores() -> None:
    for size in ((1, 1), (1, 20_000), (20_000, 1)):
        assert check_picture(Image.new("RGB", size)).dark == 0
