"""The head that a project file names: one of our own, or a plug-in's."""

from __future__ import annotations

from labeling.learn.classifier import HeadKind
from labeling.learn.heads.from_function import HeadFromFunction
from labeling.learn.heads.heads import HEADS
from service import plugins


def head_named(name: str) -> HeadKind:
    """Our own before a plug-in's of the same name; Invalid where there is none, or it does not load."""
    if name in HEADS:
        return HEADS[name]
    return HeadFromFunction(name, plugins.load_plugin(plugins.HEADS, name))
