"""What the Engines page shows of kept reports, read back into plain values.

In: reports as stored. Out: values for the template, or why there is none, in words.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from db.repositories.engines.reports import EngineReport
from service.figures.engine_reports import Comparison, Plan, read_report

__all__ = [
    "comparison_in",
    "plan_in",
]

OLD = "Another release of hardcase kept this report in another form. Ask for a new one."

T = TypeVar("T", bound=msgspec.Struct)


def comparison_in(report: EngineReport | None) -> Comparison | str | None:
    """The comparison, or why there is none, in the worker's words."""
    return _read(report, Comparison)


def plan_in(report: EngineReport | None) -> Plan | str | None:
    """The plan, or why there is none."""
    return _read(report, Plan)


def _read(report: EngineReport | None, kind: type[T]) -> T | str | None:
    if report is None:
        return None
    if isinstance(report.result.get("error"), str):
        return str(report.result["error"])
    return read_report(report.result, kind) or OLD
