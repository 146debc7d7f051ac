"""Fitting and using a classifier: inputs and labels in; a `Classifier` or probabilities (N, K) out.

The same inputs, labels and settings give the same weights, to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labeling.errors import Invalid, NothingToLearnFrom
from labeling.learn.fusions.concatenation import Fusion, Inputs, fit_fusion, fuse
from labeling.learn.heads.logistic import FitConfig, Head
from labeling.slices import slices
from labeling.vectors import softmax

__all__ = [
    "Classifier",
    "LinearFit",
    "fit_classifier",
    "predict_logits",
    "predict_probs",
    "train",
    "with_temperature",
]

UNSEEN_BIAS = -50.0
"""The bias of a class without an example: a probability of practically zero, and finite."""
UNCALIBRATED_TEMPERATURE = 0.5
"""This head is under-confident on unit vectors; .5 is the fallback until a random sample can tell."""
CHUNK = 8_192

LinearFit = Callable[
    [NDArray[np.float32], NDArray[np.int64], int, np.random.Generator],
    tuple[NDArray[np.floating], NDArray[np.floating]],
]
"""A head of one's own: features (N, F), labels (N,) of 0 to K - 1 each with an example, K, and the only source of
chance in; weight (K, F) and bias (K,) out. Numbers only: what is saved and loaded is the same for every head."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """A fitted head with everything that its probabilities depend on.

    `weight` is (K, F), `bias` (K,); probabilities are softmax(logits / `temperature`). `seen` (K,) tells which
    classes had an example.
    """

    fusion: Fusion
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    seen: NDArray[np.bool_]
    config: FitConfig
    temperature: float = UNCALIBRATED_TEMPERATURE
    calibrated: bool = False

    @property
    def n_classes(self) -> int:
        return len(self.bias)


def fit_classifier(
    inputs: Inputs,
    labels: NDArray[np.int64],
    n_classes: int,
    config: FitConfig | None = None,
    *,
    reference: Inputs | None = None,
    log: Callable[[int, float], None] | None = None,
    linear_fit: LinearFit | None = None,
    rng: np.random.Generator | None = None,
) -> Classifier:
    """Fit the fused head on labelled images.

    Parameters
    ----------
    inputs : Inputs
        The N labelled images. An image whose vector is not finite must be left out before.
    labels : (N,) int
        Position of each label in the label set, 0 to `n_classes` - 1.
    reference : Inputs, optional
        Unlabelled images that the scaling constants come from; the labelled ones if not given.
    log : callable, optional
        Called with each step's number and loss.
    linear_fit : LinearFit, optional
        Fits the head instead of ours; `config.head` should name it.
    rng : numpy.random.Generator, optional
        Handed to `linear_fit`.

    Returns
    -------
    Classifier
        Not yet calibrated. A class without an example gets a probability of practically zero.

    Raises
    ------
    NothingToLearnFrom
        When the labels are of fewer than two classes.
    Invalid
        When an image vector is not finite, or `linear_fit` returned something else than finite weights.
    """
    labels = np.asarray(labels, np.int64)
    counts = np.bincount(labels, minlength=n_classes)  # (K,)
    present = np.flatnonzero(counts)  # the K' classes with an example
    if len(present) < 2:
        raise NothingToLearnFrom(
            f"There are labels of {len(present)} classes; a classifier needs at least two. Label some more images."
        )
    if not np.isfinite(inputs.image).all():
        raise Invalid("Some labelled images have an embedding that is not finite; leave them out of the fit.")
    config = config or FitConfig()
    fusion = fit_fusion(reference or inputs)
    features, targets = fuse(fusion, inputs), np.searchsorted(present, labels)
    weight = np.zeros((n_classes, fusion.width), np.float32)
    bias = np.full(n_classes, UNSEEN_BIAS, np.float32)
    if linear_fit is None:
        head = train(features, targets, len(present), config, log)
        weight[present], bias[present] = head.weight.detach().numpy(), head.bias.detach().numpy()
        return Classifier(fusion, weight, bias, counts > 0, config)
    fitted = linear_fit(features, targets, len(present), rng or np.random.default_rng(0))
    weight[present], bias[present] = _checked(fitted, (len(present), fusion.width), config.head)
    return Classifier(fusion, weight, bias, counts > 0, config, temperature=1.0)


def _checked(
    fitted: tuple[NDArray[np.floating], NDArray[np.floating]], shape: tuple[int, int], head: str
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """What a head of one's own returned, if it is finite weights (K, F) and biases (K,)."""
    weight, bias = (np.asarray(part) for part in fitted)
    if weight.shape != shape or bias.shape != shape[:1]:
        raise Invalid(
            f"The head {head!r} returned {weight.shape} and {bias.shape}; it must return {shape} and K numbers."
        )
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise Invalid(f"The head {head!r} returned numbers that are not finite.")
    return weight, bias


def train(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_classes: int,
    config: FitConfig,
    log: Callable[[int, float], None] | None = None,
) -> Head:
    """The loop. Every class must have an example; the whole training set is one batch."""
    x = torch.from_numpy(features.astype(np.float64))  # (N, F)
    y = torch.from_numpy(labels)  # (N,)
    weights = _example_weights(y, n_classes, balanced=config.balanced)  # (N,)
    head = Head(x.shape[1], n_classes)
    optimiser = torch.optim.LBFGS(
        head.parameters(),
        max_iter=20,
        history_size=20,
        tolerance_grad=config.tolerance,
        tolerance_change=1e-15,  # the default of 1e-9 stalls before the gradient is small
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = head.loss(x, y, weights, config.c)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with _one_thread():
        for step in range(config.max_steps):
            loss = optimiser.step(closure).item()  # type: ignore[no-untyped-call]
            if log is not None:
                log(step, loss)
            if _largest_gradient(head) <= config.tolerance:
                break
    return head


def predict_logits(classifier: Classifier, inputs: Inputs) -> NDArray[np.float64]:
    """Scores (N, K) before temperature; higher is more likely."""
    weight = np.ascontiguousarray(classifier.weight.T, np.float32)  # (F, K)
    logits = np.empty((len(inputs), classifier.n_classes))
    for rows in slices(len(inputs), CHUNK):
        chunk = Inputs(inputs.image[rows], inputs.text[rows], inputs.prelabel[rows])
        logits[rows] = fuse(classifier.fusion, chunk) @ weight + classifier.bias
    return logits


def predict_probs(classifier: Classifier, inputs: Inputs) -> NDArray[np.float64]:
    """Probabilities (N, K) at the classifier's temperature; rows sum to 1."""
    return softmax(predict_logits(classifier, inputs) / classifier.temperature)


def with_temperature(classifier: Classifier, temperature: float) -> Classifier:
    """The same classifier, calibrated."""
    return replace(classifier, temperature=temperature, calibrated=True)


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


def _largest_gradient(head: Head) -> float:
    return max(float(p.grad.abs().max()) for p in head.parameters() if p.grad is not None)
