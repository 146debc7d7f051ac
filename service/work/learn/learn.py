"""Learn: labels by their use → fit → temperature → measure → artifact → version row.

Fitting twice on the same labels with the same engine gives the same version: the second time finds the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version as installed_version
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from db.repositories.projects import projects
from db.repositories.queries.examples import fingerprint, now_of, unready_labels
from db.repositories.queries.pool import state_of_pool
from db.repositories.versions import versions
from db.repositories.versions.versions import Version
from db.session import reading, transaction
from labeling.adapters.storage.atomic_files import place_folder, stage_folder
from labeling.errors import Conflict, NothingToLearnFrom
from labeling.jobs import Trigger
from labeling.label_sets.changes import is_same_set
from labeling.learn.artifacts import CARD, Facts, pack
from labeling.learn.calibration import fit_calibration
from labeling.learn.classifier import Classifier
from labeling.learn.heads.logistic import LOGISTIC
from labeling.learn.snapshot import Snapshot
from labeling.learn.training import FusedClassifier, fit_classifier, predict_logits
from labeling.project import Project, Schedule
from labeling.schedule import is_quiet, last_time
from labeling.types import ProjectId
from labeling.vectors import finite_rows
from service.logs import get_logger
from service.work.learn.report import report_of, rows_in, with_rows
from service.work.pool.pool import EnginePin, Pool, load_pool, pin_of
from service.work.pool.random_stream import read_sample
from service.work.pool.recipes import head_named, reference_rows
from service.work.pool.saved_versions import folder_of, hash_of_card
from service.work.pool.training_set import read_snapshot, truth_of
from service.work.wiring import Parts

log = get_logger(__name__)

_UNREADY = "its image has no embedding of this engine yet"
_NOT_FINITE = "the embedding of its image is not finite"
REFERENCE_IMAGES = 20_000
"""So many images, evenly spread, give the scaling constants of the features."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What waits to be learnt from: how many classes, examples and fresh ones there are, and whether any `changed`.

    `unready` labels can be learnt from once the engine was asked about their images.
    """

    classes: int
    examples: int
    fresh: int
    changed: bool
    unready: int


def due(parts: Parts, project_id: ProjectId) -> bool:
    """Whether enough new labels wait, or a time of the schedule has passed with any, or the engine has changed.

    Never in quiet hours.
    """
    project, latest, waiting = _read_waiting(parts, project_id)
    revision, policy = parts.engine_for(project).revision, project.config.policy
    if waiting.classes < 2 or is_quiet(policy.schedule, parts.now()):
        return False
    since = latest.created_at if latest else project.created_at
    waited = abs(parts.now() - since).total_seconds() >= policy.learn_every_s  # a clock set back delays it once
    waited = waited or _came_since(policy.schedule, since, parts.now())
    if latest is None:
        return waited or waiting.examples >= policy.learn_after_labels
    if _classes_of(latest, project) != project.config.classes and not waiting.unready:
        return True
    if (latest.report["engine_revision"], _head_of(latest)) != (revision, policy.head):
        return waiting.examples >= int(latest.report["examples"])
    return waiting.fresh >= policy.learn_after_labels or (waited and waiting.changed)


def _came_since(schedule: Schedule, since: datetime, now: datetime) -> bool:
    last = last_time(schedule, now)
    return last is not None and last > since


def has_new_labels(parts: Parts, project_id: ProjectId) -> bool:
    """Whether a version that is fitted now would be another than the newest."""
    _, _, waiting = _read_waiting(parts, project_id)
    return waiting.classes >= 2 and waiting.changed


def _read_waiting(parts: Parts, project_id: ProjectId) -> tuple[Project, Version | None, _Waiting]:
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
    revision = parts.engine_for(project).revision
    with reading(parts.database) as session:
        latest = versions.newest(session, project_id)
        labels, pool = fingerprint(session, project_id), state_of_pool(session, project_id, revision)
        made_of = (project.config_version, revision, latest.number if latest else 0, labels, pool)
        found = parts.memo.get(("waiting", project_id), made_of, lambda: _waiting(session, project, revision, latest))
    return project, latest, found


def _waiting(session: Session, project: Project, revision: str, latest: Version | None) -> _Waiting:
    unready = [label_id for label_id, _ in unready_labels(session, project.id, revision)]
    snapshot = read_snapshot(session, project, now_of(session, project.id)).without(unready)
    classes, examples = len({example.label for example in snapshot.train}), len(snapshot.train)
    if latest is None:
        return _Waiting(classes, examples, examples, True, len(unready))
    left_out = {entry["label_id"]: entry["reason"] for entry in latest.report["left_out"]}
    fresh = [e for e in snapshot.train if e.label_id > latest.last_label_id or left_out.get(e.label_id) == _UNREADY]
    unusable = [label_id for label_id, reason in left_out.items() if reason == _NOT_FINITE]
    changed = snapshot.without(unusable).hash != latest.snapshot_hash
    changed = changed or _classes_of(latest, project) != project.config.classes
    return _Waiting(classes, examples, len(fresh), changed, len(unready))


def learn(parts: Parts, project_id: ProjectId, trigger: Trigger) -> dict[str, int]:
    """Fit and save a version; {"version": its number}, or 0 where the labels do not allow one yet."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
    pin = pin_of(parts.engine_for(project))
    with reading(parts.database) as session:
        now = now_of(session, project_id)
        snapshot = read_snapshot(session, project, now)
        left_out = [_left_out(*pair, _UNREADY) for pair in unready_labels(session, project_id, pin.revision)]
        sample = read_sample(session, project)
    pool = load_pool(parts, project, pin)
    left_out += _unusable(pool, snapshot)
    snapshot = snapshot.without(entry["label_id"] for entry in left_out)
    with reading(parts.database) as session:
        existing = _same(session, project, snapshot, pin)
    if existing is not None:
        return {"version": existing.number}
    try:
        classifier = _fit(project, pool, snapshot)
    except NothingToLearnFrom as error:
        log.info("nothing to learn from", project=project_id, reason=error.message)
        return {"version": 0}
    report = report_of(project, pin, pool, snapshot, classifier, sample, left_out, now)
    return {"version": _save(parts, project, pin, snapshot, classifier, report, trigger)}


