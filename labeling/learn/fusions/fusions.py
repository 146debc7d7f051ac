"""The table of fusions: every kind by its name, with its default settings.

A new one is one file beside this one and one row here.
"""

from __future__ import annotations

from collections.abc import Mapping

from labeling.learn.classifier import FusionKind
from labeling.learn.fusions.concatenation import Concatenation

__all__ = ["FUSIONS"]

FUSIONS: Mapping[str, FusionKind] = {
    Concatenation.name: Concatenation(),
}
