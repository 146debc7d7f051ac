"""Before any certifying answer: when a set is tried, at which level, and how many answers that takes.

In: sizes, shares and terms of the policy; which images of the random stream lie in the set. Out: each planned look, and
numbers of answers. Invariant: nothing here depends on what a certifying answer was, so a plan costs nothing of delta.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeling.certify.band import band, errors_allowed
from labeling.certify.hypergeometric import Counts, chance_at_most
from labeling.errors import Invalid
from labeling.project import CertificateTerms
from labeling.slices import slices

__all__ = [
    "MAY_LOSE",
    "PATIENCE",
    "Look",
    "due_look",
    "last_look",
    "least_to_certify",
    "least_to_finish",
    "level_of",
    "most_to_show",
    "schedule",
    "sizes_left",
    "stream_answers",
    "stream_first",
]

SAMPLES_AT_ONCE = 1_024
MAY_LOSE = 2 / 3
"""Of what a reserve can lose to queries before it holds a sample no more, so much before the stream is asked first."""
PATIENCE = 1.1
"""An answer that is missing counts as wrong once people have given a tenth more answers than the look needs."""


@dataclass(frozen=True, slots=True)
class Look:
    """The `number`th time, from 1, that a certificate is tried: with `size` images sampled and a `delta` of its own."""

    number: int
    size: int
    delta: float


def schedule(first: int, count: int, delta: float) -> tuple[Look, ...]:
    """Each look at a size twice the last one, with deltas that rise like 1, 2, 3, ... and add up to `delta`.

    Over any changes of version, order and set in between at most `delta` of all projects ever accept a bad rank, since
    each look fails with its own chance at most. Later ones have more images and can use more: of four, in shares of .1,
    .2, .3 and .4, the last accepted .90 of what could be accepted, with equal ones .88, with 6/(pi k)^2 .80.

    Parameters
    ----------
    first : int
        Images of the first look, at least 1.
    count : int
        How many times a certificate is tried, at least 1.

    Examples
    --------
    >>> [(look.size, round(look.delta, 3)) for look in schedule(100, 4, 0.1)]
    [(100, 0.01), (200, 0.02), (400, 0.03), (800, 0.04)]
    """
    if first < 1 or count < 1:
        raise Invalid(f"A schedule needs a first size and a number of tries of at least 1; got {first} and {count}.")
    whole = count * (count + 1) // 2
    return tuple(Look(k, first * 2 ** (k - 1), delta * k / whole) for k in range(1, count + 1))


def sizes_left(terms: CertificateTerms, tried: int, images: int) -> tuple[Look, ...]:
    """The attempts of these terms that come after number `tried` in a set of so many images.

    One that would accept nothing even if no sampled image were wrong is passed over: it would end the wait for the
    next one with a refusal that was certain beforehand. Where none could accept anything, all that are left come: a
    refusal says so.

    Examples
    --------
    >>> terms = CertificateTerms(precision=0.9, first_size=30, sizes=3)
    >>> [look.size for look in sizes_left(terms, 0, 5_000)], [look.size for look in sizes_left(terms, 0, 40)]
    ([60, 120], [30, 60, 120])
    """
    left = tuple(look for look in schedule(terms.first_size, terms.sizes, terms.delta) if look.number > tried)
    return tuple(look for look in left if _can_accept(terms, look, images)) or left


def _can_accept(terms: CertificateTerms, look: Look, images: int) -> bool:
    """Whether the whole set passes if no sampled image is wrong."""
    if look.size >= images:
        return False
    if terms.finished is None:
        return _can_show(images, look.size, look.delta, terms.precision or 1.0)
    wrong = int(errors_allowed(images, 1 - terms.finished)) + 1
    return wrong > images - look.size or bool(
        chance_at_most(0, images, np.array([wrong]), np.array([look.size]))[0] <= look.delta
    )


def due_look(
    planned: tuple[Look, ...], tried: int, decided: NDArray[np.bool_], *, used_up: bool = False
) -> Look | None:
    """The largest look that may be tried now; the ones before it are passed over.

    Parameters
    ----------
    tried : int
        The number of the last look that was tried; 0 for none.
    decided : (D,) bool array
        Of the images of the set that the stream has asked about, in its order: whether people have decided. Which of
        them are right is not known here.
    used_up : bool
        Nobody is asked about another image, or once more: an answer that is missing counts as wrong now.

    Examples
    --------
    >>> due_look(schedule(2, 2, 0.1), 0, np.array([True, True, True])).number
    1
    >>> due_look(schedule(2, 2, 0.1), 0, np.array([True, False])) is None
    True
    """
    for look in reversed(planned):
        if look.number > tried and len(decided) >= look.size:
            late = used_up or np.count_nonzero(decided) >= PATIENCE * look.size
            if late or decided[: look.size].all():
                return look
    return None


def last_look(left: tuple[Look, ...], images: int) -> Look:
    """The one look that is left where no sample can become larger than `images`: with all of delta that is not spent.

    How many images there are is a matter of the stream's order and of what queries picked, not of what people said of
    the sample; the sizes in its place will not be tried.

    Parameters
    ----------
    left : tuple of Look
        Those that were not tried, at least one.

    Examples
    --------
    >>> last_look(schedule(100, 4, 0.1)[1:], 130)
    Look(number=4, size=130, delta=0.09)
    """
    return Look(left[-1].number, images, round(sum(look.delta for look in left), 12))


def level_of(look: Look, versions: int = 1, classes: int = 1) -> float:
    """The level at which one certificate is tried: that of the look, shared over what could have been tried instead.

    Parameters
    ----------
    versions : int
        v: versions and decisions of strategy that the certifying labels helped to choose; at least 1.
    classes : int
        Classes that are tried for certificates of their own; 1 for one certificate over all.

    Examples
    --------
    >>> level_of(Look(1, 100, 0.04), versions=2)
    0.02
    """
    if versions < 1 or classes < 1:
        raise Invalid(f"A certificate rests on at least 1 version and 1 class; got {versions} and {classes}.")
    return look.delta / (versions * classes)


def least_to_certify(wrong: int, size: int, precision: float, delta: float) -> int | None:
    """The smallest sample of a set with which the whole set passes the scan though `wrong` sampled images are wrong.

    Parameters
    ----------
    wrong : int
        0, 1, 2, ...
    size : int
        Images of the set, sampled ones included.

    Returns
    -------
    int or None
        None where no sample does: the target cannot be reached in this set.

    Examples
    --------
    >>> [least_to_certify(j, 5_000, 0.95, 0.1) for j in (0, 1, 2)]
    [46, 87, 123]
    """
    for n in _enough(wrong, size, delta, lambda drawn: errors_allowed(size - drawn, precision)):
        if len(band(size, n, delta, int(errors_allowed(size - n, precision))).left) > wrong:
            return n
    return None


def most_to_show(size: int, drawn: int, delta: float) -> float:
    """The highest precision, in thousandths, that a sample without a wrong image can show of a set.

    Parameters
    ----------
    size, drawn : int
        Images of the set, and how many of them are sampled, at least 1 fewer.

    Examples
    --------
    >>> most_to_show(5_000, 46, 0.1), most_to_show(5_000, 45, 0.1)
    (0.95, 0.949)
    """
    shown = range(1_000)
    return (bisect_left(shown, True, key=lambda p: not _can_show(size, drawn, delta, p / 1_000)) - 1) / 1_000


def _can_show(size: int, drawn: int, delta: float, precision: float) -> bool:
    return len(band(size, drawn, delta, int(errors_allowed(size - drawn, precision))).left) > 0


def least_to_finish(wrong: int, size: int, wrong_share: float, delta: float) -> int | None:
    """The smallest sample of a set after which `wrong` wrong ones among it still leave the data set finished.

    Examples
    --------
    >>> [least_to_finish(j, 1_000_000, 0.05, 0.1) for j in (0, 1, 2)]
    [45, 77, 105]
    """
    allowed = errors_allowed(size, 1 - wrong_share)
    return next(_enough(wrong, size, delta, lambda drawn: np.full_like(drawn, allowed)), None)


def stream_answers(in_set: NDArray[np.bool_], answered: int, images: int) -> int | None:
    """How many more answers of the random stream bring the sample to so many images of the set.

    Counted, not estimated: the order of the stream and what lies in the set are known before anybody answers.

    Parameters
    ----------
    in_set : (R,) bool array
        Of the groups of the reserve in the order of the stream: whether the set holds them (no shadow picks, frame,
        ...).
    answered : int
        So many of them, from the start, have an answer.
    images : int
        What the next look needs.

    Returns
    -------
    int or None
        None where the whole reserve does not hold so many.

    Examples
    --------
    >>> stream_answers(np.array([True, False, True, True, False, True]), 2, 3)
    2
    """
    places = np.flatnonzero(in_set)
    if images > len(places):
        return None
    return max(0, int(places[images - 1]) + 1 - answered) if images else 0


def stream_first(in_set: NDArray[np.bool_], drawn: NDArray[np.bool_], images: int, lost: int, losing: float) -> int:
    """How many groups of the stream a query asks about first, so that the reserve still holds the sample.

    Each query takes shadow picks out of the set, drawn ones among them. Of what the reserve can lose before it holds
    the sample no more, `MAY_LOSE` may be lost until the sample has its size: sooner, the version would rest on few
    labels. In a large reserve the policy's share of the stream brings the sample long before, and one that never held
    twice the sample is not asked first: there it would leave no time to learn.

    Parameters
    ----------
    in_set, drawn : (R,) bool arrays
        Of the groups of the reserve in the order of the stream: whether the set holds them, whether they were asked.
    images : int
        What the next look needs; as many as the set holds where it holds fewer by now.
    lost : int
        How many groups of the reserve queries have taken out of the set.
    losing : float
        How many the next query is expected to take.

    Examples
    --------
    >>> in_set, drawn = np.ones(40, bool), np.arange(40) < 1
    >>> [stream_first(in_set, drawn, 10, lost, 2.0) for lost in (0, 30, 60)]
    [0, 0, 10]
    """
    held = int(np.count_nonzero(in_set))
    if held + lost < 2 * images:
        return 0
    images = min(images, held)
    there = int(np.count_nonzero(in_set & drawn))
    if there >= images or lost + losing < MAY_LOSE * (held + lost - images):
        return 0
    wanted = min(held, images + math.ceil(losing * images / held))  # the query takes its part of these too
    return int(np.flatnonzero(in_set[~drawn])[wanted - there - 1]) + 1


def _enough(wrong: int, size: int, delta: float, allowed: Callable[[Counts], Counts]) -> Iterator[int]:
    """The samples, smallest first, with which one bound alone, at the whole delta, is within what is allowed.

    In a small set a larger sample can be too small again: fewer images are left, and one error fewer is allowed among
    them.
    """
    for some in slices(size, SAMPLES_AT_ONCE):
        drawn = np.arange(max(some.start, wrong, 1), some.stop)
        refused = allowed(drawn) + 1  # so many unsampled errors must be unlikely
        chance = chance_at_most(wrong, size, np.minimum(refused + wrong, size), drawn)
        yield from drawn[(chance <= delta) | (refused > size - drawn)].tolist()
