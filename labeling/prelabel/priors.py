"""How often each class occurs, and what that changes in probabilities.

In: probabilities (N, K), or counts (K,) of labels of randomly drawn images. Out: a prior (K,) that sums to 1, and the
probabilities under it. Invariant: nothing here assumes that the classes are equally frequent. Labels of actively chosen
images say nothing about frequency and must not come in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["estimate_prior", "mean_prior", "prior_from_counts", "with_prior"]

LEAST = 1e-6
"""No prior is below this: a class that was not yet seen stays possible."""


def with_prior(
    probs: NDArray[np.floating], from_prior: NDArray[np.floating], to_prior: NDArray[np.floating]
) -> NDArray[np.float64]:
    """The same evidence under another prior: each class times to / from, then normalised.

    Parameters
    ----------
    probs : (N, K) array
        Rows sum to 1; a row of NaN stays one.
    from_prior : (K,) array
        What the probabilities were made under: for a zero-shot engine, its own mean over the pool (`mean_prior`).
    to_prior : (K,) array
        How often the classes occur.

    Examples
    --------
    >>> with_prior(np.array([[0.5, 0.5]]), np.array([0.5, 0.5]), np.array([0.9, 0.1])).round(3).tolist()
    [[0.9, 0.1]]
    """
    ratio = _prior(to_prior) / _prior(from_prior)  # (K,)
    weighed = np.asarray(probs, np.float64) * ratio
    return np.asarray(weighed / weighed.sum(axis=1, keepdims=True))


def mean_prior(probs: NDArray[np.floating]) -> NDArray[np.float64]:
    """What an engine believes the frequencies to be: its mean over a pool (N, K); rows of NaN are left out."""
    present = np.isfinite(probs).all(axis=1)
    return _prior(np.asarray(probs[present], np.float64).mean(axis=0))


def prior_from_counts(
    counts: NDArray[np.integer], fallback: NDArray[np.floating], *, weight: float = 10.0
) -> NDArray[np.float64]:
    """The prior (K,) that labels of randomly drawn images tell, leaning on a fallback while they are few.

    Parameters
    ----------
    counts : (K,) int array
        Labels of each class, of images that were drawn uniformly.
    fallback : (K,) array
        What is believed without them: the mean of the engine's probabilities, never simply 1/K.
    weight : float
        So many labels weigh as much as the fallback.

    Examples
    --------
    >>> prior_from_counts(np.array([30, 0]), np.array([0.5, 0.5])).tolist()
    [0.875, 0.125]
    """
    return _prior(np.asarray(counts, np.float64) + weight * _prior(fallback))


def estimate_prior(
    probs: NDArray[np.floating], from_prior: NDArray[np.floating], *, steps: int = 100, tolerance: float = 1e-6
) -> NDArray[np.float64]:
    """The prior (K,) under which a pool of unlabelled images is likeliest, by expectation and maximisation.

    It needs probabilities that are calibrated, such as a classifier's after its temperature. A zero-shot engine's are
    not: there it can only sharpen its own errors, so give it calibrated ones or use `prior_from_counts`.

    Parameters
    ----------
    probs : (N, K) array
        Calibrated; rows of NaN are left out.
    from_prior : (K,) array
        The class frequencies that the probabilities were fitted under.
    steps, tolerance : int, float
        It stops after so many rounds, or where no class moves by more.

    Source: M. Saerens, P. Latinne, C. Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori
    Probabilities: A Simple Procedure", Neural Computation 14 (2002).
    """
    known = np.asarray(probs, np.float64)[np.isfinite(probs).all(axis=1)]
    prior = _prior(from_prior)
    for _ in range(steps if len(known) else 0):
        after = _prior(with_prior(known, from_prior, prior).mean(axis=0))
        moved, prior = float(np.abs(after - prior).max()), after
        if moved <= tolerance:
            break
    return prior


def _prior(frequencies: NDArray[np.floating]) -> NDArray[np.float64]:
    least = np.maximum(np.asarray(frequencies, np.float64), LEAST)
    return np.asarray(least / least.sum())
