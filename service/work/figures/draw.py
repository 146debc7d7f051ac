"""Draws the plots of figures, in a process of its own: whoever asks need not load what draws.

In: on standard input, the data of figures by name, as JSON. Out: on standard output, SVG by name; a figure that has no
plot, too little to draw, or that fails to be drawn (it is logged) is left out.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from labeling.conversion import convert
from labeling.estimates import Estimate
from labeling.quality.annotators.acceptance import acceptance
from labeling.quality.figures.plots import (
    CurvePoint,
    ReliabilityCurve,
    VersionPoint,
    acceptance_bars,
    accuracy_by_version,
    confusion_matrix,
    learning_curve,
    reliability_curves,
)
from labeling.quality.metrics import Bin
from service.figures.accuracy import Acceptance, AccuracyByVersion, Confusion, Rounds
from service.figures.engines import EngineReliability
from service.figures.estimates import estimate_of
from service.figures.figures import FIGURES

__all__ = ["draw"]

_log = logging.getLogger(__name__)


def draw(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """SVG of every figure that has a plot and enough to draw."""
    found: dict[str, str] = {}
    for name, data in figures.items():
        try:
            found |= _drawn(name, data)
        except Exception:  # noqa: BLE001 - one plot that fails leaves the others; the log has it
            _log.exception("a plot could not be drawn: figure=%s", name)
    return found


def _drawn(name: str, data: Mapping[str, Any]) -> dict[str, str]:
    figure: Any = convert(data, FIGURES[name])
    plot = _PLOTS.get(type(figure))
    return {name: plot(figure)} if plot and figure.drawable else {}


def _versions(figure: AccuracyByVersion) -> str:
    points = [
        VersionPoint(one.version, found, one.promoted)
        for one in figure.versions
        if one.known and (found := estimate_of(one.accuracy, one)) is not None
    ]
    return accuracy_by_version(points)


def _confusion(figure: Confusion) -> str:
    matrix = np.zeros((len(figure.classes) + 1, len(figure.classes)), np.int64)
    for cell in figure.counts:
        matrix[len(figure.classes) if cell.truth is None else cell.truth, cell.said] = cell.count
    return confusion_matrix(matrix, figure.classes)


def _acceptance(figure: Acceptance) -> str:
    shown = [(one.label, one.shown, one.kept) for one in figure.classes]
    return acceptance_bars(acceptance(shown, [one.label for one in figure.classes]))


def _rounds(figure: Rounds) -> str:
    points = [
        CurvePoint("hardcase", one.labels_by_people, found)
        for one in figure.rounds
        if one.known and (found := estimate_of(one.accuracy, one)) is not None
    ]
    return learning_curve(points)


def _reliability(figure: EngineReliability) -> str:
    curves = [
        ReliabilityCurve(
            f"{engine.engine}, {words}",
            [Bin(one.confidence, Estimate(one.value, one.lower, one.upper, one.n)) for one in measured.bins],
        )
        for engine in figure.engines
        for words, measured in (("as given", engine.as_given), ("calibrated", engine.calibrated))
        if measured.known
    ]
    return reliability_curves(curves)


_PLOTS: Mapping[type, Callable[[Any], str]] = {
    AccuracyByVersion: _versions,
    Confusion: _confusion,
    Acceptance: _acceptance,
    Rounds: _rounds,
    EngineReliability: _reliability,
}

if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(draw(msgspec.json.decode(sys.stdin.buffer.read()))))
