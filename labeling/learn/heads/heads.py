"""The table of heads: every kind by its name, with its default settings.

A new one is one file beside this one and one row here; `service.plugins.BUILT_IN` names it for the project file.
"""

from __future__ import annotations

from collections.abc import Mapping

from labeling.learn.classifier import HeadKind
from labeling.learn.heads.logistic import Logistic

__all__ = ["HEADS"]

HEADS: Mapping[str, HeadKind] = {
    Logistic.name: Logistic(),
}
