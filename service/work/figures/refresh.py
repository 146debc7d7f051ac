"""Count what the pages show: reads aggregates, computes, keeps each figure as data.

docs/reference/figures.md says what every figure holds. Nothing is computed again while no fact has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from db.repositories.projects import projects
from db.repositories.queries import stream
from db.repositories.versions import versions
from db.repositories.versions.versions import Promotion, Version
from db.session import reading, transaction
from db.views import figures, tallies
from db.views.figures import Asked
from labeling.estimates import Estimate
from labeling.project import Project
from labeling.quality.annotators.acceptance import Acceptance as OfClass
from labeling.quality.annotators.acceptance import acceptance
from labeling.quality.metrics import accuracy, confusion
from labeling.select.strategies.uncertainty import margin
from labeling.types import ImageId, ProjectId, Verdict, VersionId
from service.engines.overview import work_of
from service.figures.accuracy import (
    Acceptance,
    AccuracyByVersion,
    Cell,
    Confusion,
    Guess,
    Hardest,
    HardImage,
    LabelsBySource,
    OneClass,
    OneVersion,
    Round,
    Rounds,
)
from service.figures.engines import EngineReliability, EngineWork
from service.figures.estimates import Json, estimate
from service.figures.figures import OF_CLASSIFIERS, is_current, write
from service.figures.machine_labels import MachineLabels
from service.figures.random_stream import RandomStream
from service.work.figures.machine_labels import read_machine_labels
from service.work.figures.random_stream import random_stream, right
from service.work.figures.reliability import read_reliability
from service.work.pool.predictions import ImagePrediction, predictions_of_images
from service.work.pool.random_stream import Sample, read_sample
from service.work.pool.training_set import truth_of
from service.work.wiring import Parts

__all__ = ["COUNTS", "Facts", "refresh"]

FORMAT = "5"
"""Part of the fingerprint: a release that computes a figure differently computes all of them again."""
HARDEST = 24
LATELY = 1_000
"""So many reviews, the newest, are searched for the hardest images."""

Evidence = dict[VersionId, dict[int, list[float]]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the figures are computed from, read in one transaction."""

    project: Project
    fingerprint: str
    tally: Json
    sample: Sample
    shadows: frozenset[int]
    left: tuple[int, ...]
    answers: dict[str, int]
    versions: list[Version]
    verdicts: dict[VersionId, list[Promotion]]
    champion: Version | None
    judged: Evidence
    labels_at: list[int]
    shown: list[tuple[str, int, int]]
    asked: list[Asked]
    current: dict[ImageId, ImagePrediction]
    machine: MachineLabels
    reliability: EngineReliability
    work: EngineWork


