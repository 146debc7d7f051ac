"""One temperature for a classifier's scores, so that .9 is right nine times out of ten.

In: logits (N, K) and labels (N,) of randomly drawn images that were not trained on. Out: a temperature > 0; it
divides the logits, so it never changes which class comes first.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

__all__ = ["LABELS_PER_CLASS", "enough_to_calibrate", "fit_temperature", "in_temperature_half"]

LABELS_PER_CLASS = 5
COLDEST, HOTTEST = 0.05, 20.0


def in_temperature_half(content_hash: str, salt: str) -> bool:
    """Whether a calibration image belongs to the half that fits temperatures; certificates keep the other.

    The half follows from the image and the project's salt alone, so it never changes.
    """
    return hashlib.sha256(f"temperature:{salt}:{content_hash}".encode()).digest()[0] % 2 == 0


def enough_to_calibrate(labels: int, classes: int) -> bool:
    """Whether there are five labels a class on average; with fewer, a fitted temperature is worse than none.

    >>> enough_to_calibrate(14, 3), enough_to_calibrate(15, 3)
    (False, True)
    """
    return labels >= LABELS_PER_CLASS * classes


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The temperature under which the labels are likeliest, between .05 and 20.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2.
    """

    def log_loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)  # (N, K)
        return float((logsumexp(scaled, axis=1) - scaled[np.arange(len(labels)), labels]).mean())

    bounds = (float(np.log(COLDEST)), float(np.log(HOTTEST)))
    return float(np.exp(minimize_scalar(log_loss, bounds=bounds, method="bounded").x))
