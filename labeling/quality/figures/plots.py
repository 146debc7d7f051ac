"""Charts of figures: estimates in, SVG text out, with no network and no browser.

Names (labels, arms) go in as data, never as markup, so they come out escaped. The colours suit
colour-blind readers (Okabe and Ito), on white. Altair makes the chart, vl-convert draws it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt
import vl_convert

from labeling.answers import AnswerSet
from labeling.estimates import Estimate
from labeling.quality.annotators.acceptance import Acceptance
from labeling.quality.metrics import Bin

__all__ = [
    "MOST_CLASSES",
    "CurvePoint",
    "ReliabilityCurve",
    "VersionPoint",
    "acceptance_bars",
    "confusion_matrix",
    "accuracy_by_version",
    "learning_curve",
    "reliability_curves",
]

MOST_CLASSES = 30
"""More classes than this do not fit a picture; those with the most errors are shown."""

_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#767676"
_SERIES = (_BLUE, _ORANGE, "#009e73", "#cc79a7", "#e69f00", _GREY)
_SHARE = alt.Axis(format="%", tickCount=5)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The accuracy of one arm after so many labels. The first arm given is drawn as ours."""

    arm: str
    labels: int
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class VersionPoint:
    """The accuracy of one version, and whether it was promoted."""

    number: int
    accuracy: Estimate
    promoted: bool


@dataclass(frozen=True, slots=True)
class ReliabilityCurve:
    """One engine's bins of similar confidence, as given or calibrated."""

    name: str
    bins: Sequence[Bin]


def learning_curve(points: Sequence[CurvePoint]) -> str:
    """Accuracy on the random stream against labels by people, one line an arm, with 95 % intervals.

    Parameters
    ----------
    points : sequence of CurvePoint
        At least one.

    Returns
    -------
    SVG text.
    """
    arms = list(dict.fromkeys(point.arm for point in points))
    rows = [{"arm": p.arm, "labels": p.labels, **_interval(p.accuracy)} for p in points]
    scale = alt.Scale(domain=arms, range=[_BLUE, _ORANGE, _GREY][: len(arms)])
    legend = alt.Legend(orient="bottom-right", symbolOpacity=1, padding=4)
    colour = alt.Color("arm:N", title=None, scale=scale, legend=legend)
    base = alt.Chart(_data(rows)).encode(x=alt.X("labels:Q", title="labels by people"), color=colour)
    band = base.mark_area(opacity=0.15).encode(y=alt.Y("lower:Q"), y2="upper:Q")
    line = base.mark_line(point=alt.OverlayMarkDef(size=45), strokeWidth=2).encode(
        y=_y("accuracy on the random stream"),
        strokeDash=alt.StrokeDash("arm:N", title=None, scale=alt.Scale(domain=arms), legend=None),
    )
    return _svg(alt.layer(band, line), "Learning curve", "with 95 % intervals", 460, 260)


def accuracy_by_version(points: Sequence[VersionPoint]) -> str:
    """Accuracy on the random stream, one mark a version, with 95 % intervals.

    Parameters
    ----------
    points : sequence of VersionPoint
        At least one; only figures that are known.

    Returns
    -------
    SVG text.
    """
    rows = [
        {"version": p.number, "verdict": "promoted" if p.promoted else "not promoted", **_interval(p.accuracy)}
        for p in points
    ]
    verdicts = ["promoted", "not promoted"]
    colours, shapes = alt.Scale(domain=verdicts, range=[_BLUE, _GREY]), ["circle", "triangle-up"]
    colour = alt.Color("verdict:N", title=None, scale=colours, legend=alt.Legend(orient="bottom"))
    shape = alt.Shape("verdict:N", title=None, scale=alt.Scale(domain=verdicts, range=shapes))
    x = alt.X("version:O", title="version", axis=alt.Axis(labelAngle=0, labelOverlap=True))
    base = alt.Chart(_data(rows)).encode(x=x, color=colour)
    interval = base.mark_rule(strokeWidth=2).encode(y=alt.Y("lower:Q"), y2="upper:Q")
    mark = base.mark_point(filled=True, size=90, opacity=1).encode(y=_y("accuracy on the random stream"), shape=shape)
    note, width = "on the random stream, with 95 % intervals", max(220, min(560, 44 * len(rows)))
    return _svg(alt.layer(interval, mark), "Accuracy by version on the random stream", note, width, 240)


