"""The demo's report: a table for the terminal, and one self-contained HTML page with pictures.

In: a `Summary` and the data of the figures. Out: a Rich table, and `report.html`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from jinja2 import Environment
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image
from rich.table import Table
from rich.text import Text

from labeling.estimates import Estimate
from labeling.quality.figures.plots import CurvePoint, confusion_matrix, learning_curve
from service.demo.summary import Interval, Round, Summary

COLUMNS = (
    "labels: images with a label by people; trained: those that the version learnt from; accuracy: on "
    "the random stream, with a 95 % interval; random: the same recipe on as many random labels, mean and interval over "
    "five seeds; kept: share of pre-selected classes that the simulated annotators kept"
)
_THUMBNAIL = (112, 112)


@dataclass(frozen=True, slots=True)
class HardImage:
    """An image of the random stream with a low probability for the people's answer; its thumbnail is a data URL."""

    thumbnail: str
    caption: str
    prelabel: str
    predicted: str
    confidence: float
    answer: str
    truth: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """The data of the figures: the confusion matrix (K + 1, K) of answers and champion, and the hardest images."""

    confusion: NDArray[np.int64]
    classes: tuple[str, ...]
    hardest: tuple[HardImage, ...]


def rounds_table(summary: Summary) -> Table:
    """One row a round, for the terminal; `COLUMNS` explains the columns."""
    table = Table(title="The loop, round by round", title_justify="left", header_style="bold")
    for name in ("round", "labels", "trained", "accuracy", "random", "kept", "verdict"):
        table.add_column(name, justify="left" if name == "verdict" else "right")
    for number, one in enumerate(summary.rounds, 1):
        cells = [
            str(number),
            str(one.labels_by_people),
            str(one.training_labels),
            f"{accuracy_text(one.accuracy, one.interval)} on {one.random_labels}",
            accuracy_text(one.random_accuracy, one.random_interval),
            "-" if one.prelabel_accepted_share is None else f"{one.prelabel_accepted_share:.0%}",
            one.verdict,
        ]
        table.add_row(*[Text(cell) for cell in cells])
    return table


def reasons(summary: Summary) -> list[str]:
    """One line a round: the verdict and its reason."""
    return [f"round {number}, {one.verdict}: {one.reason}" for number, one in enumerate(summary.rounds, 1)]


def accuracy_text(value: float | None, interval: Interval | None) -> str:
    """An accuracy with its interval; "not yet known" where there are too few labels."""
    if value is None:
        return "not yet known"
    return f"{value:.3f}" if interval is None else f"{value:.3f} [{interval[0]:.2f}, {interval[1]:.2f}]"


def thumbnail(content: bytes) -> str:
    """A small copy of an image as a data URL."""
    with Image.open(io.BytesIO(content)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail(_THUMBNAIL)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def write_report(summary: Summary, pictures: Pictures, path: Path) -> None:
    """Write the page; every text in it is escaped."""
    template = files("service.demo").joinpath("report.html.jinja").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    curve = _curve(summary.rounds)
    matrix = confusion_matrix(pictures.confusion, pictures.classes) if pictures.confusion.any() else None
    text = page.render(
        summary=summary,
        rounds=list(enumerate(summary.rounds, 1)),
        curve=Markup(learning_curve(curve)) if curve else None,
        matrix=Markup(matrix) if matrix else None,
        hardest=pictures.hardest,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _curve(rounds: Sequence[Round]) -> list[CurvePoint]:
    """The known accuracies of both arms, by the number of training labels."""
    ours = [("hardcase", one, one.accuracy, one.interval) for one in rounds]
    random = [("random labels", one, one.random_accuracy, one.random_interval) for one in rounds]
    return [
        CurvePoint(arm, one.training_labels, Estimate(mean, *bounds, one.random_labels))
        for arm, one, mean, bounds in ours + random
        if mean is not None and bounds is not None
    ]
