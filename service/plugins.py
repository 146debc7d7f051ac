"""Engines, strategies and heads of one's own, found by the entry points of the packages that are installed.

In: a group and a name. Out: the names that there are, or what a name stands for. Reading names loads nothing, so any
process may check a project file; a plug-in's code runs only where it is loaded, in the worker.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from labeling.errors import Invalid
from service.engines.kinds import KINDS

ENGINES, STRATEGIES, HEADS = "hardcase.engines", "hardcase.strategies", "hardcase.heads"
BUILT_IN = {
    ENGINES: tuple(KINDS),
    STRATEGIES: ("entropy", "k_center", "least_confidence", "margin", "random", "typical"),
    HEADS: ("logistic",),
}
"""Our own. They win over a plug-in of the same name."""


def names_of(group: str) -> list[str]:
    """Every name that may be written, our own first."""
    own = BUILT_IN[group]
    return [*own, *sorted({point.name for point in entry_points(group=group)} - set(own))]


def check_name(group: str, name: str) -> str:
    """The name itself if there is such a thing.

    Raises
    ------
    Invalid
        When there is none; it says which there are.
    """
    if name not in names_of(group):
        kind = group.removeprefix("hardcase.").removesuffix("s").replace("strategie", "strategy")
        raise Invalid(f"There is no {kind} {name!r}. Write one of these: {', '.join(names_of(group))}.")
    return name


def load_plugin(group: str, name: str) -> Any:
    """What a plug-in's entry point names.

    Raises
    ------
    Invalid
        When there is no such plug-in, or its module does not load.
    """
    found = [point for point in entry_points(group=group) if point.name == check_name(group, name)]
    if not found:
        raise Invalid(f"{name!r} of {group} is not a plug-in.")
    try:
        return found[0].load()
    except (ImportError, AttributeError) as error:
        raise Invalid(
            f"The plug-in {name!r} ({found[0].value}) does not load: {error}. Install its package again."
        ) from error