def refresh(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Compute the tally and all figures, unless nothing has changed since they were computed last."""
    facts = _read(parts, project_id)
    if facts is None:
        return {"figures": 0}
    counted = [write(count(facts)) for count in COUNTS]
    now = parts.now()
    with transaction(parts.database) as session:
        tallies.keep_tally(session, project_id, facts.tally, now)
        return {"figures": figures.keep(session, project_id, counted, facts.fingerprint, now)}


def _read(parts: Parts, project_id: ProjectId) -> Facts | None:
    """None if the figures that are kept rest on these very facts, and are of today's form."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        facts = f"{tallies.fingerprint(session, project_id)}-{stream.fingerprint(session, project_id)}"
        fingerprint = f"{FORMAT}-{project.config_version}-{facts}"
        if is_current(session, project_id, fingerprint, *OF_CLASSIFIERS.values()):
            return None
        of_images, work = parts.memo.get(
            ("images and engines", project_id),
            tallies.fingerprint_of_images(session, project_id),
            lambda: (tallies.counts_of_images(session, project_id), work_of(session, project_id)),
        )
        sample = read_sample(session, project)
        everyone, champion = versions.everyone(session, project_id), versions.champion(session, project_id)
        verdicts: dict[VersionId, list[Promotion]] = {version.id: [] for version in everyone}
        for verdict in versions.promotions(session, project_id):
            verdicts[verdict.version_id].append(verdict)
        asked = figures.lately_asked(session, project_id, LATELY)
        return Facts(
            project=project,
            fingerprint=fingerprint,
            tally={**of_images, **tallies.counts_of_reviews(session, project_id)},
            sample=sample,
            shadows=frozenset(stream.shadow_picks(session, project_id)),
            left=tuple(stream.count_left(session, project_id, one.until, after=one.after) for one in sample.cohorts),
            answers=stream.answers_by_kind(session, project_id),
            versions=everyone,
            verdicts=verdicts,
            champion=champion,
            judged=figures.evidence(session, [one.image_id for part in sample.cohorts for one in part.examples]),
            labels_at=figures.people_labels_at(session, project_id, [v.last_label_id for v in everyone]),
            shown=figures.shown_and_kept(session, project_id),
            asked=asked,
            current=predictions_of_images(parts, project, [one.image_id for one in asked]),
            machine=read_machine_labels(parts, session, project, sample),
            reliability=read_reliability(session, project, sample.examples),
            work=work,
        )


def _answers(facts: Facts, version: Version) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """What a version said of the images of the random stream that it has predicted, and the truth: two (n,) arrays."""
    predicted = facts.judged.get(version.id, {})
    examples = [example for example in facts.sample.examples if example.image_id in predicted]
    said = np.array([int(np.argmax(predicted[example.image_id])) for example in examples], np.int64)
    return said, truth_of(examples, facts.project.config.classes)


def _estimate(facts: Facts, version: Version) -> Estimate:
    """On today's labels of the stream where it has predicted them; else what its report said when it was fitted."""
    today, then = accuracy(*_answers(facts, version)), _reported(version)
    return today if today.n >= then.n else then


def _reported(version: Version) -> Estimate:
    value, interval = version.report.get("accuracy"), version.report.get("accuracy_interval")
    labels = int(version.report.get("random_labels", 0))
    if value is None or interval is None:
        return Estimate(0.0, 0.0, 1.0, 0)
    return Estimate(value, interval[0], interval[1], labels)


def _one_version(facts: Facts, version: Version) -> OneVersion:
    promoted = _was_promoted(facts.verdicts[version.id])
    champion = facts.champion is not None and facts.champion.id == version.id
    found = estimate(_estimate(facts, version), "accuracy")
    return OneVersion(version=version.number, promoted=promoted, champion=champion, **found)


def _confusion(facts: Facts) -> Confusion:
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


def _acceptance(facts: Facts) -> Acceptance:
    rows = acceptance(facts.shown, facts.project.config.classes)
    shown, kept = sum(row.shown for row in rows), sum(row.kept for row in rows)
    everything = acceptance([("all", shown, kept)], ["all"])[0]
    return Acceptance(all=_accepted(everything), classes=[_accepted(row) for row in rows])


def _accepted(row: OfClass) -> OneClass:
    return OneClass(label=row.label, shown=row.shown, kept=row.kept, **estimate(row.share, "share"))


def _hardest(facts: Facts) -> Hardest:
    """The images that the champion (before it, the engine) doubts most, of those that were asked last."""
    found = [(one, facts.current[one.image_id]) for one in facts.asked if one.image_id in facts.current]
    predicted = [(one, current) for one, current in found if current.shown]
    doubts = margin(np.array([current.shown for _, current in predicted])) if predicted else np.empty(0)
    order = np.lexsort((np.arange(len(doubts)), -doubts))[:HARDEST]
    return Hardest([_hard(facts.project, predicted[i][0], predicted[i][1], float(doubts[i])) for i in order])


def _hard(project: Project, one: Asked, current: ImagePrediction, doubt: float) -> HardImage:
    return HardImage(
        image_id=one.image_id,
        content_hash=one.content_hash,
        review_id=one.review_id,
        kind=one.kind,
        ls_task_id=one.ls_task_id,
        doubt=round(doubt, 4),
        prelabel=_best(project, current.by_engine),
        champion=_best(project, current.champion),
        answer=one.label,
    )


def _best(project: Project, probs: list[float]) -> Guess | None:
    if not probs:
        return None
    best = int(np.argmax(probs))
    return Guess(project.config.classes[best], round(float(probs[best]), 4))


def _rounds(facts: Facts) -> Rounds:
    pairs = zip(facts.versions, facts.labels_at, strict=True)
    return Rounds([_round(version, labels, facts.verdicts[version.id]) for version, labels in pairs])


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


def _was_promoted(verdicts: Sequence[Promotion]) -> bool:
    return any(verdict.verdict is Verdict.PROMOTED for verdict in verdicts)


def _random_stream(facts: Facts) -> RandomStream:
    judged = facts.judged.get(facts.champion.id, {}) if facts.champion else {}
    predicted = {image: int(np.argmax(probs)) for image, probs in judged.items()}
    return random_stream(
        facts.sample, facts.shadows, facts.left, facts.answers, right(facts.sample, predicted, facts.project)
    )


COUNTS: tuple[Callable[[Facts], msgspec.Struct], ...] = (
    _random_stream,
    lambda facts: AccuracyByVersion([_one_version(facts, version) for version in facts.versions]),
    _confusion,
    _acceptance,
    _hardest,
    lambda facts: LabelsBySource(facts.tally["labels_by_source"]),
    lambda facts: facts.machine,
    _rounds,
    lambda facts: facts.reliability,
    lambda facts: facts.work,
)
"""One for each figure of `service.figures.figures.OF_CLASSIFIERS`."""
