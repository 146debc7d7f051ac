"""Near-duplicate groups: which group each new image joins, which groups become one, and which come apart.

In: new images in the order of their ids, with their twins, and the groups of those. Out: for each new image its group
(named by the content hash of its founder), and which groups became one. Invariant: no group ever holds images with
different labels, so images that people tell apart are never one again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labeling.ingest.fingerprints import Fingerprints, distances
from labeling.ingest.twin_index import TwinIndex
from labeling.ingest.twins import TwinRule, is_twin
from labeling.slices import slices

__all__ = [
    "MAX_JOINED",
    "Group",
    "Neighbour",
    "Placement",
    "among",
    "are_too_many",
    "divide",
    "group",
    "place",
]

MAX_JOINED = 0.2
"""If more than this share of many images at once joined others, the rule does not fit the pool."""
MANY = 50
AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A twin of a new image: its content hash, and in how many of 256 bits the two differ."""

    content_hash: str
    bits: float


@dataclass(frozen=True, slots=True)
class Group:
    """A group that exists: its founder's content hash, its age (lower is older), and the labels of its members."""

    founder: str
    age: int
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Placement:
    """The founders of the new images' groups, in their order; `joined` maps a founder to that of the older group."""

    founders: tuple[str, ...]
    joined: Mapping[str, str]


def place(
    newcomers: Sequence[str],
    twins: Mapping[str, Sequence[Neighbour]],
    groups: Mapping[str, Group],
    labels: Mapping[str, str],
) -> Placement:
    """Put each new image, in order, into the group of its nearest twin, or let it found one.

    An image near to several groups makes them one, the oldest; groups with different labels stay two.

    Parameters
    ----------
    newcomers
        Content hashes in the order of the images' ids.
    twins
        By content hash, the twins of a new image among the known images and all newcomers.
    groups
        The group of every known twin, by the twin's content hash.
    labels
        The labels of new images that have one.

    Examples
    --------
    >>> place(["b", "c"], {"b": [Neighbour("a", 3.0)]}, {"a": Group("a", 0)}, {}).founders
    ('a', 'c')
    """
    standing = _Standing(groups)
    for content_hash in newcomers:
        label = frozenset([labels[content_hash]] if content_hash in labels else [])
        near = sorted(twins.get(content_hash, ()), key=lambda one: one.bits)
        standing.put(content_hash, label, [one.content_hash for one in near])
    return standing.result(newcomers)


class _Standing:
    """The groups while images are placed; groups that were joined point to the older one."""

    def __init__(self, groups: Mapping[str, Group]) -> None:
        self._founder_of = {content_hash: group.founder for content_hash, group in groups.items()}
        self._groups = {group.founder: group for group in groups.values()}
        self._joined: dict[str, str] = {}
        self._next_age = max((group.age for group in self._groups.values()), default=0) + 1

    def put(self, content_hash: str, label: frozenset[str], nearest_first: Sequence[str]) -> None:
        founders = [self._root(self._founder_of[twin]) for twin in nearest_first if twin in self._founder_of]
        held = Group(content_hash, self._next_age, label)
        for founder in dict.fromkeys(founders):
            other = self._groups[self._root(founder)]
            if other.founder != held.founder and len(other.labels | held.labels) <= 1:
                held = self._join(held, other)
        self._next_age += 1
        self._founder_of[content_hash] = held.founder

        self._groups[held.founder] = held

    def result(self, newcomers: Sequence[str]) -> Placement:
        founders = tuple(self._root(self._founder_of[one]) for one in newcomers)
        fresh = set(newcomers)
        return Placement(founders, {old: self._root(old) for old in self._joined if old not in fresh})

    def _join(self, one: Group, other: Group) -> Group:
        older, younger = sorted((one, other), key=lambda group: group.age)
        if younger.founder in self._groups:
            self._joined[younger.founder] = older.founder
        both = Group(older.founder, older.age, one.labels | other.labels)
        self._groups[older.founder] = both
        return both

    def _root(self, founder: str) -> str:
        while founder in self._joined:
            founder = self._joined[founder]
        return founder


def group(images: Fingerprints, names: Sequence[str], rule: TwinRule, labels: Mapping[str, str]) -> tuple[str, ...]:
    """The founder of each image's group, grouped anew in this order; (N,) fingerprints with their content hashes.

    Examples
    --------
    >>> from labeling.ingest.twins import NOTHING
    >>> group(Fingerprints.read([b"", b""]), ["a", "b"], NOTHING, {})
    ('a', 'b')
    """
    index = TwinIndex()
    twins: dict[str, list[Neighbour]] = {}
    for rows in slices(len(names), AT_ONCE):
        new = images[rows]
        found = index.twins(new, rule)
        for row, known, bits in zip(found.new.tolist(), found.known.tolist(), found.bits.tolist(), strict=True):
            twins.setdefault(names[rows.start + row], []).append(Neighbour(names[known], bits))
        for content_hash, others in among(new, names[rows], rule).items():
            twins.setdefault(content_hash, []).extend(others)
        index.add(new)
    return place(names, twins, {}, labels).founders


def among(images: Fingerprints, names: Sequence[str], rule: TwinRule) -> dict[str, list[Neighbour]]:
    """The twins of each of a few images among those before it, by content hash."""
    later, earlier = np.tril_indices(len(names), -1)
    apart = distances(images, images, later, earlier)
    found: dict[str, list[Neighbour]] = {}
    for at in np.flatnonzero(is_twin(apart, rule)).tolist():
        found.setdefault(names[later[at]], []).append(Neighbour(names[earlier[at]], float(apart.bits[at])))
    return found


def divide(images: Fingerprints, names: Sequence[str], labels: Mapping[str, str]) -> tuple[str, ...]:
    """A group whose members have different labels, taken apart; the founder of each member's part.

    Members are in the order of their ids. One without a label goes with the nearest. The founder's part keeps the
    group; every other part is founded by its oldest member.

    Examples
    --------
    >>> divide(Fingerprints.read([b""] * 3), ["a", "b", "c"], {"a": "cat", "c": "dog"})
    ('a', 'a', 'c')
    """
    later, earlier = np.tril_indices(len(names), -1)
    bits = distances(images, images, later, earlier).bits
    twins: dict[str, list[Neighbour]] = {}
    for new, old, apart in zip(later.tolist(), earlier.tolist(), bits.tolist(), strict=True):
        twins.setdefault(names[new], []).append(Neighbour(names[old], apart))
    return place(names, twins, {}, labels).founders


def are_too_many(joined: int, of: int) -> bool:
    """Whether so many of some images joined others that the rule does not fit; of few images never.

    >>> are_too_many(30, 100), are_too_many(3, 4)
    (True, False)
    """
    return of >= MANY and joined > MAX_JOINED * of
