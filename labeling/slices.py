"""Sequences cut into parts of a bounded size, for memory, a request or a database statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

__all__ = ["batches", "slices"]

T = TypeVar("T")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Items in lists of at most `size`, in order; nothing is read before it is needed.

    Examples
    --------
    >>> list(batches("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    walk = iter(items)
    while some := list(islice(walk, size)):
        yield some


def slices(length: int, size: int) -> Iterator[slice]:
    """Slices of at most `size`, in order, that together cover `length`: for arrays, which they cut without a copy.

    Examples
    --------
    >>> ["abcde"[some] for some in slices(5, 2)]
    ['ab', 'cd', 'e']
    """
    return (slice(start, min(start + size, length)) for start in range(0, length, size))