def confusion_matrix(matrix: npt.NDArray[np.integer], classes: Sequence[str]) -> str:
    """People's answers against the classifier's; shade is the share of the row, numbers are counts.

    Parameters
    ----------
    matrix : (K + 1, K) array
        As `labeling.quality.metrics.confusion` makes it: rows are people's answers, the last "none of these".
    classes : sequence of str
        The label set, K names.

    Returns
    -------
    SVG text; of more than `MOST_CLASSES` classes those with the most errors.
    """
    shown = _most_errors(matrix, len(classes))
    truths = [*shown, len(classes)] if matrix[-1].any() else shown
    names = AnswerSet(tuple(classes)).labels
    totals = np.maximum(matrix.sum(axis=1), 1)
    rows = [
        {"truth": names[t], "said": names[p], "count": int(matrix[t, p]), "share": float(matrix[t, p] / totals[t])}
        for t in truths
        for p in shown
        if matrix[t, p]
    ]
    step = 26 if len(shown) <= 15 else 19
    x = alt.X("said:N", title="classifier", scale=alt.Scale(domain=[names[p] for p in shown]), axis=_labels(-50))
    y = alt.Y("truth:N", title="people", scale=alt.Scale(domain=[names[t] for t in truths]), axis=_labels(0))
    shade = alt.Color(
        "share:Q",
        scale=alt.Scale(domain=[0, 1], range=["#ffffff", _BLUE], interpolate="rgb"),
        legend=alt.Legend(title="share of row", format="%", gradientLength=100, values=[0, 0.5, 1]),
    )
    ink = alt.when(alt.datum.share > 0.55).then(alt.value("white")).otherwise(alt.value("black"))
    base = alt.Chart(_data(rows)).encode(x=x, y=y)
    cells = base.mark_rect(stroke="#dddddd", strokeWidth=0.5).encode(color=shade)
    counts = base.mark_text(fontSize=10 if step > 20 else 8).encode(text="count:Q", color=ink)
    note = f"{len(shown)} of {len(classes)} classes: those that occur, most errors first"
    note = note if len(shown) < len(classes) else ""
    return _svg(alt.layer(cells, counts), "Where the champion errs", note, step * len(shown), step * len(truths))


def acceptance_bars(rows: Sequence[Acceptance]) -> str:
    """The share of pre-labels that people kept, one bar a class, with 95 % intervals, the lowest first.

    Parameters
    ----------
    rows : sequence of Acceptance
        Classes that were never shown are left out; under 30 answers a bar is pale.

    Returns
    -------
    SVG text; of more than `MOST_CLASSES` classes those with the lowest share.
    """
    shown = sorted((row for row in rows if row.shown), key=lambda row: (row.share.value, row.label))[:MOST_CLASSES]
    data = [
        {"label": r.label, "count": f"{r.kept} of {r.shown}", "known": r.share.known, **_interval(r.share)}
        for r in shown
    ]
    y = alt.Y("label:N", title=None, sort=[row.label for row in shown], axis=_labels(0))
    x = alt.X("value:Q", title="share of pre-labels kept", scale=alt.Scale(domain=[0, 1]), axis=_SHARE)
    pale = alt.when(alt.datum.known).then(alt.value(0.85)).otherwise(alt.value(0.4))
    base = alt.Chart(_data(data)).encode(y=y)
    bars = base.mark_bar(color=_BLUE, height=alt.RelativeBandSize(0.6)).encode(x=x, opacity=pale)
    interval = base.mark_rule(color="black", strokeWidth=1.2).encode(x="lower:Q", x2="upper:Q")
    counts = base.mark_text(align="left", fontSize=10, color="#444444").encode(x=alt.value(366), text="count:N")
    layers, note = alt.layer(bars, interval, counts), "pale: under 30 answers"
    return _svg(layers, "Pre-labels kept, by class", note, 360, 22 * len(data))


