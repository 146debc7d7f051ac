"""Every figure that says that it can be drawn is drawn, in a process that gets data only."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from service.figures.figures import FIGURES
from service.work.figures.draw import draw
from tests.service.quality_data import figures

CLASSES = ["cat", "dog", "bird"]


def test_figures_are_drawn_from_their_data_alone() -> None:
    data = {name: value for name, value in figures(CLASSES, []).items() if name in FIGURES}

    done = subprocess.run(
        [sys.executable, "-m", "service.work.figures.draw"],
        input=msgspec.json.encode(data), stdout=subprocess.PIPE, check=True,
    )  # fmt: skip

    drawn = msgspec.json.decode(done.stdout, type=dict[str, str])
    assert set(drawn) == {"accuracy_by_version", "confusion", "acceptance", "rounds"}
    assert all(svg.startswith("<svg") for svg in drawn.values()) and "bird" in drawn["confusion"]


def test_a_figure_that_cannot_be_drawn_is_logged_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    data = {**figures(CLASSES, []), "rounds": {"rounds": "many"}}

    drawn = draw({name: data[name] for name in ("confusion", "rounds")})

    assert set(drawn) == {"confusion"} and "figure=rounds" in caplog.text


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("accuracy_by_version", {"versions": []}),
        ("confusion", {"version": None, "n": 0, "known": False, "classes": CLASSES, "counts": []}),
        ("rounds", {"rounds": []}),
        ("engine_reliability", {"engines": []}),
    ],
)
def test_what_holds_too_little_is_not_drawn(name: str, data: dict[str, object]) -> None:
    assert draw({name: data}) == {}
