"""The fit of a multinomial logistic regression: what `labeling.learn.heads.logistic` needs torch for.

In: features (N, F) and labels (N,). Out: the weights (K, F) and biases (K,) of the minimum; the same input gives the
same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from labeling.learn.classifier import Log

__all__ = ["How", "train"]


@dataclass(frozen=True, slots=True)
class How:
    """The settings of `Logistic` by which it is fitted."""

    c: float
    balanced: bool
    max_steps: int
    tolerance: float


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
    features: NDArray[np.float64],
    labels: NDArray[np.int64],
    n_classes: int,
    how: How,
    log: Log | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (K, F) and biases (K,) from features (N, F). Every class must have an example; all are one batch."""
    x, y = torch.from_numpy(features), torch.from_numpy(labels)  # (N, F), (N,)
    weights = _example_weights(y, n_classes, balanced=how.balanced)  # (N,)
    layer = Layer(x.shape[1], n_classes)
    optimiser = torch.optim.LBFGS(
        layer.parameters(),
        max_iter=20,
        history_size=20,
        tolerance_grad=how.tolerance,
        tolerance_change=1e-15,  # the default of 1e-9 stalls before the gradient is small
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = layer.loss(x, y, weights, how.c)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with _one_thread():
        for step in range(how.max_steps):
            loss = optimiser.step(closure).item()  # type: ignore[no-untyped-call]
            if log is not None:
                log(step, loss)
            if _largest_gradient(layer) <= how.tolerance:
                break
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


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