def reliability_curves(curves: Sequence[ReliabilityCurve]) -> str:
    """The share of correct answers against the confidence of engines, with 95 % intervals; the dashed line is ideal.

    Parameters
    ----------
    curves : sequence of ReliabilityCurve
        At least one; the first six are shown.

    Returns
    -------
    SVG text.
    """
    shown = curves[: len(_SERIES)]
    names = [curve.name for curve in shown]
    rows = [
        {"engine": curve.name, "confidence": one.confidence, **_interval(one.right)}
        for curve in shown
        for one in curve.bins
    ]
    scale = alt.Scale(domain=names, range=list(_SERIES[: len(names)]))
    legend = alt.Legend(orient="bottom", columns=1, labelLimit=400)
    colour = alt.Color("engine:N", title=None, scale=scale, legend=legend)
    x = alt.X("confidence:Q", title="confidence", scale=alt.Scale(domain=[0, 1]), axis=_SHARE)
    base = alt.Chart(_data(rows)).encode(x=x, color=colour)
    ideal = alt.Chart(_data([{"confidence": 0, "value": 0}, {"confidence": 1, "value": 1}])).encode(x=x)
    diagonal = ideal.mark_line(color=_GREY, strokeDash=[4, 4], strokeWidth=1).encode(y=_y("right"))
    interval = base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("lower:Q"), y2="upper:Q")
    line = base.mark_line(point=alt.OverlayMarkDef(size=45), strokeWidth=1.5).encode(y=_y("right"))
    return _svg(alt.layer(diagonal, interval, line), "How sure, and how often right", "with 95 % intervals", 300, 300)


def _most_errors(matrix: npt.NDArray[np.integer], k: int) -> list[int]:
    """Positions of the classes to show, in the order of the label set: those that occur, at most MOST_CLASSES."""
    square = matrix[:k]
    right = np.diag(square)
    total = square.sum(axis=1) + matrix.sum(axis=0)
    errors = total - 2 * right
    ranked = sorted(np.flatnonzero(total), key=lambda c: (-errors[c], -total[c]))
    return sorted(int(c) for c in ranked[:MOST_CLASSES])


def _interval(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "lower": estimate.lower, "upper": estimate.upper}


def _y(title: str) -> alt.Y:
    return alt.Y("value:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=_SHARE)


def _labels(angle: int) -> alt.Axis:
    return alt.Axis(labelAngle=angle, labelLimit=140, labelOverlap=False, ticks=False, domain=False)


def _data(rows: Sequence[dict[str, Any]]) -> alt.Data:
    return alt.Data(values=list(rows))


def _svg(chart: alt.LayerChart, title: str, subtitle: str, width: float, height: float) -> str:
    """Draw; `aria: false` halves the text, and the page itself names the chart."""
    spec = (
        chart.properties(
            width=width,
            height=height,
            title=alt.TitleParams(title, subtitle=subtitle or alt.Undefined, anchor="start", frame="group"),
        )
        .configure(background="white", font="sans-serif", aria=False, padding=8)
        .configure_view(stroke=None)
        .configure_axis(labelColor="#333333", titleColor="#333333", gridColor="#eeeeee", labelFontSize=11)
        .configure_title(fontSize=14, subtitleFontSize=11, subtitleColor="#555555", offset=10)
    )
    return str(vl_convert.vegalite_to_svg(spec.to_json(validate=False)))
