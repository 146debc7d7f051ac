"""Which labels a version is fitted on and judged by, read by kind, side and use; and rebuilt later to the same hash."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.queries.examples import last_label_id, read_examples
from db.repositories.versions.versions import Version
from labeling.answers import AnswerSet
from labeling.learn.calibration import in_temperature_half
from labeling.learn.snapshot import Snapshot, make_snapshot
from labeling.project import Project
from labeling.review.kinds import Use, kinds_for
from labeling.types import Example, Side

__all__ = ["evaluation_examples", "read_snapshot", "rebuild_snapshot", "truth_of"]


def read_snapshot(session: Session, project: Project, up_to: int | None = None) -> Snapshot:
    """Every label that may be learnt from, as of label `up_to`; all of them if not given."""
    newest = last_label_id(session, project.id) if up_to is None else up_to
    train = read_examples(session, project.id, kinds_for(Use.TRAIN), Side.POOL, imported=True, up_to=newest)
    drawn = read_examples(session, project.id, kinds_for(Use.TEMPERATURE), Side.POOL, up_to=newest)
    temperature = [e for e in drawn if in_temperature_half(e.content_hash, project.salt)]
    return make_snapshot(train, temperature, project.config.classes, newest)


def rebuild_snapshot(session: Session, project: Project, version: Version) -> Snapshot:
    """What the version was fitted on, from the rows alone; its hash is the version's `snapshot_hash`."""
    left_out = [entry["label_id"] for entry in version.report["left_out"]]
    return read_snapshot(session, project, version.last_label_id).without(left_out)


def evaluation_examples(session: Session, project: Project) -> list[Example]:
    """The labels that judge: blind ones from the hold-out, one image per group (the first), of whole shares."""
    first: dict[int, Example] = {}
    for example in read_examples(session, project.id, kinds_for(Use.GATE), Side.HOLDOUT, whole_shares=True):
        first.setdefault(example.group_id, example)
    return list(first.values())


def truth_of(examples: list[Example], classes: tuple[str, ...]) -> NDArray[np.int64]:
    """The class of each label (N,); `MISSING` for "none of these"."""
    return np.array(AnswerSet(classes).class_codes(example.label for example in examples), np.int64)
