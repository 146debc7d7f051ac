"""People err too: what has to be taken off a certificate because they may agree on the classifier's wrong label.

In: given gold, drawn like the accepted images. Out: a term to subtract, in shares. Invariant: with the certificate's
lower bound at delta_1 and this term at delta_2, their difference is below the true precision with a chance of at least
1 - delta_1 - delta_2.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from labeling.certify.band import most_left
from labeling.errors import Invalid
from labeling.quality.metrics import clopper_pearson

__all__ = ["ENOUGH_GOLD", "HumanError", "human_error"]

ENOUGH_GOLD = 300
"""Under so many gold images the term is said, not subtracted: the promise is relative to adjudicated people."""
MOST_GOLD = 1_000_000


@dataclass(frozen=True, slots=True)
class HumanError:
    """On `agreed_wrong` of `gold` images people agreed with a wrong label of the classifier.

    At most a share `term` of all delivered images is so. `gold_to_halve` is how many gold images in all would halve the
    term if the rate stays what it is; None where none would.
    """

    agreed_wrong: int
    gold: int
    term: float
    gold_to_halve: int | None

    @property
    def relative(self) -> bool:
        """Whether a certificate is relative to adjudicated people, since there is too little gold to say more."""
        return self.gold < ENOUGH_GOLD

    def bound(self, lower: float) -> float:
        """The precision against the truth, from the bound against people; relative to people it is the bound itself."""
        return lower if self.relative else max(0.0, lower - self.term)


def human_error(agreed_wrong: int, gold: int, delivered: int, delta: float) -> HumanError:
    """The human-error term of a certificate.

    Parameters
    ----------
    agreed_wrong, gold : int
        Given gold that the certificate's rule accepts, answered like certifying images; and on how many the decided
        answer is the classifier's and wrong. Gold below the rank says nothing of what is accepted.
    delivered : int
        The unsampled accepted images, of which the term speaks.
    delta : float
        delta_2, in (0, .5].

    Raises
    ------
    Invalid
        Where the counts contradict each other.

    Notes
    -----
    Gold and delivered images are one draw, so how many of the latter are such errors is a question about a finite set:
    `labeling/certify/band.py::most_left`. For many delivered images it is the upper limit of Clopper and Pearson.

    Examples
    --------
    >>> [round(human_error(0, gold, 10**6, 0.05).term, 3) for gold in (50, 100, 300)]
    [0.058, 0.03, 0.01]
    >>> found = human_error(0, 50, 10**6, 0.05)
    >>> found.relative, found.gold_to_halve
    (True, 102)
    """
    if not 0 <= agreed_wrong <= gold or delivered < 1:
        raise Invalid(f"{agreed_wrong} of {gold} gold images, {delivered} delivered: a count exceeds its whole.")
    if not 0 < delta <= 0.5:
        raise Invalid(f"The human-error term may fail with a chance in (0, 0.5]; got {delta}. Usual is 0.05.")
    term = int(most_left(agreed_wrong, gold, gold + delivered, delta)) / delivered
    return HumanError(agreed_wrong, gold, term, _gold_to_halve(agreed_wrong, gold, delta))


def _gold_to_halve(agreed_wrong: int, gold: int, delta: float) -> int | None:
    if not gold:
        return None
    rate, half = agreed_wrong / gold, clopper_pearson(agreed_wrong, gold, 1 - 2 * delta)[1] / 2
    sizes = range(gold, MOST_GOLD)
    at = bisect_left(sizes, True, key=lambda n: clopper_pearson(rate * n, n, 1 - 2 * delta)[1] <= half)
    return sizes[at] if at < len(sizes) else None
