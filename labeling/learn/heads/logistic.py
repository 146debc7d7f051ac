"""The head: multinomial logistic regression from fused features to classes, with its loss and its settings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["LOGISTIC", "FitConfig", "Head"]

LOGISTIC = "logistic"


@dataclass(frozen=True, slots=True)
class FitConfig:
    """How a head is fitted; saved with it.

    `c` is the inverse strength of the penalty, as in scikit-learn: 30 measured best on unit vectors. `balanced`
    weighs each class by the inverse of its share; on the data measured it changed accuracy by at most .01. `head`
    names who fitted; the other settings are those of `logistic`, this file's.
    """

    c: float = 30.0
    balanced: bool = False
    max_steps: int = 50
    tolerance: float = 1e-7
    head: str = LOGISTIC


class Head(nn.Module):
    """A linear layer in float64, from zeros: the problem is convex, so every start ends at the same weights."""

    def __init__(self, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_classes, n_features, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(n_classes, dtype=torch.float64))

    def forward(self, features: Tensor) -> Tensor:
        return features @ self.weight.T + self.bias  # (N, F) -> (N, K)

    def loss(self, features: Tensor, labels: Tensor, weights: Tensor, c: float) -> Tensor:
        """Weighted cross-entropy, a mean over examples, plus the penalty; the bias goes free, as in scikit-learn."""
        entropy = nn.functional.cross_entropy(self(features), labels, reduction="none")  # (N,)
        penalty = self.weight.square().sum() / (2 * c)
        return ((weights * entropy).sum() + penalty) / len(labels)