def _left_out(label_id: int, image_id: int, reason: str) -> dict[str, Any]:
    return {"label_id": label_id, "image_id": image_id, "reason": reason}


def _unusable(pool: Pool, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Examples whose vector is missing or not finite; each is named in the report."""
    examples = [*snapshot.train, *snapshot.temperature]
    rows = rows_in(pool, examples)
    lost = [_left_out(e.label_id, e.image_id, _UNREADY) for e, row in zip(examples, rows, strict=True) if row < 0]
    found = list(with_rows(pool, examples))
    finite = finite_rows(pool.image_vectors[[row for _, row in found]]) if found else ()
    return lost + [
        _left_out(example.label_id, example.image_id, _NOT_FINITE)
        for (example, _), is_finite in zip(found, finite, strict=True)
        if not is_finite
    ]


def _same(session: Session, project: Project, snapshot: Snapshot, pin: EnginePin) -> Version | None:
    """The version that was already fitted on this set with this engine, by this head."""
    wanted = (snapshot.hash, pin.revision, project.config.policy.head, project.config.classes)

    def made_of(v: Version) -> tuple[str, str, str, tuple[str, ...]]:
        return v.snapshot_hash, v.report["engine_revision"], _head_of(v), _classes_of(v, project)

    return next((v for v in versions.everyone(session, project.id) if made_of(v) == wanted), None)


def _head_of(version: Version) -> str:
    """The head that it was fitted by; older versions do not name one."""
    return str(version.report.get("head", LOGISTIC))


def _classes_of(version: Version, project: Project) -> tuple[str, ...]:
    """The classes that it was fitted on; older versions do not name them, and had those of the project."""
    return version.classes or project.config.classes


def _fit(project: Project, pool: Pool, snapshot: Snapshot) -> FusedClassifier:
    classes, policy = project.config.classes, project.config.policy
    classifier = fit_classifier(
        pool.inputs.take(rows_in(pool, snapshot.train)),
        truth_of(list(snapshot.train), classes),
        len(classes),
        head_named(policy.head),
        reference=pool.inputs.take(reference_rows(pool, REFERENCE_IMAGES)),
        rng=np.random.default_rng(policy.seed % 2**63),
    )
    temperature = list(snapshot.temperature)
    found = fit_calibration(
        predict_logits(classifier, pool.inputs.take(rows_in(pool, temperature))),
        truth_of(temperature, classes),
        classifier.present,
        classifier.temperature,
        np.random.default_rng(policy.seed % 2**63),
    )
    return classifier if found is None else classifier.calibrated_by(found)


def _save(
    parts: Parts,
    project: Project,
    pin: EnginePin,
    snapshot: Snapshot,
    classifier: Classifier,
    report: dict[str, Any],
    trigger: Trigger,
) -> int:
    """Stage the files, then give them their name in the transaction that makes the row: both or neither."""
    now, home = parts.now(), parts.settings.home
    with reading(parts.database) as session:
        number = versions.next_number(session, project.id)
    facts = _facts(project, number, pin, snapshot, report, now)
    files, path = pack(classifier, facts), folder_of(project.id, number)
    parts.failpoint("learn.before_artifact")
    staged = stage_folder((home / path).parent, parts.settings.executor, files)
    parts.failpoint("learn.before_write")
    with transaction(parts.database) as session:
        versions.lock(session, project.id)
        if versions.next_number(session, project.id) != number:
            raise Conflict(f"Version {number} was saved by another worker in the meantime; learning starts over.")
        if not is_same_set(projects.by_id(session, project.id).config, project.config):
            raise Conflict("The label set was changed in the meantime; learning starts over with the new one.")
        versions.add_version(
            session,
            project.id,
            number,
            path=path,
            card_hash=hash_of_card(files[CARD]),
            snapshot_hash=snapshot.hash,
            last_label_id=snapshot.last_label_id,
            report=report,
            trigger=trigger,
            now=now,
        )
        place_folder(staged, home / path)  # a rename: the row can only be there if the files are
    parts.failpoint("learn.after_write")
    log.info("learnt", project=project.id, version=number, examples=report["examples"], accuracy=report["accuracy"])
    return number


def _facts(
    project: Project, number: int, pin: EnginePin, snapshot: Snapshot, report: dict[str, Any], now: datetime
) -> Facts:
    """What the card of a version says."""
    return Facts(
        project=project.config.name,
        number=number,
        classes=project.config.classes,
        engine_revision=pin.revision,
        image_encoder=pin.image_encoder,
        text_encoder=pin.text_encoder,
        snapshot_hash=snapshot.hash,
        last_label_id=snapshot.last_label_id,
        code_version=installed_version("hardcase"),
        created_at=now,
        report=report,
    )
