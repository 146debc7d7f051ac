"""The random stream: one uniform sample of a project's near-duplicate groups, in an order that chance fixed beforehand.

In: the position in [0, 1) of every group, which groups were drawn and which are decided. Out: which groups come next,
and the longest prefix of the order on which a figure may rest. Positions come from a hash, so that nobody can choose
them; the groups under the reserved share are kept from every strategy, search and training set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from labeling.project import PLANNED, RESERVED

__all__ = [
    "Order",
    "Prefix",
    "cohorts",
    "next_groups",
    "position_of",
    "prefix",
    "reserved_share",
]


def position_of(founder: str, salt: str) -> float:
    """Where a group stands in the order of the stream: in [0, 1), from its founder's hash and the project's salt.

    >>> 0 <= position_of("00" * 32, "salt") < 1
    True
    """
    return int.from_bytes(sha256(f"{salt}:{founder}".encode()).digest()[:8], "big") / 2**64


def reserved_share(groups: int, before: float = RESERVED, *, cursor: float = 0.0) -> float:
    """The share of the groups that is kept for the stream: a quarter up to 1,200 groups, then 300. It only falls.

    Parameters
    ----------
    groups : int
        How many groups the project has (>= 0).
    before : float
        The share in force, in [0, 1].
    cursor : float
        The position of the last group that was drawn: what was drawn stays reserved.

    Examples
    --------
    >>> reserved_share(400), reserved_share(3_000), reserved_share(1_000, before=0.1)
    (0.25, 0.1, 0.1)
    """
    wanted = min(RESERVED, PLANNED / max(groups, 1))
    return min(before, max(wanted, float(np.nextafter(cursor, 1.0)) if cursor else 0.0))


@dataclass(frozen=True, slots=True)
class Order:
    """Groups of the stream, in the order of their ids, which is the order in which they arrived.

    `ids` and `positions` (G,); `drawn`: people are asked about the group, or were; `decided`: its answer stands.
    `moved`: what was asked about came into the group afterwards, so it was not drawn in the order of this position.
    """

    ids: npt.NDArray[np.int64]
    positions: npt.NDArray[np.float64]
    drawn: npt.NDArray[np.bool_]
    decided: npt.NDArray[np.bool_]
    moved: npt.NDArray[np.bool_]

    def take(self, at: npt.NDArray[np.bool_]) -> Order:
        """Some of the groups."""
        return Order(self.ids[at], self.positions[at], self.drawn[at], self.decided[at], self.moved[at])

    @property
    def cursor(self) -> float:
        """How far the stream has come: the position of the last group that was drawn in its turn; -1 before the first.

        Groups that became one keep the position of the older: drawn as part of another, it may stand far ahead.
        """
        return float(self.positions[self.drawn & ~self.moved].max(initial=-1.0))


@dataclass(frozen=True, slots=True)
class Prefix:
    """The sample of a figure: `groups` (m,) in the order of the stream, of the collection up to group `until`."""

    groups: npt.NDArray[np.int64]
    until: int


def next_groups(order: Order, share: float, n: int) -> npt.NDArray[np.int64]:
    """The n groups that are drawn next: the first of the reserve that were not. Newcomers under the cursor come first.

    Examples
    --------
    >>> drawn = np.array([False, True, False])
    >>> none = np.zeros(3, bool)
    >>> order = Order(np.array([1, 2, 3]), np.array([0.2, 0.1, 0.05]), drawn, decided=none, moved=none)
    >>> next_groups(order, 0.25, 5).tolist()
    [3, 1]
    """
    free = np.flatnonzero(~order.drawn & (order.positions < share))
    return np.asarray(order.ids[free[np.argsort(order.positions[free], kind="stable")][: max(n, 0)]], np.int64)


def prefix(order: Order, share: float, collections: Sequence[int], newest: int) -> Prefix:
    """The longest prefix in which every group is decided, of the newest collection that the stream has caught up with.

    A group that arrived under the cursor and was not drawn yet breaks the sample of the whole: until it is drawn, a
    figure speaks of the collection as it was when the last query left no such group.

    Parameters
    ----------
    order : Order
        At least the groups of the reserve, and all that were drawn.
    share : float
        The reserved share.
    collections : sequence of int
        The newest group at each query, rising.
    newest : int
        The newest group of the project.

    Examples
    --------
    >>> drawn, none = np.array([True, True, False]), np.zeros(3, bool)
    >>> order = Order(np.array([1, 2, 9]), np.array([0.01, 0.2, 0.1]), drawn, drawn, moved=none)
    >>> prefix(order, 0.25, [5], newest=12)  # group 9 arrived after the query and stands under the cursor
    Prefix(groups=array([1, 2]), until=5)
    """
    return cohorts(order, share, collections, newest)[0]


def cohorts(order: Order, share: float, collections: Sequence[int], newest: int) -> list[Prefix]:
    """The project in the order in which it arrived, cut where the stream had caught up: the prefix of each part.

    The first is that of `prefix`; the others are of those that arrived later, each a uniform sample of its own part,
    which is the groups after the part before it, up to `until`. The last ends with the newest group of the project. A
    part of which nothing is decided has an empty sample. Parameters are those of `prefix`.

    Examples
    --------
    >>> drawn, none = np.array([True, True, True, False]), np.zeros(4, bool)
    >>> order = Order(np.array([1, 2, 9, 10]), np.array([0.1, 0.2, 0.05, 0.15]), drawn, drawn, moved=none)
    >>> cohorts(order, 0.25, [5, 12], newest=12)  # 10 stands under the cursor, and is asked about next
    [Prefix(groups=array([1, 2]), until=5), Prefix(groups=array([9]), until=12)]
    """
    found: list[Prefix] = []
    begin = 0
    while not found or begin < newest:
        later, after = order.take(order.ids > begin), [until for until in collections if until > begin]
        until = _caught_up(later, share, after, newest)
        if until <= begin:  # its first group was not ready for the query that drew the others
            until = min([*after, newest])
        found.append(_decided_prefix(later.take(later.ids <= until), share, until))
        begin = until
    return found


def _decided_prefix(known: Order, share: float, until: int) -> Prefix:
    open_ = known.positions[~known.decided]
    end = min(float(open_.min()), share) if len(open_) else share
    members = np.flatnonzero(known.decided & (known.positions < end))
    return Prefix(known.ids[members[np.argsort(known.positions[members], kind="stable")]], until)


def _caught_up(order: Order, share: float, collections: Sequence[int], newest: int) -> int:
    """The newest group of the collection that the sample represents."""
    missed = order.ids[~order.drawn & (order.positions < min(order.cursor, share))]
    if not len(missed):
        return newest
    before = [until for until in collections if until < int(missed.min())]
    return max(before, default=int(missed.min()) - 1)
