"""The strategy that a project names: one of ours, or a plug-in's. Select picks by it, review orders the queue by it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labeling.select.strategies.uncertainty import DOUBTS, checked_doubts
from service import plugins

__all__ = ["doubts_of"]

_RANDOM = "random"


def doubts_of(strategy: str, probs: npt.NDArray[np.floating]) -> npt.NDArray[np.float32] | None:
    """How doubtful each image is by this strategy, (N,); None where it has no such number ("random").

    Raises
    ------
    Invalid
        When the strategy is a plug-in that does not load, or that gives something else.
    """
    if strategy == _RANDOM:
        return None
    if strategy in DOUBTS:
        return DOUBTS[strategy](probs)
    return checked_doubts(plugins.load_plugin(plugins.STRATEGIES, strategy), probs, strategy)
