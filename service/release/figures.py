"""The figures that a release freezes: its own counts, and the figures that the worker had computed.

In: a snapshot's labels and their counts, the database. Out: one JSON document without any annotator's name. It states
which figures are missing, or older than the newest answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from db.repositories.labels import snapshots
from db.repositories.labels.snapshots import Snapshot
from db.session import reading
from db.views import dashboard
from db.views.dashboard import Figure
from labeling.errors import Conflict
from labeling.quality.metrics import share
from service.exporting.label_set import LabelSet
from service.figures.accuracy import Confusion
from service.figures.estimates import estimate
from service.figures.figures import outdated, read
from service.labels.snapshots import compare_states
from service.release.counting import Counting

FROZEN: dict[str, tuple[str, ...]] = {
    "label_quality": (),
    "agreement": ("people", "classes"),
    "label_errors": ("labels", "found", "found_right", "sent_back", "random", "classes", "slices"),
    "share_of_wrong_labels": (),
    "accuracy_by_version": (),
    "confusion": (),
}
"""The worker's figures that are frozen, and the parts of each; an empty list means all parts."""

Json = dict[str, Any]


def document(home: Path, labels: LabelSet, snapshot: Snapshot, counting: Counting) -> Json:
    """All numbers of the page; Conflict while one of them is being computed again after an update."""
    with reading(labels.database) as session:
        figures = dashboard.figures(session, labels.project.id)
        newest = snapshots.newest_answer_at(session, labels.project.id)
        later = snapshots.labels_after(session, labels.project.id, snapshot.last_label_id)
        before = snapshots.newest_release(session, labels.project.id)
    old = sorted(outdated(figures) & FROZEN.keys())
    if old:
        names = ", ".join(old)
        raise Conflict(f"These figures are being computed again after an update: {names}. Release again in a minute.")
    return {
        "snapshot": {
            "name": snapshot.name,
            "hash": snapshot.state,
            "labels": snapshot.left,
            "made_at": snapshot.created_at.isoformat(),
            "labels_since": later,
        },
        "classes": counting.classes(),
        "slices": counting.slices(),
        "computed": {name: _frozen(figures, name, newest) for name in FROZEN},
        "recall": _recall(read(figures, Confusion)),
        "since": _since(home, labels, before, snapshot) if before else None,
    }


def _frozen(figures: Mapping[str, Figure], name: str, newest: datetime | None) -> Json | None:
    """A figure as it is now; None where the worker has not computed it."""
    figure = figures.get(name)
    if figure is None:
        return None
    parts = FROZEN[name] or tuple(figure.data)
    return {
        "computed_at": figure.computed_at.isoformat(),
        "older_than_answers": newest is not None and figure.computed_at < newest,
        "data": {part: figure.data[part] for part in parts if part in figure.data},
    }


def _recall(confusion: Confusion | None) -> Json:
    """By class: the share of images of the random stream with that answer for which the champion predicts it."""
    if confusion is None:
        return {}
    return {name: estimate(share(*confusion.recall(position))) for position, name in enumerate(confusion.classes)}


def _since(home: Path, labels: LabelSet, before: Snapshot, snapshot: Snapshot) -> Json:
    """What changed since the release before."""
    found = compare_states(labels.database, home, labels.project, before, snapshot)
    return {
        "release": before.name,
        "hash": before.state,
        **{name: len(getattr(found, name)) for name in ("added", "removed", "changed", "restated")},
        "same": found.same,
        "moves": [{"before": one, "after": other, "images": count} for one, other, count in found.counts],
    }
