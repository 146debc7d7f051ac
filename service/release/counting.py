"""Counts over the labels of a release: by class and by slice, and the agreement between people.

In: records. Out: counts as JSON. Agreement is the share of labels with two or more answers on which all answers
are the same; with fewer than 30 such labels it is not known.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from labeling.quality.metrics import share
from labeling.review.kinds import Split
from service.exporting.columns import Record
from service.figures.estimates import estimate

_SPLITS = tuple(split.value for split in Split)
_MANY = 3

Json = dict[str, Any]


class Counting:
    """Counts records one by one; it keeps no record."""

    def __init__(self, classes: Iterable[str]) -> None:
        self._classes: dict[str, Counter[str]] = {name: Counter() for name in classes}
        self._slices: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def add(self, record: Record) -> None:
        """Count one."""
        several = int(record.people > 1)
        found = Counter(labels=1, several=several, unanimous=several * int(record.agreement == 1))
        self._classes.setdefault(record.label, Counter()).update({**found, record.split: 1})
        for slice_ in _slices_of(record).items():
            self._slices[slice_].update(found)

    def classes(self) -> list[Json]:
        """One entry a class, in the order of the label set, also for a class without a label."""
        return [
            {"label": name, **{split: found[split] for split in _SPLITS}, **_counted(found)}
            for name, found in self._classes.items()
        ]

    def slices(self) -> list[Json]:
        """One entry a slice: its dimension, its value, and the same counts."""
        return [{"by": by, "value": value, **_counted(found)} for (by, value), found in sorted(self._slices.items())]


def _slices_of(record: Record) -> dict[str, str]:
    people = "none" if not record.people else f"{_MANY} or more" if record.people >= _MANY else str(record.people)
    return {
        "source": record.source,
        "kind of review": record.kind or "none",
        "split": record.split,
        "decided by": record.decided,
        "people": people,
    }


def _counted(found: Counter[str]) -> Json:
    agreed = estimate(share(found["unanimous"], found["several"]))
    return {"labels": found["labels"], "several": found["several"], "agreed": agreed}
