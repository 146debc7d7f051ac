"""Multinomial logistic regression: features (N, F) and labels in, a weight (K, F) and a bias (K,) out.

The same features, labels and settings give the same weights, to the byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from labeling.learn.classifier import ABSENT_LOGIT, Log, Shapes, Tensors

__all__ = ["LOGISTIC", "LinearHead", "Logistic", "with_absent_classes"]

LOGISTIC = "logistic"


@dataclass(frozen=True, slots=True)
class Logistic:
    """The kind of head, and how it is fitted.

    `c` is the inverse strength of the penalty, as in scikit-learn: 30 measured best on unit vectors. `balanced`
    weighs each class by the inverse of its share; on the data measured it changed accuracy by at most .01. `head`
    names who fitted the weights: this file, or a plug-in, whose fit the other settings then do not describe.
    """

    name: ClassVar[str] = LOGISTIC
    temperature: ClassVar[float] = 0.5
    """This head is under-confident on unit vectors."""

    c: float = 30.0
    balanced: bool = False
    max_steps: int = 50
    tolerance: float = 1e-7
    head: str = LOGISTIC

    def fit(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        n_classes: int,
        rng: np.random.Generator,
        log: Log | None = None,
    ) -> LinearHead:
        """The classes with an example are fitted; `rng` is not needed."""
        present = np.unique(labels)  # the K' classes with an example
        examples = torch.from_numpy(features.astype(np.float64))
        del features
        fitted = train(examples, np.searchsorted(present, labels), len(present), self, log)
        weight, bias = fitted.weight.detach().numpy(), fitted.bias.detach().numpy()
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


class Layer(nn.Module):
    """A linear layer in float64, from zeros: the problem is convex, so every start ends at the same weights."""

    def __init__(self, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_classes, n_features, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(n_classes, dtype=torch.float64))

    def forward(self, features: Tensor) -> Tensor:
        return features @ self.weight.T + self.bias  # (N, F) -> (N, K)

    def loss(self, features: Tensor, labels: Tensor, weights: Tensor, c: float) -> Tensor:
        """Weighted cross-entropy, a mean over examples, plus the penalty of the weights, as in scikit-learn."""
        entropy = nn.functional.cross_entropy(self(features), labels, reduction="none")  # (N,)
        penalty = self.weight.square().sum() / (2 * c)
        return ((weights * entropy).sum() + penalty) / len(labels)


def train(
    x: Tensor,
    labels: NDArray[np.int64],
    n_classes: int,
    settings: Logistic,
    log: Log | None = None,
) -> Layer:
    """The loop over x (N, F), float64. Every class must have an example; the whole training set is one batch."""
    y = torch.from_numpy(labels)  # (N,)
    weights = _example_weights(y, n_classes, balanced=settings.balanced)  # (N,)
    layer = Layer(x.shape[1], n_classes)
    optimiser = torch.optim.LBFGS(
        layer.parameters(),
        max_iter=20,
        history_size=20,
        tolerance_grad=settings.tolerance,
        tolerance_change=1e-15,  # the default of 1e-9 stalls before the gradient is small
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = layer.loss(x, y, weights, settings.c)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with _one_thread():
        for step in range(settings.max_steps):
            loss = optimiser.step(closure).item()  # type: ignore[no-untyped-call]
            if log is not None:
                log(step, loss)
            if _largest_gradient(layer) <= settings.tolerance:
                break
    return layer


def _example_weights(labels: Tensor, n_classes: int, *, balanced: bool) -> Tensor:
    if not balanced:
        return torch.ones(len(labels), dtype=torch.float64)
    counts = torch.bincount(labels, minlength=n_classes).double()
    return (len(labels) / (n_classes * counts))[labels]


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread adds in one order, so the bytes are the same on any machine; and threads that spin for each other
    on a busy machine took 25 s where one takes .5 s (1,000 examples)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _largest_gradient(layer: Layer) -> float:
    return max(float(p.grad.abs().max()) for p in layer.parameters() if p.grad is not None)
