"""How far the members of an ensemble disagree: (M, N, K) probabilities in, (N,) scores out. Higher is more.

A row without a prediction (NaN) counts as uniform: no disagreement is known of it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labeling.select.strategies.uncertainty import entropy, known_rows

__all__ = ["bald", "disagreement", "vote_entropy", "votes"]

_TIES = 1e-3
"""Entropies of eight votes lie at least .0086 apart, and `bald` is at most ln 8."""


def bald(members: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """What the answer would tell about which member is right, in nats: the mutual information of the two.

    It is the entropy of the members' mean less their mean entropy, which is the mean Kullback-Leibler divergence of the
    members from their mean: disagreement by consensus is the same number.

    Parameters
    ----------
    members : (M, N, K) array
        Probabilities; rows sum to 1.

    Returns
    -------
    (N,) float32 array in [0, ln min(M, K)]; 0 where all members say the same.

    Notes
    -----
    Source: Houlsby, Huszar, Ghahramani, Lengyel (2011), "Bayesian Active Learning for Classification and Preference
    Learning", arXiv:1112.5745.

    Examples
    --------
    >>> bald(np.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])).round(3).tolist()
    [0.6930000185966492, 0.0]
    """
    known = _known(members)
    of_each = entropy(known.reshape(-1, known.shape[2])).reshape(known.shape[:2])  # (M, N)
    return np.asarray(np.maximum(entropy(known.mean(axis=0)) - of_each.mean(axis=0), 0), np.float32)


def vote_entropy(members: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """The entropy, in nats, of the classes that the members name.

    Parameters
    ----------
    members : (M, N, K) array
        Probabilities; a member names its likeliest class, the first of equal ones.

    Returns
    -------
    (N,) float32 array in [0, ln min(M, K)]; 0 where all name the same class.

    Notes
    -----
    Source: Engelson, Dagan (1996), "Minimizing Manual Annotation Cost in Supervised Training from Corpora".

    Examples
    --------
    >>> vote_entropy(np.array([[[0.9, 0.1], [0.8, 0.2]], [[0.4, 0.6], [0.7, 0.3]]])).round(3).tolist()
    [0.6930000185966492, 0.0]
    """
    named, (n_members, n, n_classes) = votes(members), members.shape
    shares = np.zeros((n, n_classes), np.float32)
    for some in named:
        shares[np.arange(n), some] += 1 / n_members
    return entropy(shares)


def disagreement(members: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Vote entropy, and among equal votes `bald`: a few members name few different sets of classes.

    Parameters
    ----------
    members : (M, N, K) array
        Probabilities, of at most about ten members.

    Returns
    -------
    (N,) float32 array from 0 on; the part of `bald` is smaller than any step of the vote entropy.

    Examples
    --------
    >>> members = np.array([[[0.9, 0.1], [0.8, 0.2], [0.8, 0.2]], [[0.6, 0.4], [0.8, 0.2], [0.2, 0.8]]])
    >>> np.argsort(disagreement(members)).tolist()
    [1, 0, 2]
    """
    return vote_entropy(members) + np.float32(_TIES) * bald(members)


def votes(members: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """The likeliest class by each member, (M, N); of a row of NaN the first class.

    >>> votes(np.array([[[0.2, 0.8]], [[np.nan, np.nan]]])).tolist()
    [[1], [0]]
    """
    return np.asarray(_known(members).argmax(axis=2), np.int64)


def _known(members: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return known_rows(members.reshape(-1, members.shape[2])).reshape(members.shape)
