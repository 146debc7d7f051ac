"""Which labels a version is fitted on and judged by, read by kind and use; and rebuilt later to the same hash."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.queries.examples import AsOf, examples_of_labels, now_of, read_examples
from db.repositories.versions.versions import Version
from labeling.answers import AnswerSet
from labeling.label_sets.changes import name_now, names_now
from labeling.learn.snapshot import Snapshot, make_snapshot
from labeling.project import Project, ProjectConfig
from labeling.review.kinds import Use, kinds_for
from labeling.types import NONE_OF_THESE, Example
from service.work.pool.random_stream import read_sample

__all__ = ["read_snapshot", "rebuild_snapshot", "training_examples", "truth_now", "truth_of"]


def training_examples(
    session: Session, project: Project, *, imported: bool = False, as_of: AsOf | None = None
) -> list[Example]:
    """Every label that may be learnt from; `imported`: those too that were given, not asked for."""
    return read_examples(session, project.id, kinds_for(Use.TRAIN), imported=imported, as_of=as_of)


def read_snapshot(session: Session, project: Project, as_of: AsOf) -> Snapshot:
    """Every label that may be learnt from, and those of the random stream, which fit the temperature alone."""
    train = training_examples(session, project, imported=True, as_of=as_of)
    return make_snapshot(train, read_sample(session, project).examples, project.config.classes, as_of.label_id)


def rebuild_snapshot(session: Session, project: Project, version: Version) -> Snapshot:
    """What the version was fitted on, from the rows alone; its hash is the version's `snapshot_hash`."""
    report, now = version.report, now_of(session, project.id)  # an older hardcase did not note what was reserved
    reserved = int(report.get("newest_review", now.review_id)), float(report.get("reserved_share", now.share))
    train = training_examples(session, project, imported=True, as_of=AsOf(version.last_label_id, *reserved))
    temperature = examples_of_labels(session, report.get("calibrated_on", ()))
    classes = version.classes or project.config.classes
    snapshot = make_snapshot(train, temperature, classes, version.last_label_id)
    return snapshot.without(entry["label_id"] for entry in report["left_out"])


def truth_now(examples: Sequence[Example], config: ProjectConfig) -> NDArray[np.int64]:
    """The class of each label (N,) in the label set in force, whenever the label was given.

    `MISSING` for "none of these", and for a class that was split.
    """
    names = names_now(config.changes)
    now = [name_now(example.label, names) for example in examples]
    return np.array(config.answers.class_codes(name or NONE_OF_THESE for name in now), np.int64)


def truth_of(examples: Sequence[Example], classes: tuple[str, ...]) -> NDArray[np.int64]:
    """The class of each label (N,); `MISSING` for "none of these"."""
    return np.array(AnswerSet(classes).class_codes(example.label for example in examples), np.int64)
