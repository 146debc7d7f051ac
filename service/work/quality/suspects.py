"""The figure `label_errors`: labels that are suspected, by a classifier that never saw them and by their twins.

In: labels that stand and the embeddings that the classifier uses. Out: one figure. Only labels that may be learnt from
teach; those of the random stream are judged by a fit on these alone. Gold is not suspected. How many are suspected is
no rate of wrong labels: the classifier's own errors are among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.projects import projects
from db.repositories.queries import examples
from db.session import reading, transaction
from db.views import dashboard, label_audit
from db.views.exports import first_references
from db.views.figures import keep, kept_fingerprint
from db.views.label_audit import HeldLabel
from labeling.answers import MISSING
from labeling.project import Project
from labeling.quality.labels.label_errors import Suspect, cross_validated, suspects, twins_that_differ
from labeling.review.kinds import may_teach
from labeling.slices import batches
from labeling.types import ImageId, LabelSource, ProjectId, ReviewKind
from labeling.vectors import finite_rows
from service.figures.figures import name_of, read, write
from service.figures.label_errors import LabelErrors, OfClass, OnRandom, SentBack, Slice, Twin
from service.figures.label_errors import Suspect as Listed
from service.labels.reannotation import STRATEGY
from service.labels.suspects import SUSPECTED
from service.work.pool.pool import Pool, load_pool
from service.work.pool.recipes import recipe_of
from service.work.wiring import Parts

__all__ = ["PART", "refresh_suspects", "suspicion"]

PART = ":suspects"
FORMAT = "3"
LISTED = 200
MOST_SLICES = 12
MOST_EXAMPLES = 10_000
READ_AT_ONCE = 500
"""A fit learns from so many labels at most, drawn evenly: more take minutes and find hardly more."""
AGAIN_AFTER = timedelta(hours=1)
CHANGED_SHARE, CHANGED_LEAST = 0.05, 20


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found of `labels`: suspects by position, and groups that contradict themselves."""

    labels: list[HeldLabel]
    suspected: dict[int, Suspect]
    twins: dict[int, tuple[int, ...]]


