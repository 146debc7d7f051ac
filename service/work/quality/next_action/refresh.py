"""The figure `next_action`: what could be done about each image, ranked by the wrong labels it corrects for its price.

In: the pool and what is predicted of it, the newest answers, the plan of re-reviews, what engines cost. Out: one
figure. The cost is one pass over the pool, and what was answered lately. Only the second answers are drawn from it
(`overlap`, where the policy says so): docs/decisions/0054 says why the others keep their own rule.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.engines import engines_in_force
from db.repositories.labels import labels
from db.repositories.projects import projects
from db.repositories.queries import queries, stream
from db.repositories.reviews import re_reviews, reviews
from db.repositories.versions import predictions, versions
from db.session import reading, transaction
from db.views import label_audit, project_stats
from db.views.figures import keep
from labeling.estimates import MIN_LABELS
from labeling.project import Project
from labeling.review.next_action import (
    label_teaches,
    rank,
    seconds_worth_asking,
)
from labeling.types import ImageId, LabelSource, ProjectId, ReviewKind
from service.figures.figures import is_current, write
from service.figures.next_action import NextAction
from service.work.pool.engine_predictions import EnginePredictions
from service.work.pool.pool import Pool, load_pool
from service.work.pool.predictions import current_predictions
from service.work.pool.random_stream import order_of
from service.work.quality.answered_images import AnsweredImages, read_answered
from service.work.quality.next_action.candidates import (
    Ground,
    candidates_of,
    expected_wrong,
    new_answers,
)
from service.work.quality.next_action.figure import Found, Reasons, figure_of
from service.work.wiring import Parts

__all__ = ["PART", "refresh_next_action"]

PART = ":next_action"
FORMAT = "1"
ASSUMED_S = 10.0
"""Seconds an answer while fewer than 30 were timed."""
MOST_SUSPICIOUS = 500
"""So many labels at most, the most suspicious of the newest plan, are candidates for a re-review."""
MOST_JUDGED = 1_000
"""Of so many labelled images at most an engine's answers are compared with the labels."""

Mask = NDArray[np.bool_]


