"""Pictures: they hold what they should, small, as plain SVG, and names never become markup."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from labeling.quality.annotators.acceptance import acceptance
from labeling.quality.figures.plots import (
    MOST_CLASSES,
    CurvePoint,
    VersionPoint,
    acceptance_bars,
    accuracy_by_version,
    confusion_matrix,
    learning_curve,
)
from labeling.quality.metrics import confusion, share

EVIL = "<script>alert('x')</script>&\"{{7*7}}"


def _pictures(name: str) -> dict[str, str]:
    return {
        "learning curve": learning_curve(
            [
                CurvePoint(name, 40, share(30, 50)),
                CurvePoint(name, 80, share(40, 50)),
                CurvePoint("b", 40, share(9, 50)),
            ]
        ),
        "confusion": confusion_matrix(confusion(np.array([0, 1, 1]), np.array([0, 0, -1]), 2), [name, "dog"]),
        "acceptance": acceptance_bars(acceptance([(name, 40, 30), ("dog", 3, 1)], [name, "dog"])),
    }


@pytest.mark.parametrize("kind", ["learning curve", "confusion", "acceptance"])
def test_a_name_that_could_be_markup_stays_text(kind: str) -> None:
    svg = _pictures(EVIL)[kind]

    root = ElementTree.fromstring(svg)
    tags = {element.tag.split("}")[1] for element in root.iter()}
    assert "script" not in tags
    assert "<script" not in svg
    assert any("<script>" in text for text in root.itertext())


@pytest.mark.parametrize("kind", ["learning curve", "confusion", "acceptance"])
def test_pictures_need_no_style_sheet_no_network_and_little_room(kind: str) -> None:
    svg = _pictures("cat")[kind]

    assert svg.startswith("<svg")
    assert len(svg) < 40_000
    assert "style=" not in svg
    assert svg.count("http") == svg.count("http://www.w3.org")


def test_versions_are_marked_by_what_became_of_them() -> None:
    svg = accuracy_by_version([VersionPoint(1, share(30, 50), True), VersionPoint(2, share(20, 50), False)])

    texts = list(ElementTree.fromstring(svg).itertext())
    assert {"promoted", "not promoted", "version", "Accuracy by version on the random stream"} <= set(texts)


def test_of_many_classes_those_with_the_most_errors_are_shown() -> None:
    classes = [f"class {k}" for k in range(100)]
    truth = np.repeat(np.arange(100), 4)
    predicted = np.where(truth >= 80, (truth + 1) % 100, truth)  # the last twenty are always wrong

    svg = confusion_matrix(confusion(predicted, truth, 100), classes)

    texts = set(ElementTree.fromstring(svg).itertext())
    assert {f"class {k}" for k in range(80, 100)} <= texts
    assert sum(name in texts for name in classes) == MOST_CLASSES
    assert "30 of 100 classes: those that occur, most errors first" in texts
