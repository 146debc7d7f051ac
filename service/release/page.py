"""The page of a release: one HTML file that needs nothing else, runs nothing, and escapes everything.

In: who released what and why, the figures, pictures as data addresses. Out: text. It says what was measured, and what
was not; what the labels may be used for is the releaser's to say, in the note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined


@dataclass(frozen=True, slots=True)
class Title:
    """What stands at the top of the page."""

    project: str
    name: str
    author: str
    at: datetime
    note: str


def render(title: Title, figures: Mapping[str, Any], samples: Mapping[str, Sequence[str]]) -> str:
    """The page as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "between": _between,
        "coefficient": _coefficient,
        "accuracy": lambda version: _between({**version, "value": version.get("accuracy")}),
        "when": _when,
        "thousands": _thousands,
        "measured": _measured,
        "target": _target,
    }
    source = files("service.release").joinpath("release.html.jinja").read_text(encoding="utf-8")
    most = max((row["labels"] for row in figures["classes"]), default=0)
    return environment.from_string(source).render(
        title=title, figures=figures, computed=figures["computed"], samples=samples, most=most or 1
    )


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _between(estimate: Mapping[str, Any]) -> str:
    """A share with its interval, or that it is not yet known."""
    if not estimate.get("known"):
        return f"not yet known ({estimate.get('n', 0)})"
    return f"{_percent(estimate['value'])} ({_percent(estimate['lower'])} to {_percent(estimate['upper'])})"


def _coefficient(estimate: Mapping[str, Any]) -> str:
    """A coefficient of agreement with its interval, or that it is not yet known."""
    if not estimate.get("known"):
        return f"not yet known ({estimate.get('n', 0)})"
    return f"{estimate['value']:.2f} ({estimate['lower']:.2f} to {estimate['upper']:.2f})"


def _measured(figure: Mapping[str, Any] | None, unit: str) -> str:
    """What a criterion rests on, in its unit; what is counted and not estimated has no interval."""
    if figure is None:
        return "not yet known"
    if figure.get("known") and figure.get("lower") is None:
        return _in_unit(figure["value"], unit)
    return _between(figure) if unit == "share" else _coefficient(figure)


def _target(criterion: Mapping[str, Any]) -> str:
    if criterion["target"] is None:
        return "none"
    return f"at {'least' if criterion['at_least'] else 'most'} {_in_unit(criterion['target'], criterion['unit'])}"


def _in_unit(value: float, unit: str) -> str:
    return {"share": _percent(value), "count": _thousands(round(value))}.get(unit, f"{value:.2f}")


def _when(value: datetime | str) -> str:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _thousands(value: int) -> str:
    return f"{value:,}".replace(",", "\u202f")
