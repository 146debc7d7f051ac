"""What the Engines page shows of kept reports: documents of the worker read back into plain values.

In: reports as stored. Out: values for the template. A report that is missing, or that an older worker wrote in another
form, is simply not shown.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from db.repositories.engines.reports import EngineReport
from service.figures.engine_reports import Comparison, Plan

__all__ = [
    "comparison_in",
    "plan_in",
]

T = TypeVar("T")


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
    try:
        return msgspec.convert(report.result, kind)
    except msgspec.ValidationError:
        return None
