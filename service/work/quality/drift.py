"""The figure `drift`: what has changed among new images, classes, engines and people; and the alarms that follow.

In: images that came after the old ones, the champion's predictions, prelabels of an engine's last two revisions, and
people's answers. Out: one figure. Old are the images until the first champion, at least 200 groups; a later champion
does not change that unless it follows an alarm. New ones are tested with each 100 groups more; a test that was done
is not done again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.engines import engines_in_force, prelabels
from db.repositories.projects import projects
from db.repositories.running import alarms
from db.repositories.running.alarms import AlarmKind
from db.repositories.versions import versions
from db.repositories.versions.versions import Version
from db.session import reading, transaction
from db.views import project_stats
from db.views.figures import keep
from labeling.estimates import MIN_LABELS
from labeling.project import Project
from labeling.quality.drift import (
    LEVEL,
    Changed,
    class_shift,
    compared_since,
    corrected_prior,
    input_shift,
    separability,
)
from labeling.quality.metrics import confusion, share
from labeling.types import ProjectId
from labeling.vectors import finite_rows
from service.figures.drift import Drift, EngineChange, Habit, Inputs, Look, Moved, Prior
from service.figures.estimates import Json, known
from service.figures.figures import is_current, stored, write
from service.work.pool.champion import ChampionPredictions, champion_predictions
from service.work.pool.pool import load_pool
from service.work.pool.random_stream import read_sample
from service.work.pool.training_set import truth_of
from service.work.quality.alarm_rules import Watch, follow
from service.work.quality.annotators.drift import people_over_time
from service.work.wiring import Parts

__all__ = ["INPUTS_APART", "PART", "PRIOR_MOVED", "refresh_drift"]

PART = ":drift"
OF_IMAGES = (AlarmKind.INPUT_DRIFT, AlarmKind.PRIOR_DRIFT)
FORMAT = "2"
A_LOOK = 100
"""There is a look with each so many new groups."""
FEWEST_OLD = 200
"""So many groups at least count as old, however early the first champion was."""
SAMPLE = 300
"""So many of the newest are compared with at most as many of the old ones."""
COMPARED = 500
INPUTS_APART = 0.6
"""An alarm needs more than chance: a classifier that tells new images from old ones this often."""
PRIOR_MOVED = 0.1
"""An alarm needs this share of images to have moved to other classes."""
ENOUGH_STILL = 0.75
"""An open alarm stays while the size is above this part of its threshold."""


@dataclass(frozen=True, slots=True)
class _Sides:
    """Images (one a group) that count as old, and the newest of the others, by their arrival; ids and vectors."""

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    vectors_before: NDArray[np.float32]
    vectors_after: NDArray[np.float32]


def refresh_drift(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Test once a day, and with each 100 new groups; alarms follow what is found."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        champion = versions.champion(session, project_id)
        since = _since(session, project_id)
        look = _look(parts, session, project_id, since)
        fingerprint = _fingerprint(session, project, champion, since, look, parts.now())
        if is_current(session, project_id, fingerprint, Drift, part=PART):
            return {"drift": 0}
        kept = stored(session, project_id, Drift)
        people = people_over_time(parts, session, project)
        engines = _engines(session, project)
    inputs, prior = _images(parts, project, champion, since, look, kept)
    number = champion.number if champion else None
    found = Drift(
        champion=number, since=since, look=look, inputs=inputs, prior=prior, engines=engines, annotators=people
    )
    with transaction(parts.database) as session:
        keep(session, project_id, [write(found)], fingerprint, parts.now(), PART)
        kinds = (*OF_IMAGES, AlarmKind.ANNOTATOR_DRIFT)
        return {"drift": 1, **follow(session, project_id, kinds, _watches(found), parts.now())}


def _since(session: Session, project_id: ProjectId) -> datetime | None:
    """Until when images count as old; None before the first champion."""
    made = [version.created_at for version in versions.champions(session, project_id)]
    return compared_since(made, alarms.raised_at(session, project_id, OF_IMAGES))


def _look(parts: Parts, session: Session, project_id: ProjectId, since: datetime | None) -> int:
    """Which look is due: one with each 100 new groups; 0 before the first."""
    if since is None:
        return 0
    before, after = parts.memo.get(
        ("arrivals", project_id),
        (since, project_stats.grouped_images(session, project_id)),
        lambda: project_stats.arrivals_around(session, project_id, since),
    )
    return max(0, after - max(0, FEWEST_OLD - before)) // A_LOOK


def _fingerprint(
    session: Session, project: Project, champion: Version | None, since: datetime | None, look: int, now: datetime
) -> str:
    revision = engines_in_force.first_revision(session, project.id)
    number = champion.number if champion else 0
    return f"{FORMAT}-{project.config_version}-{number}-{since}-{look}-{revision}-{now.date()}"


def _images(
    parts: Parts, project: Project, champion: Version | None, since: datetime | None, look: int, kept: Drift | None
) -> tuple[Inputs | None, Prior | None]:
    """The tests of inputs and classes; the kept ones where this test was done before."""
    if champion is None or since is None or look == 0:
        return None, None
    done = kept is not None and (kept.since, kept.look) == (since, look)
    if done and kept is not None and kept.inputs is not None:
        return kept.inputs, kept.prior
    sides = _sides(parts, project, since)
    if min(len(sides.before), len(sides.after)) < A_LOOK // 2:  # most images have no vector yet
        return None, None
    rng = np.random.default_rng(project.config.policy.seed % 2**63)
    return _inputs(sides, rng), _prior(parts, project, champion, sides)


def _sides(parts: Parts, project: Project, since: datetime) -> _Sides:
    pool = load_pool(parts, project)
    with reading(parts.database) as session:
        arrivals = project_stats.group_arrivals(session, project.id)
    _, first = np.unique(pool.group_ids, return_index=True)
    first = first[finite_rows(pool.image_vectors[first])]
    came = [(arrivals[group], group) for group in pool.group_ids[first].tolist()]
    first = first[sorted(range(len(came)), key=came.__getitem__)]
    old = max(sum(at <= since for at, _ in came), FEWEST_OLD)
    before, after = first[:old], first[old:][-SAMPLE:]
    return _Sides(pool.image_ids[before], pool.image_ids[after], pool.image_vectors[before], pool.image_vectors[after])


def _inputs(sides: _Sides, rng: np.random.Generator) -> Inputs:
    """The newest images against as many of the old ones."""
    chosen = rng.permutation(len(sides.before))[:SAMPLE]
    before, after = sides.vectors_before[chosen], sides.vectors_after
    found, apart = input_shift(before, after, rng), separability(before, after, rng)
    return Inputs(separability=known(apart), images=sides.after[-6:].tolist(), **_changed(found))


def _changed(found: Changed) -> Json:
    """The keys of a `Look`."""
    return {
        "size": round(float(found.size), 4),
        "p_value": round(float(found.p_value), 5),
        "level": LEVEL,
        "before": found.before,
        "after": found.after,
    }


def _prior(parts: Parts, project: Project, champion: Version, sides: _Sides) -> Prior | None:
    """How the champion's predictions are spread among old and new images, and corrected for how it errs."""
    predicted = champion_predictions(parts, project.id)
    if predicted is None or predicted.version.id != champion.id:
        return None
    with reading(parts.database) as session:
        examples = read_sample(session, project).examples
    names = project.config.classes
    before, after = (np.bincount(_classes(predicted, ids), minlength=len(names)) for ids in (sides.before, sides.after))
    if not before.sum() or not after.sum():
        return None
    ids = np.array([example.image_id for example in examples], np.int64)
    truth = truth_of(examples, names)[predicted.rows_of(ids) >= 0]
    matrix = confusion(_classes(predicted, ids), truth, len(names))[: len(names)].astype(np.float64)
    corrected = corrected_prior(matrix, after) if matrix.sum() >= MIN_LABELS and matrix.sum(axis=1).all() else None
    classes = [
        Moved(
            label=label,
            before=round(float(before[k] / before.sum()), 4),
            after=round(float(after[k] / after.sum()), 4),
            corrected=None if corrected is None else round(float(corrected[k]), 4),
        )
        for k, label in enumerate(names)
    ]
    return Prior(classes=classes, **_changed(class_shift(before, after)))


