"""Counts what is known of a project's versions: the accuracy of each, what the champion confuses, and the rounds.

In: the facts. Out: three figures. An accuracy is that on today's labels of the random stream where the version has
predicted them, else what its report said. Its interval speaks of the collection, like that of the stream's own figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from db.repositories.versions.versions import Promotion, Version
from labeling.estimates import Estimate
from labeling.quality.finite_samples import finite_share
from labeling.quality.metrics import accuracy, confusion
from labeling.types import Verdict
from service.figures.accuracy import AccuracyByVersion, Cell, Confusion, OneVersion, Round, Rounds
from service.figures.estimates import estimate
from service.work.figures.facts import Facts
from service.work.pool.training_set import truth_of

__all__ = ["accuracy_by_version", "confusion_of", "rounds_of"]


def accuracy_by_version(facts: Facts) -> AccuracyByVersion:
    """The accuracy of every version."""
    return AccuracyByVersion([_one_version(facts, version) for version in facts.versions])


def confusion_of(facts: Facts) -> Confusion:
    """What the champion says of the images of the random stream, by what is true."""
    classes = list(facts.project.config.classes)
    if facts.champion is None:
        return Confusion(version=None, n=0, known=False, classes=classes, counts=[])
    said, truth = _answers(facts, facts.champion)
    matrix, right = confusion(said, truth, len(classes)), accuracy(said, truth)
    counts = [
        Cell(truth=int(t) if t < len(classes) else None, said=int(p), count=int(matrix[t, p]))
        for t, p in np.argwhere(matrix)
    ]
    number = facts.champion.number
    return Confusion(version=number, n=right.n, known=right.known, classes=classes, counts=counts)


def rounds_of(facts: Facts) -> Rounds:
    """Every version with its report of then and its verdicts, in order."""
    pairs = zip(facts.versions, facts.labels_at, strict=True)
    return Rounds([_round(version, labels, facts.verdicts[version.id]) for version, labels in pairs])


def _one_version(facts: Facts, version: Version) -> OneVersion:
    promoted = _was_promoted(facts.verdicts[version.id])
    champion = facts.champion is not None and facts.champion.id == version.id
    found = estimate(_estimate(facts, version), "accuracy")
    return OneVersion(version=version.number, promoted=promoted, champion=champion, **found)


def _estimate(facts: Facts, version: Version) -> Estimate:
    """On today's labels of the stream where it has predicted them; else what its report said when it was fitted."""
    said, truth = _answers(facts, version)
    right, n = int(np.count_nonzero(said == truth)), len(said)
    today, then = finite_share(right, n, max(facts.sample.groups, n)), _reported(version)
    return today if today.n >= then.n else then


def _answers(facts: Facts, version: Version) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """What a version said of the images of the random stream that it has predicted, and the truth: two (n,) arrays."""
    predicted = facts.judged.get(version.id, {})
    examples = [example for example in facts.sample.examples if example.image_id in predicted]
    said = np.array([int(np.argmax(predicted[example.image_id])) for example in examples], np.int64)
    return said, truth_of(examples, facts.project.config.classes)


def _reported(version: Version) -> Estimate:
    value, interval = version.report.get("accuracy"), version.report.get("accuracy_interval")
    labels = int(version.report.get("random_labels", 0))
    if value is None or interval is None:
        return Estimate(0.0, 0.0, 1.0, 0)
    return Estimate(value, interval[0], interval[1], labels)


def _was_promoted(verdicts: Sequence[Promotion]) -> bool:
    return any(verdict.verdict is Verdict.PROMOTED for verdict in verdicts)


def _round(version: Version, labels: int, verdicts: Sequence[Promotion]) -> Round:
    return Round(
        version=version.number,
        at=version.created_at.isoformat(),
        labels_by_people=labels,
        random_labels=int(version.report.get("random_labels", 0)),
        calibrated_by=_calibrated_by(version),
        calibrated_on=int(version.report.get("calibration_labels", 0)),
        promoted=_was_promoted(verdicts),
        verdict=verdicts[-1].verdict.value if verdicts else None,
        reasons=list(verdicts[-1].reasons) if verdicts else [],
        triggers=[version.trigger.value, *(verdict.trigger.value for verdict in verdicts)],
        **estimate(_reported(version), "accuracy"),
    )


def _calibrated_by(version: Version) -> str:
    if not version.report.get("calibrated"):
        return "nothing yet"
    return "temperature and biases" if version.report.get("bias") else "temperature"
