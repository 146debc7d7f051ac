"""The page of a release: one self-contained HTML file without scripts, in which every text is escaped.

In: the project's name, the order, the figures, pictures as data URLs. Out: HTML. It says what was measured and what was
not; what the labels may be used for is stated in the note of the person who releases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be released, by whom, and their note."""

    name: str
    author: str
    note: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """So many labels were withdrawn from a release until then, and what the hash of its labels is since."""

    labels: int
    at: datetime
    hash: str


def render(
    project: str,
    order: Order,
    figures: Mapping[str, Any],
    samples: Mapping[str, Sequence[str]],
    withdrawn: Withdrawn | None = None,
) -> str:
    """The page as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "between": _share,
        "coefficient": _coefficient,
        "accuracy": lambda version: _share({**version, "value": version.get("accuracy")}),
        "when": _when,
        "thousands": _thousands,
        "measured": _measured,
        "target": _target,
    }
    source = files("service.release").joinpath("release.html.jinja").read_text(encoding="utf-8")
    most = max((row["labels"] for row in figures["classes"]), default=0)
    return environment.from_string(source).render(
        project=project,
        order=order,
        figures=figures,
        computed=figures["computed"],
        samples=samples,
        most=most or 1,
        withdrawn=withdrawn,
    )


def _share(estimate: Mapping[str, Any]) -> str:
    return _with_interval(estimate, "share")


def _coefficient(estimate: Mapping[str, Any]) -> str:
    return _with_interval(estimate, "coefficient")


def _measured(figure: Mapping[str, Any] | None, unit: str) -> str:
    """The figure of a criterion, in its unit; a count has no interval."""
    if figure is None:
        return "not yet known"
    if figure.get("known") and figure.get("lower") is None:
        return _in_unit(figure["value"], unit)
    return _with_interval(figure, "share" if unit == "share" else "coefficient")


def _with_interval(estimate: Mapping[str, Any], unit: str) -> str:
    if not estimate.get("known"):
        return f"not yet known ({estimate.get('n', 0)})"
    value, lower, upper = (_in_unit(estimate[name], unit) for name in ("value", "lower", "upper"))
    return f"{value} ({lower} to {upper})"


def _target(criterion: Mapping[str, Any]) -> str:
    if criterion["target"] is None:
        return "none"
    return f"at {'least' if criterion['at_least'] else 'most'} {_in_unit(criterion['target'], criterion['unit'])}"


def _in_unit(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    return {"share": f"{100 * value:.1f} %", "count": _thousands(round(value))}.get(unit, f"{value:.2f}")


def _when(value: datetime | str) -> str:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _thousands(value: int) -> str:
    return f"{value:,}".replace(",", "\u202f")
