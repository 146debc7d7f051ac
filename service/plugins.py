"""Plug-ins: engines, strategies and heads, found by the entry points of the installed packages.

In: a group and a name. Out: the names that exist, or what a name refers to. Reading names loads no code, so any process
may check a project file; a plug-in's code runs only where it is loaded, in the worker.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from labeling.errors import Invalid
from service.engines.kinds import KINDS

ENGINES, STRATEGIES, HEADS = "hardcase.engines", "hardcase.strategies", "hardcase.heads"
BUILT_IN = {
    ENGINES: tuple(KINDS),
    STRATEGIES: (
        *("badge", "bald", "class_balanced", "cluster_margin", "disagreement", "drop_query", "entropy", "herding"),
        *("k_center", "least_confidence", "margin", "prob_cover", "random", "rare_class", "typical", "weighted"),
    ),
    HEADS: ("logistic",),
}
"""Our own. They are used instead of a plug-in of the same name."""


def names_of(group: str) -> list[str]:
    """Every name that may be used, our own first."""
    own = BUILT_IN[group]
    return [*own, *sorted({point.name for point in entry_points(group=group)} - set(own))]


def check_name(group: str, name: str) -> str:
    """The name itself if it exists.

    Raises
    ------
    Invalid
        It does not exist; the message lists the names that do.
    """
    if name not in names_of(group):
        kind = group.removeprefix("hardcase.").removesuffix("s").replace("strategie", "strategy")
        raise Invalid(f"There is no {kind} {name!r}. Write one of these: {', '.join(names_of(group))}.")
    return name


def load_plugin(group: str, name: str) -> Any:
    """The object that a plug-in's entry point names.

    Raises
    ------
    Invalid
        There is no such plug-in, or its module does not load.
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
