"""The figures that a release freezes: those that it counts itself, and those that the worker had computed.

In: a snapshot's labels, the figures in the database, the release before. Out: one JSON document, without any
annotator's name. A figure that is missing, or older than the newest answer, is said to be; none is made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.repositories.labels.snapshots import Snapshot
from db.views.dashboard import Figure
from labeling.quality.metrics import share
from labeling.review.label_sets import Comparison
from service.figures.accuracy import Confusion
from service.figures.estimates import estimate
from service.figures.figures import outdated, read
from service.release.counting import Counting

__all__ = ["FROZEN", "Facts", "document"]

FROZEN: dict[str, tuple[str, ...]] = {
    "label_quality": (),
    "agreement": ("people", "classes"),
    "label_errors": ("labels", "rate", "found", "found_right", "sent_back", "holdout", "classes", "slices"),
    "holdout_by_version": (),
    "confusion": (),
}
"""Which figures of the worker are frozen, and which of their parts: where none are named, all."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a release says besides its labels: `later` labels came after the snapshot, `since` is the release before."""

    snapshot: Snapshot
    figures: Mapping[str, Figure]
    newest_answer_at: datetime | None
    later: int
    before: Snapshot | None
    since: Comparison | None


def document(facts: Facts, counting: Counting) -> Json:
    """Everything that the page shows, as data."""
    snapshot = facts.snapshot
    return {
        "snapshot": {
            "name": snapshot.name,
            "hash": snapshot.hash,
            "labels": snapshot.labels,
            "made_at": snapshot.created_at.isoformat(),
            "labels_since": facts.later,
        },
        "classes": counting.classes(),
        "slices": counting.slices(),
        "computed": {name: _frozen(facts, name) for name in FROZEN},
        "recall": _recall(read(facts.figures, Confusion)),
        "since": _since(facts),
    }


def _frozen(facts: Facts, name: str) -> Json | None:
    """A figure as it was; None where the worker has not computed it in the form of this release of hardcase."""
    figure = facts.figures.get(name)
    if figure is None or name in outdated(facts.figures):
        return None
    parts = FROZEN[name] or tuple(figure.data)
    newest = facts.newest_answer_at
    return {
        "computed_at": figure.computed_at.isoformat(),
        "older_than_answers": newest is not None and figure.computed_at < newest,
        "data": {part: figure.data[part] for part in parts if part in figure.data},
    }


def _recall(confusion: Confusion | None) -> Json:
    """Of the hold-out images of a class by people, the share that the champion gets right; by class."""
    if confusion is None:
        return {}
    return {name: estimate(share(*confusion.recall(position))) for position, name in enumerate(confusion.classes)}


def _since(facts: Facts) -> Json | None:
    """What changed since the release before; None where this is the first."""
    if facts.before is None or facts.since is None:
        return None
    found = facts.since
    return {
        "release": facts.before.name,
        "hash": facts.before.hash,
        "added": len(found.added),
        "removed": len(found.removed),
        "changed": len(found.changed),
        "restated": len(found.restated),
        "same": found.same,
        "moves": [{"before": one, "after": other, "images": count} for one, other, count in found.counts],
    }
