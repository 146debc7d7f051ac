"""Finds what is shown as an estimate: every field of a figure, report, verdict or message that holds a real number.

Whole numbers are counts and need no interval. A field is named by its module, class and name; a class that is an
estimate itself by module and class.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator

import service.figures
from db.views.engine_stats import RevisionFacts
from labeling.estimates import Estimate
from labeling.promote.judgement import Judgement
from labeling.promote.power import Power
from labeling.select.strategies.hedged import Evidence
from service.figures import estimates
from service.figures.estimates import Interval, Range
from service.notifications.summary import Measured, Person, Week

__all__ = ["shown_fields"]

ELSEWHERE = (RevisionFacts, Judgement, Power, Evidence, Measured, Person, Week)
"""What is shown and is no struct of `service/figures`: verdicts with their reasons, a query's reason, messages."""


def shown_fields() -> list[str]:
    """All of them, sorted."""
    return sorted({name for kind in _kinds() for name in _of(kind)})


def _kinds() -> Iterator[type]:
    yield from ELSEWHERE
    for module in pkgutil.iter_modules(service.figures.__path__):
        found = importlib.import_module(f"{service.figures.__name__}.{module.name}")
        if found is not estimates:
            yield from (
                one for _, one in inspect.getmembers(found, inspect.isclass) if one.__module__ == found.__name__
            )


def _of(kind: type) -> Iterator[str]:
    name = f"{kind.__module__.rsplit('.', 1)[-1]}.{kind.__name__}"
    inherited = typing.get_type_hints(Interval) if issubclass(kind, Interval) else {}
    if inherited:
        yield name
        inherited |= {"accuracy": float, "share": float, "value": float}
    for field, hint in typing.get_type_hints(kind).items():
        if field not in inherited and _holds_a_number(hint):
            yield f"{name}.{field}"


def _holds_a_number(hint: object) -> bool:
    if isinstance(hint, type) and issubclass(hint, float | Estimate | Interval | Range):
        return hint in (float, Estimate) or hint.__module__ == estimates.__name__
    return any(_holds_a_number(part) for part in typing.get_args(hint))
