"""Exactly which labels a classifier was fitted on, and a hash that identifies the set.

The same labels give the same hash in whatever order they come, so the set can be rebuilt from the database and
checked against the version that was fitted on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from labeling.types import Example

__all__ = ["Snapshot", "make_snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`train` fits the head, `temperature` its temperature; no image is in both. `last_label_id` bounds both."""

    train: tuple[Example, ...]
    temperature: tuple[Example, ...]
    last_label_id: int

    @property
    def hash(self) -> str:
        """64 hex digits over what was learnt from; independent of `last_label_id` and of the order."""
        lines = sorted(
            f"{use}\t{e.content_hash}\t{e.label_id}\t{e.label}\n"
            for use, examples in (("train", self.train), ("temperature", self.temperature))
            for e in examples
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def without(self, label_ids: Iterable[int]) -> Snapshot:
        """The same without the examples of these labels."""
        out = frozenset(label_ids)
        return Snapshot(
            tuple(e for e in self.train if e.label_id not in out),
            tuple(e for e in self.temperature if e.label_id not in out),
            self.last_label_id,
        )


def make_snapshot(
    train: Iterable[Example], temperature: Iterable[Example], classes: Iterable[str], last_label_id: int
) -> Snapshot:
    """Keep the examples of the label set's classes: "none of these" teaches no class.

    Parameters
    ----------
    train, temperature : iterable of Example
        What may be learnt from, and the decided prefix of the random stream.
    classes : iterable of str
        The label set.
    last_label_id : int
        The newest label of the project when the examples were read.
    """
    names = frozenset(classes)
    return Snapshot(
        tuple(e for e in train if e.label in names),
        tuple(e for e in temperature if e.label in names),
        last_label_id,
    )
