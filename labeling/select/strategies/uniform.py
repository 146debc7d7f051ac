"""The strategy "random": every group has the same chance, and so has every image of a group."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from labeling.select.strategies.strategy import Picks, Positions, Strategy, View, Would, one_a_group, ranked

__all__ = ["Uniform"]


class Uniform(Strategy):
    """A uniform sample of groups."""

    uniform: ClassVar[bool] = True

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        """One image of each of n groups, in the order in which they were drawn."""
        one_each = one_a_group(view.groups, rng.permutation(len(view.groups)))
        return ranked(rng.permutation(one_each)[: max(n, 0)], "drawn at random")

    def would_pick(self, view: View, picks: Picks, reserve: Positions, rng: np.random.Generator) -> Would:
        """None: a draw depends on nothing that is known of an image, so those drawn differ from no others."""
        return np.zeros(len(reserve), bool)
