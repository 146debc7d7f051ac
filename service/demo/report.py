"""The demo's report: two tables for the terminal, and one self-contained HTML page with pictures.

In: a `Summary` and the data of the figures. Out: Rich tables, and `report.html`.
"""

from __future__ import annotations

import base64
import io
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
from service.demo.summary import Interval, MachineThreshold, Measured, Summary

COLUMNS = (
    "labels: images with a label by people; trained: those that the version learnt from; accuracy: on "
    "the random stream, with a 95 % interval; random: the same recipe on as many random labels, simulated, mean and "
    "interval over five seeds; kept: share of pre-selected classes that the simulated annotators kept"
)
_THUMBNAIL = (112, 112)
_UNKNOWN = "not yet known"


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


@dataclass(frozen=True, slots=True)
class Line:
    """One figure: what hardcase says of it, how many images that rests on, and what is really so."""

    figure: str
    said: str
    n: int
    truth: str


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


def lines_of(summary: Summary) -> list[Line]:
    """The accuracies, the share of wrong labels, machine labels and the random arm, in this order."""
    then = {name: f", with {labelled} images labelled" for name, labelled in summary.earlier.items()}
    arm_then = then.get("random_arm", "")
    shares = [
        _line(f"accuracy on the collection{then.get('accuracy_on_collection', '')}", summary.accuracy_on_collection),
        _line(f"accuracy on what is left{then.get('accuracy_on_what_is_left', '')}", summary.accuracy_on_what_is_left),
        _line("share of wrong labels", summary.share_of_wrong_labels),
    ]
    machine = _machine_labels(summary.machine_labels, then.get("machine_labels", ""))
    arm = [_line(f"{point.labels} random labels: accuracy{arm_then}", point.accuracy) for point in summary.random_arm]
    return [*shares, *machine, *(arm or [Line("random labels", _UNKNOWN, 0, "-")])]


def beside_table(summary: Summary) -> Table:
    """The lines as a table for the terminal."""
    table = Table(title="What hardcase says, beside the truth", title_justify="left", header_style="bold")
    for name in ("figure", "hardcase says", "on", "truth"):
        table.add_column(name, justify="left" if name == "figure" else "right")
    for line in lines_of(summary):
        table.add_row(*[Text(cell) for cell in (line.figure, line.said, str(line.n), line.truth)])
    return table


def labelled_lines(summary: Summary) -> list[str]:
    """How the images got their labels, what was promised beside what is so, and what choosing saved."""
    return [
        f"Labelled by: {'; '.join(f'{name} {n} ({share})' for name, n, share in labelled_rows(summary))}.",
        f"Certificate: {promise_text(summary)}",
        f"Random labels for each chosen one, at the same accuracy: {savings_text(summary)}.",
    ]


def labelled_rows(summary: Summary) -> list[tuple[str, int, str]]:
    """Who labelled how many images, and which share of all; then those that are left, by why."""
    found = summary.labelled
    rows = [("people", found.people), ("a certificate", found.certificate), ("given with the image", found.given)]
    rows += [(f"none, {why}", n) for why, n in sorted(found.left.items())]
    rows += [("none yet", found.waiting)] if found.waiting else []
    return [(name, n, f"{n / max(summary.images, 1):.1%}".replace("%", " %")) for name, n in rows]


def promise_text(summary: Summary) -> str:
    """The promise beside the precision that the accepted labels really have; why there is none."""
    one = summary.certificate
    if one.true_precision is None:
        return f"{one.promise}. {one.words}"
    really = f"{one.true_precision:.3f} of {one.accepted} are right (promised: {one.precision:g})"
    stands = "" if one.stands else f" It does not stand any more: {one.words}"
    return f"{one.promise}. {really}; {one.wrong} of {one.sampled} sampled images were wrong by machine.{stands}"


def savings_text(summary: Summary) -> str:
    """The product's own figure."""
    one = summary.savings
    if one.value is None or one.lower is None:
        return _UNKNOWN
    upper = "no bound" if one.upper is None else f"{one.upper:.2f}"
    return f"{one.value:.2f} [{one.lower:.2f}, {upper}] on {one.n}"


def accuracy_text(value: float | None, interval: Interval | None) -> str:
    """An accuracy with its interval; "not yet known" where there are too few labels."""
    if value is None:
        return _UNKNOWN
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
    curve = _curve(summary)
    matrix = confusion_matrix(pictures.confusion, pictures.classes) if pictures.confusion.any() else None
    text = page.render(
        summary=summary,
        rounds=list(enumerate(summary.rounds, 1)),
        curve=Markup(learning_curve(curve)) if curve else None,
        matrix=Markup(matrix) if matrix else None,
        hardest=pictures.hardest,
        beside=lines_of(summary),
        labelled=labelled_rows(summary),
        promise=promise_text(summary),
        saved=savings_text(summary),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _curve(summary: Summary) -> list[CurvePoint]:
    """The known accuracies of the versions, of as many random labels in simulation, and of the product's own arm."""
    ours = [("hardcase", one, one.accuracy, one.interval) for one in summary.rounds]
    random = [("random labels", one, one.random_accuracy, one.random_interval) for one in summary.rounds]
    judged = [
        CurvePoint(arm, one.training_labels, Estimate(mean, *bounds, one.random_labels))
        for arm, one, mean, bounds in ours + random
        if mean is not None and bounds is not None
    ]
    said = [(point.labels, _estimate(point.accuracy)) for point in summary.random_arm]
    return judged + [
        CurvePoint("random labels, as hardcase says", labels, found) for labels, found in said if found is not None
    ]


def _estimate(found: Measured) -> Estimate | None:
    if found.value is None or found.lower is None or found.upper is None:
        return None
    return Estimate(found.value, found.lower, found.upper, found.n)


def _line(figure: str, found: Measured) -> Line:
    truth = "-" if found.truth is None else f"{found.truth:.3f}"
    if found.value is None:
        return Line(figure, _UNKNOWN, found.n, truth)
    return Line(figure, f"{found.value:.3f} [{found.lower:.2f}, {found.upper:.2f}]", found.n, truth)


def _machine_labels(found: tuple[MachineThreshold, ...], then: str) -> list[Line]:
    """The strictest threshold whose bound is known, and the one that takes all; `then`: when that was so."""
    known = [one for one in found if one.lower is not None]
    if not known:
        return [Line("machine labels", _UNKNOWN, max((one.sampled for one in found), default=0), "-")]
    return [
        Line(
            f"{one.images} machine labels: right{then}",
            f"at least {one.lower:.4f}",
            one.sampled,
            f"{one.true_precision:.3f}",
        )
        for one in dict.fromkeys((known[0], known[-1]))
    ]