def refresh_next_action(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Rank what could be done, unless nothing has changed since this was done last."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        fingerprint = _fingerprint(session, project)
        if engines_in_force.first_revision(session, project_id) is None:
            return {"next_action": 0}
        if is_current(session, project_id, fingerprint, NextAction, part=PART):
            return {"next_action": 0}
    figure = _figure(parts, _read(parts, project))
    with transaction(parts.database) as session:
        keep(session, project_id, [write(figure)], fingerprint, parts.now(), PART)
    return {"next_action": len(figure.first)}


def _fingerprint(session: Session, project: Project) -> str:
    champion = versions.champion(session, project.id)
    file = None if champion is None else predictions.prediction_file(session, champion.id)
    facts = label_audit.agreement_fingerprint(session, project.id)
    return f"{FORMAT}-{project.config_version}-{file.sha256 if file else ''}-{facts}"


def _read(parts: Parts, project: Project) -> Ground:
    pool = load_pool(parts, project)
    predicted = current_predictions(parts, project, pool)
    with reading(parts.database) as session:
        answered = read_answered(session, project, engines_in_force.first_revision(session, project.id))
        taken = np.isin(pool.group_ids, list(queries.taken_groups(session, project.id)))
        reserved = np.isin(pool.group_ids, order_of(stream.read_stream(session, project.id)).ids)
        queued = np.isin(pool.image_ids, _queued(session, project, answered))
        judged = {
            one.stage.revision: _judged(session, project, pool, one, taken & ~queued & ~reserved)
            for one in predicted.engines
        }
        suspicious = _suspicious(session, project, answered)
        held = project_stats.labels_now(session, project.id)
    waiting = ~taken | queued
    shown = np.nan_to_num(predicted.shown[waiting].max(axis=1, initial=0.0), nan=0.0)
    people = sum(one.count for one in held if one.source is not LabelSource.CERTIFICATE)
    timed = answered.seconds
    return Ground(
        project=project,
        pool=pool,
        predicted=predicted,
        answered=answered,
        waiting=waiting,
        queued=queued,
        reserved=reserved,
        sizes=_group_sizes(pool),
        judged=judged,
        suspicious=suspicious,
        seconds=float(np.median(timed)) if len(timed) >= MIN_LABELS else ASSUMED_S,
        timed=len(timed),
        teaches=label_teaches(float((1 - shown).sum()), people),
    )


def _queued(session: Session, project: Project, answered: AnsweredImages) -> list[int]:
    """The hard images of the queue that nobody has answered."""
    done = {one.review_id for one in answered.standing.values()}
    waiting = reviews.open_reviews(session, project.id)
    return [one.image_id for one in waiting if one.kind is ReviewKind.HARD and one.id not in done]


def _group_sizes(pool: Pool) -> NDArray[np.int64]:
    """How many images stand in each row's group, (N,)."""
    _, at, counts = np.unique(pool.group_ids, return_inverse=True, return_counts=True)
    return np.asarray(counts[at], np.int64)


def _judged(
    session: Session, project: Project, pool: Pool, engine: EnginePredictions, labelled: Mask
) -> tuple[int, int]:
    """On how many images that people labelled this engine was right, and of how many that it was asked about.

    None is of the random stream: what that measures must not steer what is asked.
    """
    rows = np.flatnonzero(engine.answered & labelled)[:MOST_JUDGED]
    stands = labels.current_of(session, [ImageId(one) for one in pool.image_ids[rows].tolist()])
    codes, answers = project.config.answers.code, engine.answers
    right = [
        answers[row] == codes(label.value)
        for row, image in zip(rows.tolist(), pool.image_ids[rows].tolist(), strict=True)
        if (label := stands.get(ImageId(image))) is not None and label.value is not None
        and label.source is LabelSource.PEOPLE
    ]  # fmt: skip
    return sum(right), len(right)


def _suspicious(session: Session, project: Project, answered: AnsweredImages) -> dict[ImageId, float]:
    """Labels of the newest plan that still stand, were not re-reviewed, and that not several people agreed on."""
    plan = re_reviews.newest_plan(session, project.id)
    if plan is None:
        return {}
    asked = re_reviews.asked_labels(session, project.id)
    doubt = {
        label: given
        for label, given in zip(plan.label_ids, plan.suspicion, strict=True)
        if given is not None and label not in asked
    }
    worst = sorted(doubt, key=lambda label: (-doubt[label], label))[:MOST_SUSPICIOUS]
    stands = label_audit.standing_labels(session, project.id, worst)
    several = {image for image, one in answered.standing.items() if len(one.said) > 1}
    known = several | answered.alone.keys()
    return {ImageId(image): 1 - doubt[label] for label, image in stands.items() if ImageId(image) not in known}


def _figure(parts: Parts, ground: Ground) -> NextAction:
    candidates, places = candidates_of(ground)
    order = rank(candidates, ground.project.config.policy.stop.wage)
    new = new_answers(ground)
    found = Found(
        rows=candidates.take(order),
        places=places[order],
        engines={one.stage.place: one.stage.engine for one in ground.predicted.engines},
        groups=len(np.unique(ground.pool.group_ids)),
        accept=_accept(ground, candidates.image_ids[order]),
        expected_wrong=expected_wrong(ground),
        notes=_notes(ground),
        seconds=ground.seconds,
        timed=ground.timed,
        used_error=round(ground.answered.error.value, 4),
        pairs=ground.answered.error.n,
        label_teaches=round(ground.teaches, 6),
        new_answer=round(float(np.median(new)), 4) if len(new) else 0.0,
        worth_asking_twice=seconds_worth_asking(ground.answered.worth_of_second(ground.teaches), new),
    )
    shown = Reasons(ground.project, ground.pool, ground.probs, ground.answered)
    with reading(parts.database) as session:
        return figure_of(session, ground.project, found, shown)


def _accept(ground: Ground, ranked: NDArray[np.int64]) -> int:
    """How many groups nothing is to be done about; the reserve is left as it is for the random stream."""
    rows = ground.pool.rows_of(ranked)
    busy = ground.waiting & ground.reserved
    busy[rows[rows >= 0]] = True
    groups = ground.pool.group_ids
    return len(np.unique(groups)) - len(np.unique(groups[busy]))


def _notes(ground: Ground) -> dict[int, str]:
    """Of engines of which too little is known, by their place, why."""
    return {
        one.stage.place: f"not yet known: {n} of {MIN_LABELS} images that people labelled and it was asked about"
        for one in ground.predicted.engines
        if (n := ground.judged[one.stage.revision][1]) < MIN_LABELS
    }
