"""A head of a plug-in: a function that fits weights, whose result is checked.

In: the function. Out: a linear head. Numbers only: what is saved and loaded is the same as for the logistic head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labeling.errors import Invalid
from labeling.learn.classifier import Log, Shapes, Tensors
from labeling.learn.heads.logistic import LinearHead, Logistic, with_absent_classes

__all__ = ["HeadFromFunction", "LinearFit"]

Weights = tuple[NDArray[np.floating], NDArray[np.floating]]
LinearFit = Callable[[NDArray[np.float32], NDArray[np.int64], int, np.random.Generator], Weights]
"""Features (N, F), labels (N,) of 0 to K - 1 each with an example, K, and the only source of chance in; weight (K, F)
and bias (K,) out."""


@dataclass(frozen=True, slots=True)
class HeadFromFunction:
    """The kind of head that a plug-in brings under this name. What it fits is read back as a logistic head."""

    temperature: ClassVar[float] = 1.0
    weighs: ClassVar[bool] = False
    """The function knows no weights: all examples count the same."""

    name: str
    function: LinearFit

    def fit(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        n_classes: int,
        rng: np.random.Generator,
        log: Log | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> LinearHead:
        """What the function fits; Invalid where that is something else than finite weights. Nothing is logged."""
        present = np.unique(labels)  # the K' classes with an example
        fitted = self.function(features, np.searchsorted(present, labels), len(present), rng)
        weight, bias = self._checked(fitted, (len(present), features.shape[1]))
        return LinearHead(*with_absent_classes(weight, bias, present, n_classes), Logistic(head=self.name))

    def shapes(self, width: int, n_classes: int) -> Shapes:
        """Those of the logistic head."""
        return Logistic(head=self.name).shapes(width, n_classes)

    def unpack(self, tensors: Tensors) -> LinearHead:
        """The numbers by their names."""
        return Logistic(head=self.name).unpack(tensors)

    def _checked(self, fitted: Weights, shape: tuple[int, int]) -> Weights:
        weight, bias = (np.asarray(part) for part in fitted)
        if weight.shape != shape or bias.shape != shape[:1]:
            raise Invalid(
                f"The head {self.name!r} returned {weight.shape} and {bias.shape}; it must return {shape} and K "
                "numbers."
            )
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise Invalid(f"The head {self.name!r} returned numbers that are not finite.")
        return weight, bias