def _classes(predicted: ChampionPredictions, image_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class that was predicted for each of these images that has a prediction."""
    rows = predicted.rows_of(image_ids)
    return np.asarray(predicted.shown[rows[rows >= 0]].argmax(axis=1), np.int64)


def _engines(session: Session, project: Project) -> list[EngineChange]:
    """How many answers changed from an engine's last revision to the one in force, on the same images."""
    rows = []
    for stage in engines_in_force.in_force(session, project.id):
        earlier = project_stats.earlier_revision(session, project.id, stage.revision)
        if earlier is None:
            continue
        images = project_stats.labelled_by_both(session, project.id, earlier, stage.revision, COMPARED)
        old, new = (
            {
                one.image_id: one.answer or (int(np.argmax(one.probs)) if one.probs else one.outcome.value)
                for one in prelabels.said_of(session, images, revision)
            }
            for revision in (earlier, stage.revision)
        )
        differ = sum(old[image] != new[image] for image in old)
        rows.append(EngineChange(stage.engine, earlier, stage.revision, known(share(differ, len(old)))))
    return rows


def _watches(found: Drift) -> list[Watch]:
    watches = []
    inputs, prior = found.inputs, found.prior
    if inputs is not None and (apart := inputs.separability.value) is not None:
        words = _input_words(inputs, apart)
        watches.append(_of_images(AlarmKind.INPUT_DRIFT, inputs, apart, 0.5, INPUTS_APART, words))
    if prior is not None:
        watches.append(_of_images(AlarmKind.PRIOR_DRIFT, prior, prior.size, 0.0, PRIOR_MOVED, _prior_words(prior)))
    return [*watches, *(_of_person(row) for row in found.annotators)]


def _of_images(kind: AlarmKind, look: Look, size: float, base: float, threshold: float, words: str) -> Watch:
    """`base` is the size where nothing has changed."""
    surely = look.p_value < look.level
    still = look.p_value < 0.05 and size - base >= ENOUGH_STILL * (threshold - base)
    evidence = {
        "p_value": look.p_value,
        "level": look.level,
        "before": look.before,
        "after": look.after,
        "size": size,
    }
    return Watch(kind, "", surely and size >= threshold, still, words, evidence)


def _input_words(inputs: Inputs, size: float) -> str:
    return (
        f"New images differ from the old ones: a classifier tells them apart "
        f"{100 * size:.0f} times in 100, where 50 is chance ({inputs.after} new images, p = {inputs.p_value}). "
        "Have some of them labelled, then learn."
    )


def _prior_words(prior: Prior) -> str:
    most = max(prior.classes, key=lambda row: abs(row.after - row.before))
    return (
        f"The classes are spread otherwise than before: {100 * prior.size:.0f} of 100 images moved, {most.label} most "
        f"({100 * most.before:.0f} % before, {100 * most.after:.0f} % now; p = {prior.p_value}). "
        "Look at the new images; have some labelled, then learn."
    )


def _of_person(row: Habit) -> Watch:
    words = (
        f"Annotator {row.annotator} is right less often than before: {100 * row.now.right:.0f} % of "
        f"{row.now.n} answers lately, {100 * row.before.right:.0f} % of {row.before.n} before. "
        "See the Team page."
    )
    evidence = {"p_value": row.p_value, "size": row.size}
    return Watch(AlarmKind.ANNOTATOR_DRIFT, str(row.annotator), row.found, row.still, words, evidence)
