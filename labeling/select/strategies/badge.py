"""BADGE: images whose gradients are long and differ, by a k-means++ draw over gradients that are never made.

The gradient of an image is the outer product of a = p - onehot(likeliest class) (K,) and its vector x (D,). Lengths and
distances need only products of a's and products of x's: (N, K) and (N, D) in place of (N, K D).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeling.one_thread import one_thread
from labeling.select.strategies.batch import most_doubtful
from labeling.select.strategies.by_score import hardest
from labeling.select.strategies.strategy import Picks, Positions, Strategy, View, ranked
from labeling.select.strategies.typical import Typical
from labeling.select.strategies.uncertainty import by_block, known_rows

__all__ = ["Badge", "Gradients", "factors", "spread_draw"]


@dataclass(frozen=True, slots=True)
class Badge(Strategy):
    """Asks for images that would change the classifier most, and each in another way.

    Of more than `most` images the least sure so many are kept: the others' gradients are short, and seldom drawn.

    Notes
    -----
    Source: Ash, Zhang, Krishnamurthy, Langford, Agarwal (2020), "Deep Batch Active Learning by Diverse, Uncertain
    Gradient Lower Bounds", arXiv:1906.03671.
    """

    most: int = 10_000

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        """Of every group the image of the largest a; of these n by a k-means++ draw, the longest gradient first."""
        if view.predicted is None:
            return Typical().choose(view, n, rng)
        probs = view.predicted.probs
        lengths = by_block(probs, lambda block: np.square(block).sum(axis=1) - 2 * block.max(axis=1) + 1)  # of a
        each = hardest(view, lengths, np.arange(len(lengths)))
        n = min(n, len(each))
        if n <= 0:
            return ranked(each[:0], "")
        at = each[np.sort(most_doubtful(lengths[each], min(max(n, self.most), len(each))))]
        with one_thread():
            picked = spread_draw(Gradients(factors(probs[at]), view.vectors(at)), n, rng)
        return ranked(at[picked], "its gradient is long and differs from the others")


class Gradients:
    """Gradients of N images, as their two factors: `a` (N, K) and `x` (N, D)."""

    def __init__(self, a: npt.NDArray[np.floating], x: npt.NDArray[np.floating]) -> None:
        self._a, self._x = np.asarray(a, np.float32), np.asarray(x, np.float32)
        squares = np.einsum("nk,nk->n", self._a, self._a) * np.einsum("nd,nd->n", self._x, self._x)
        self.squares = squares
        """(N,) squared lengths."""

    def squares_to(self, one: int) -> npt.NDArray[np.float32]:
        """(N,) squared distances from one of them.

        >>> Gradients(np.array([[1.0, -1.0], [1.0, -1.0]]), np.array([[1.0], [3.0]])).squares_to(0).tolist()
        [0.0, 8.0]
        """
        products = (self._a @ self._a[one]) * (self._x @ self._x[one])
        return np.asarray(np.maximum(self.squares + self.squares[one] - 2 * products, 0), np.float32)


def factors(probs: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """The first factor of each gradient: probabilities (N, K) less one at the likeliest class; NaN counts as uniform.

    >>> factors(np.array([[0.75, 0.25]])).tolist()
    [[-0.25, 0.25]]
    """
    a = np.array(known_rows(probs), np.float32)
    a[np.arange(len(a)), a.argmax(axis=1)] -= 1
    return a


def spread_draw(gradients: Gradients, n: int, rng: np.random.Generator) -> Positions:
    """Draw n distinct gradients, n at most N: the longest, then each with a chance as its squared distance from them.

    The gradient of an image that is sure, zero, counts as drawn, as in scikit-activeml: it would be the farthest from
    the longest, and teach nothing. Where no other gradient is any distance from these, all that are left have the same
    chance.

    Source: Arthur, Vassilvitskii (2007), "k-means++: The Advantages of Careful Seeding".
    """
    taken = np.empty(n, np.int64)
    distance = np.array(gradients.squares)
    for i in range(n):
        taken[i] = _drawn(distance, taken[:i], rng) if i else int(distance.argmax())
        distance = np.minimum(distance, gradients.squares_to(int(taken[i])))
        distance[taken[: i + 1]] = 0
    return taken


def _drawn(distance: npt.NDArray[np.float32], taken: Positions, rng: np.random.Generator) -> int:
    """One position with a chance as its distance."""
    upto = np.cumsum(distance, dtype=np.float64)
    if upto[-1] <= 0:
        left = np.setdiff1d(np.arange(len(distance)), taken)
        return int(left[rng.integers(len(left))])
    return int(np.searchsorted(upto, rng.random() * upto[-1], side="right"))
