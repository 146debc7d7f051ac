"""The strategy that a project names: one of ours, or a plug-in's. Select picks by it, review orders the queue by it."""

from __future__ import annotations

from labeling.errors import Invalid
from labeling.project import Project
from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Strategy
from service import plugins

__all__ = ["strategy_named", "strategy_of"]


def strategy_of(project: Project) -> Strategy:
    """The project's own strategy.

    Raises
    ------
    Invalid
        When it is a plug-in that does not load or is no strategy.
    """
    return strategy_named(project.config.policy.strategy)


def strategy_named(name: str) -> Strategy:
    """One of ours before a plug-in's of the same name; Invalid where there is none, or it is no strategy."""
    if name in STRATEGIES:
        return STRATEGIES[name]
    found = plugins.load_plugin(plugins.STRATEGIES, name)
    if isinstance(found, type) or not isinstance(found, Strategy):
        raise Invalid(f"The plug-in {name!r} is {_instead(found, name)}")
    return found


def _instead(found: object, name: str) -> str:
    """What stands there instead of a strategy, and how to make one of it."""
    own = getattr(found, "__name__", name)
    if isinstance(found, type):
        return f"a class; a strategy is an object. Below it write the line `{name} = {own}()` and name that."
    if callable(found):
        return (
            "a plain function; a strategy is an object. If it scores probabilities, write this line below it: "
            f'`{own} = ByScore("{name}", {own})`, after `from labeling.select.strategies.by_score import ByScore`.'
        )
    return "no strategy: inherit from `labeling.select.strategies.strategy.Strategy` and write `choose`."