def refresh_suspects(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Look for wrong labels, if enough have changed since this was done last."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        newest = examples.last_label_id(session, project_id)
        fingerprint = f"{FORMAT}-{label_audit.handled_fingerprint(session, project_id, SUSPECTED, STRATEGY)}"
        if not _due(session, project, newest, fingerprint, parts.now()):
            return {"suspects": 0}
        labels = [
            one
            for one in label_audit.held_labels(session, project_id)
            if one.source not in (LabelSource.GOLD, LabelSource.CERTIFICATE)
        ]
    if not labels:
        return {"suspects": 0}
    given, probs = _out_of_fold(project, labels, load_pool(parts, project))
    found = _find(labels, given, probs)
    made_of = project.config_version, newest
    parts.memo.get(_held_as(project_id), made_of, lambda: _suspicion(labels, given, probs))
    with reading(parts.database) as session:
        figure = _figure(session, project, found, newest)
    with transaction(parts.database) as session:
        keep(session, project_id, [write(figure)], fingerprint, parts.now(), PART)
    return {"suspects": len(figure.suspects)}


def _due(session: Session, project: Project, newest: int, fingerprint: str, now: datetime) -> bool:
    """The first time; when a twentieth of the labels has changed; an hour later when any has, or one was handled."""
    figures = dashboard.figures(session, project.id)
    kept = read(figures, LabelErrors)
    if kept is None or kept.config_version != project.config_version:
        return newest > 0
    changed = newest - kept.last_label_id
    enough = max(CHANGED_LEAST, CHANGED_SHARE * kept.labels)
    handled = fingerprint != kept_fingerprint(session, project.id, PART)
    an_hour_passed = abs(now - figures[name_of(LabelErrors)].computed_at) >= AGAIN_AFTER
    return changed >= enough or ((changed > 0 or handled) and an_hour_passed)


def suspicion(parts: Parts, project: Project, labels: Sequence[HeldLabel]) -> list[float | None]:
    """1 - the out-of-fold probability of each label, by the newest search for suspects; None where there is none."""
    with reading(parts.database) as session:
        kept = read(dashboard.figures(session, project.id), LabelErrors)

    def search() -> dict[int, float]:
        return _suspicion(labels, *_out_of_fold(project, labels, load_pool(parts, project)))

    made_of = (kept.config_version, kept.last_label_id) if kept else (project.config_version, 0)
    held = parts.memo.get(_held_as(project.id), made_of, search)
    return [held.get(one.label_id) for one in labels]


def _held_as(project_id: ProjectId) -> tuple[str, ProjectId]:
    return "suspicion", project_id


def _suspicion(labels: Sequence[HeldLabel], given: NDArray[np.int64], probs: NDArray[np.float64]) -> dict[int, float]:
    """By label, of those that have a prediction."""
    own = np.where(given == MISSING, np.nan, probs[np.arange(len(labels)), np.maximum(given, 0)])
    return {labels[at].label_id: round(float(1 - own[at]), 6) for at in np.flatnonzero(np.isfinite(own))}


def _find(labels: list[HeldLabel], given: NDArray[np.int64], probs: NDArray[np.float64]) -> _Found:
    groups = np.array([one.group_id for one in labels], np.int64)
    return _Found(
        labels,
        {one.position: one for one in suspects(given, probs)},
        {at: twins for twins in twins_that_differ([x.value for x in labels], groups) for at in twins},
    )


def _out_of_fold(
    project: Project, labels: Sequence[HeldLabel], pool: Pool
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The labels (N,) as class positions, and what a classifier that knew none of a label's group says (N, K).

    A row of NaN means no prediction: no vector, no class of the project, no other example of the class.
    """
    answers, n_classes = project.config.answers, len(project.config.classes)
    rng = np.random.default_rng(project.config.policy.seed % 2**63)
    given = np.array(answers.class_codes(one.value for one in labels), np.int64)
    groups = np.array([one.group_id for one in labels], np.int64)
    probs = np.full((len(labels), n_classes), np.nan)
    rows = pool.rows_of(np.array([one.image_id for one in labels], np.int64))
    ready = np.flatnonzero((rows >= 0) & (given != MISSING))
    ready = ready[finite_rows(pool.image_vectors[rows[ready]])]
    if len(ready):
        teaches = _some(np.array([_teaches(labels[at]) for at in ready]), rng)
        inputs = pool.inputs.take(rows[ready])
        fit = recipe_of(project, pool, project.config.policy.head, reference=MOST_EXAMPLES)
        probs[ready] = cross_validated(inputs, given[ready], groups[ready], teaches, fit, n_classes, rng)
    return given, probs


def _teaches(label: HeldLabel) -> bool:
    return may_teach(label.kind, label.source, label.reserved)


def _some(teaches: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """At most `MOST_EXAMPLES` of those that teach."""
    at = np.flatnonzero(teaches)
    if len(at) <= MOST_EXAMPLES:
        return teaches
    chosen = np.zeros(len(teaches), bool)
    chosen[rng.choice(at, MOST_EXAMPLES, replace=False)] = True
    return chosen


def _figure(session: Session, project: Project, found: _Found, newest: int) -> LabelErrors:
    """The figure. What was found right, went back to people or was decided by a lead is not listed."""
    right = label_audit.checked_labels(session, project.id)
    back = label_audit.sent_back(session, project.id, SUSPECTED, STRATEGY)
    handled = {
        at for at, one in enumerate(found.labels) if one.decided or one.label_id in right or one.image_id in back
    }
    listed = list((found.suspected.keys() | found.twins.keys()) - handled)
    listed.sort(key=lambda at: (at not in found.twins, found.suspected[at].score if at in found.suspected else 1.0, at))
    places = label_audit.places(session, [found.labels[at].image_id for at in listed[:LISTED]])
    tasks = {image: place.ls_task_id for image, place in places.items()}
    random = [at for at, one in enumerate(found.labels) if one.kind is ReviewKind.RANDOM]
    return LabelErrors(
        labels=len(found.labels),
        found=len(listed),
        found_right=len(right),
        sent_back=SentBack(
            images=len(back),
            waiting=len(label_audit.open_images(session, back)),
            changed=label_audit.changed(session, back),
        ),
        random=OnRandom(
            labels=len(random),
            found=len(set(random) & set(listed)),
            corrected=label_audit.corrected_random(session, project.id),
        ),
        classes=_by_class(found, listed),
        slices=_slices(session, found, listed),
        suspects=[_suspect(project, found, at, tasks) for at in listed[:LISTED]],
        last_label_id=newest,
        config_version=project.config_version,
    )


def _by_class(found: _Found, listed: Sequence[int]) -> list[OfClass]:
    labels = Counter(one.value for one in found.labels)
    suspected = Counter(found.labels[at].value for at in listed)
    return [OfClass(name, labels[name], suspected[name]) for name in sorted(labels)]


def _slices(session: Session, found: _Found, listed: Sequence[int]) -> list[Slice]:
    """How many labels and suspects there are by folder, kind of review and source; the largest of each."""
    folders = _folders(session, [one.image_id for one in found.labels])
    ways: dict[str, Callable[[HeldLabel], str]] = {
        "folder": lambda one: folders.get(one.image_id, "-"),
        "kind of review": lambda one: one.kind.value if one.kind else "-",
        "source": lambda one: one.source.value,
    }
    rows = []
    for by, of in ways.items():
        labels = Counter(of(one) for one in found.labels)
        suspected = Counter(of(found.labels[at]) for at in listed)
        rows += [
            Slice(by=by, value=value, labels=number, suspects=suspected[value])
            for value, number in labels.most_common(MOST_SLICES)
        ]
    return rows


def _folders(session: Session, images: Sequence[ImageId]) -> dict[ImageId, str]:
    """The folder of each image below its source: where the source is, nobody reads in a release."""
    found: dict[ImageId, PurePosixPath] = {}
    for part in batches(images, READ_AT_ONCE):
        found |= {ImageId(image): PurePosixPath(name).parent for image, name in first_references(session, part).items()}
    return {image: str(folder) for image, folder in found.items() if folder.name}


def _suspect(project: Project, found: _Found, at: int, tasks: dict[int, int | None]) -> Listed:
    label, by_classifier = found.labels[at], found.suspected.get(at)
    twins = [found.labels[other] for other in found.twins.get(at, ()) if other != at]
    return Listed(
        image_id=label.image_id,
        label_id=label.label_id,
        content_hash=label.content_hash,
        given=label.value,
        suggested=project.config.classes[by_classifier.suggested] if by_classifier else None,
        score=round(float(by_classifier.score), 4) if by_classifier else None,
        kind="twins" if by_classifier is None else "both" if twins else "classifier",
        twins=[Twin(one.image_id, one.content_hash, one.value) for one in twins],
        random=label.kind is ReviewKind.RANDOM,
        source=label.source.value,
        ls_task_id=tasks.get(label.image_id),
    )
