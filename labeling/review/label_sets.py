"""A state of a project's labels as canonical lines, its hash, and what differs between two such states.

In: entries, one a labelled image. Out: lines of JSON, ordered by content hash, that are the same bytes on every
machine; and the changes from one state to another. Nothing in an entry depends on row numbers, names or times.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import groupby

import msgspec

from labeling.conversion import decode
from labeling.errors import Invalid

__all__ = ["Change", "Comparison", "Entry", "compare", "entry_of", "line_of", "state_hash"]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The label of one image and what it rests on.

    `decided` is the kind of a lead's decision, empty where none was needed; `answers` says how many people gave each
    answer; `soft_label` gives each class its probability where several answers were weighed.
    """

    content_hash: str
    label: str
    source: str
    kind: str | None
    decided: str
    answers: Mapping[str, int]
    soft_label: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class Change:
    """One image that differs; `before` is None where it was added, `after` where it was removed."""

    before: Entry | None
    after: Entry | None

    @property
    def content_hash(self) -> str:
        entry = self.after or self.before
        return "" if entry is None else entry.content_hash

    @property
    def labels(self) -> tuple[str | None, str | None]:
        """The label before and after; None where there was none."""
        before, after = self.before, self.after
        return (None if before is None else before.label, None if after is None else after.label)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two states: `changed` has another label, `restated` the same label for other reasons."""

    added: tuple[Change, ...]
    removed: tuple[Change, ...]
    changed: tuple[Change, ...]
    restated: tuple[Change, ...]
    same: int

    @property
    def counts(self) -> list[tuple[str | None, str | None, int]]:
        """How many images went from which label to which, the most first; None stands for no label."""
        found = Counter(change.labels for change in (*self.added, *self.removed, *self.changed))
        ordered = sorted(found.items(), key=lambda item: (-item[1], item[0][0] or "", item[0][1] or ""))
        return [(before, after, count) for (before, after), count in ordered]


def line_of(entry: Entry) -> bytes:
    r"""The entry as its canonical line: keys and classes sorted, no spaces, UTF-8, ended by a line feed.

    >>> line_of(Entry("0a", "cat", "people", "hard", "", {"cat": 2}, None)).startswith(b'{"answers":{"cat":2},')
    True
    """
    text = json.dumps(msgspec.to_builtins(entry), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"{text}\n".encode()


def entry_of(line: bytes) -> Entry:
    """The entry of a line; Invalid for one that `line_of` did not write."""
    try:
        return decode(line, Entry)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("A line of this snapshot is not one of ours.") from error


def state_hash(lines: Iterable[bytes]) -> str:
    """64 hex digits over the lines; the same state gives the same hash wherever it is computed.

    >>> state_hash([])[:8]
    'e3b0c442'
    """
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
    return digest.hexdigest()


def compare(before: Iterable[Entry], after: Iterable[Entry]) -> Comparison:
    """What differs between two states.

    Parameters
    ----------
    before, after : iterable of Entry
        Each in ascending order of content hash, without repeats; read once, side by side.

    Raises
    ------
    Invalid
        The entries of one of them are not in that order.

    >>> cat = Entry("0a", "cat", "people", None, "", {}, None)
    >>> compare([cat], []).counts
    [('cat', None, 1)]
    """
    added, removed, changed, restated, same = [], [], [], [], 0
    for one, other in _side_by_side(before, after):
        change = Change(one, other)
        if one is None:
            added.append(change)
        elif other is None:
            removed.append(change)
        elif one.label != other.label:
            changed.append(change)
        elif one != other:
            restated.append(change)
        else:
            same += 1
    return Comparison(tuple(added), tuple(removed), tuple(changed), tuple(restated), same)


def _side_by_side(before: Iterable[Entry], after: Iterable[Entry]) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Each image's entries in both states; None where a state has none."""
    left = ((entry, None) for entry in _ascending(before))
    right = ((None, entry) for entry in _ascending(after))
    for _, pairs in groupby(merge(left, right, key=_hash_of), key=_hash_of):
        both = list(pairs)
        yield both[0][0], both[-1][1]


def _hash_of(pair: tuple[Entry | None, Entry | None]) -> str:
    return Change(*pair).content_hash


def _ascending(entries: Iterable[Entry]) -> Iterator[Entry]:
    last = ""
    for entry in entries:
        if entry.content_hash <= last:
            raise Invalid("The entries of a snapshot come in the order of their content hashes, each once.")
        last = entry.content_hash
        yield entry
