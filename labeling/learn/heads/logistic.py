"""Multinomial logistic regression: features (N, F) and labels in, a weight (K, F) and a bias (K,) out.

The same features, labels and settings give the same weights, to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labeling.learn.classifier import ABSENT_LOGIT, Log, Shapes, Tensors
from labeling.loading import loading

__all__ = ["LOGISTIC", "LinearHead", "Logistic", "with_absent_classes"]

LOGISTIC = "logistic"


@dataclass(frozen=True, slots=True)
class Logistic:
    """The kind of head, and how it is fitted.

    `c` is the inverse strength of the penalty, as in scikit-learn: 30 measured best on unit vectors. `balanced`
    weighs each class by the inverse of its share; on the data measured it changed accuracy by at most .01. `head`
    names who fitted the weights: this file, or a plug-in, whose fit the other settings then do not describe.
    `max_steps` and `tolerance` say where it ends (`logistic_fit.train`); older cards name 50 steps of 20 and 1e-7.
    """

    name: ClassVar[str] = LOGISTIC
    temperature: ClassVar[float] = 0.5
    """This head is under-confident on unit vectors."""
    weighs: ClassVar[bool] = True

    c: float = 30.0
    balanced: bool = False
    max_steps: int = 200
    tolerance: float = 1e-2
    head: str = LOGISTIC

    def fit(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        n_classes: int,
        rng: np.random.Generator,
        log: Log | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> LinearHead:
        """The classes with an example are fitted; `rng` is not needed."""
        with loading:
            from labeling.learn.heads import logistic_fit  # brings what only a fit needs

        present = np.unique(labels)  # the K' classes with an example
        how = logistic_fit.How(self.c, self.balanced, self.max_steps, self.tolerance)
        weight, bias = logistic_fit.train(features, np.searchsorted(present, labels), len(present), how, log, weights)
        return LinearHead(*with_absent_classes(weight, bias, present, n_classes), self)

    def shapes(self, width: int, n_classes: int) -> Shapes:
        """A row of weights and a bias of each class."""
        return {"weight": (n_classes, width), "bias": (n_classes,)}

    def unpack(self, tensors: Tensors) -> LinearHead:
        """The numbers by their names."""
        return LinearHead(tensors["weight"], tensors["bias"], self)


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Weights (K, F) and biases (K,), fitted here or by a plug-in."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    kind: Logistic

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores (N, K) before temperature; higher is more likely."""
        weight = np.ascontiguousarray(self.weight.T, np.float32)  # (F, K)
        return np.asarray(features @ weight + self.bias, np.float64)  # (N, F) @ (F, K)

    def pack(self) -> Tensors:
        """The numbers by their names."""
        return {"weight": self.weight, "bias": self.bias}


def with_absent_classes(
    weight: NDArray[np.floating], bias: NDArray[np.floating], present: NDArray[np.int64], n_classes: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (K, F) and biases (K,) of all classes, from those (K', F) and (K',) of the classes with an example."""
    weights = np.zeros((n_classes, weight.shape[1]), np.float32)
    biases = np.full(n_classes, ABSENT_LOGIT, np.float32)
    weights[present], biases[present] = weight, bias
    return weights, biases
