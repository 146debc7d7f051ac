"""Asks people to re-review labels blind: the standing share of the policy, and what a lead has asked for.

In: labels, answers, requests, and how suspicious a classifier that never saw a label finds it. Out: a plan, and
reviews that say which label they re-review. A plan is grown by the same order; when many labels are new it is made
anew, and what was re-reviewed before counts in it too. Then another person is asked where one answer contradicts a
label, or was given by who gave the label.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.labels import decisions
from db.repositories.projects import projects
from db.repositories.queries import queries, stream
from db.repositories.queries.queries import NewQuery, NewReview
from db.repositories.reviews import overlaps, re_reviews
from db.repositories.reviews.re_reviews import Drawn, Plan
from db.session import reading, transaction
from db.views import label_audit, project_stats
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from labeling.quality.labels.re_review_plan import chance_order, next_plan
from labeling.review.re_reviews import ANSWERS, Outcome
from labeling.types import Actor, ImageId, LabelSource, ProjectId, ReviewKind
from service.labels.re_reviews import ReReviewed, outcomes
from service.work.pool.votes import read_votes
from service.work.quality.suspects import suspicion
from service.work.wiring import Parts

__all__ = [
    "STANDING_FROM",
    "STRATEGY",
    "arrays_of",
    "ask_another_re_reviewer",
    "ask_more_re_reviews",
    "ask_re_reviews",
    "re_reviewed",
]

STRATEGY = "re-review"
"""The strategy of a query that re-reviews labels."""
AUTHOR = "policy"
STANDING_FROM = 100
"""So many labels by people before a standing share is asked: under that the first questions are worth more."""
NEW_SHARE, NEW_SHARE_BY_HAND = 1.0, 0.1
"""A plan is made anew when so many labels are new, as a share of its labels. Each plan needs some of its own before it
says anything, so the standing share waits until labels have doubled; a lead wants to know of today's."""
LATELY = timedelta(days=1)
"""Who has answered within this time takes part."""


@dataclass(frozen=True, slots=True)
class _Due:
    """So many re-reviews are due; `by_hand`: a lead has asked for them."""

    project: Project
    number: int
    by_hand: bool


def ask_re_reviews(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Ask for the re-reviews that are due, if there are any; plan them anew where the labels are others by now."""
    return {"re_reviews": _ask_due(parts, project_id, _plan)}


def ask_more_re_reviews(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Ask for more of the standing share by the plan that there is: nothing is fitted, so it may follow each answer."""
    return {"more_re_reviews": _ask_due(parts, project_id, _standing_plan)}


def _ask_due(parts: Parts, project_id: ProjectId, plan_of: Callable[[Parts, _Due], Plan | None]) -> int:
    with reading(parts.database) as session:
        due = _due(parts, session, projects.by_id(session, project_id))
    plan = plan_of(parts, due) if due is not None else None
    if due is None or plan is None:
        return 0
    with reading(parts.database) as session:
        asked = re_reviews.asked_labels(session, project_id)
    drawn = _drawn(plan, due.project, asked, due.number)
    with transaction(parts.database) as session:
        asked = re_reviews.asked_labels(session, project_id)
        new = [one for one in drawn if one.label_id not in asked]
        if not new or _due(parts, session, due.project) is None:  # another job has asked while we chose
            return 0
        return _ask(parts, session, due, plan, new)


def ask_another_re_reviewer(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Want another person where a re-review is not decided and somebody is left for it; else a lead decides."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        here = overlaps.people_since(session, project_id, parts.now() - LATELY)
        lacking = [one for one in re_reviewed(parts, session, project) if _lacks_person(one, here)]
        states = overlaps.states(session, [one.of.review_id for one in lacking])
    wanted = {review: state.people + 1 for review, state in states.items() if not state.open}
    if not wanted:
        return {"another_re_reviewer": 0}
    with transaction(parts.database) as session:
        count = overlaps.want(session, wanted, Actor(AUTHOR, STRATEGY, parts.now()))
        if count:
            parts.jobs.ask(session, JobName.REVIEW, project_id, Trigger.ANSWERED)
    return {"another_re_reviewer": count}


def re_reviewed(parts: Parts, session: Session, project: Project) -> list[ReReviewed]:
    """What became of all re-reviews of a project."""
    asked = re_reviews.of_project(session, project.id)
    images = {one.image_id for one in asked}
    votes = (vote for vote in read_votes(parts, session, project.id) if vote.image_id in images) if asked else ()
    decided = decisions.in_force(session, sorted(images))
    return outcomes(asked, votes, decided, project.config.answers)


def _due(parts: Parts, session: Session, project: Project) -> _Due | None:
    asked, wanted = re_reviews.count_asked(session, project.id), re_reviews.wanted(session, project.id)
    if wanted > asked:
        return _Due(project, wanted - asked, by_hand=True)
    number = _standing(parts, session, project, asked)
    return _Due(project, number, by_hand=False) if number > 0 else None


def _standing(parts: Parts, session: Session, project: Project, asked: int) -> int:
    """How many of the standing share are due: one query's part at a time, whatever has come to be due.

    None while there are few labels, or one person alone takes part: then nobody could re-review.
    """
    policy, now = project.config.policy, parts.now()
    share = policy.shares.re_review
    lacking = int(share * sum(stream.answers_by_kind(session, project.id).values())) - asked
    room = _part(project) - re_reviews.count_open(session, project.id)
    if min(lacking, room) <= 0 or len(overlaps.people_since(session, project.id, now - LATELY)) < 2:
        return 0
    stand = project_stats.labels_now(session, project.id)
    if sum(one.count for one in stand if one.source is LabelSource.PEOPLE) < STANDING_FROM:
        return 0
    return min(lacking, room)


def _part(project: Project) -> int:
    """How many of the standing share wait for an answer at most: one query's part."""
    return math.ceil(project.config.policy.shares.re_review * project.config.policy.query_size)


def _standing_plan(parts: Parts, due: _Due) -> Plan | None:
    """The newest plan; None where there is none yet, or where a lead waits for one of today's labels.

    Also None while less than half of a query's part is due: each time is a query of its own.
    """
    if due.by_hand or 2 * due.number < _part(due.project):
        return None
    with reading(parts.database) as session:
        return re_reviews.newest_plan(session, due.project.id)


def _plan(parts: Parts, due: _Due) -> Plan | None:
    """The newest plan, or a new one where there is none or too many labels are not in it; None without labels."""
    with reading(parts.database) as session:
        held = re_reviews.newest_plan(session, due.project.id)
        labels = [
            one
            for one in label_audit.labels_as_given(session, due.project.id)
            if one.source not in (LabelSource.GOLD, LabelSource.CERTIFICATE)
        ]
    if not labels:
        return None
    if held is not None:
        new = {one.label_id for one in labels}.difference(held.label_ids)
        if len(new) < (NEW_SHARE_BY_HAND if due.by_hand else NEW_SHARE) * len(held.label_ids):
            return held
    seed = due.project.config.policy.seed % 2**63 if held is None else held.seed
    suspicious = suspicion(parts, due.project, labels)
    with transaction(parts.database) as session:
        ids = [one.label_id for one in labels]
        return re_reviews.add_plan(session, due.project.id, seed, ids, suspicious, parts.now())


def arrays_of(
    plan: Plan, project: Project, labels: set[int]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Of a plan's labels (N,): how suspicious each is, their order by chance, and which are among `labels`."""
    suspicion = np.array([np.nan if one is None else one for one in plan.suspicion], np.float64)
    among = np.array([label in labels for label in plan.label_ids], bool)
    return suspicion, chance_order(plan.label_ids, plan.seed, project.salt), among


def _drawn(plan: Plan, project: Project, asked: set[int], number: int) -> list[Drawn]:
    """The next labels of the plan, so many of them."""
    found = next_plan(*arrays_of(plan, project, asked), number)
    parts = ((found.suspicious, True), (found.uniform, False))
    drawn = [
        Drawn(plan.label_ids[at], suspicious, place)
        for positions, suspicious in parts
        for place, at in enumerate(positions.tolist())
    ]
    return [one for one in drawn if one.label_id not in asked]


def _ask(parts: Parts, session: Session, due: _Due, plan: Plan, drawn: Sequence[Drawn]) -> int:
    project, number = due.project, queries.next_number(session, due.project.id)
    query = NewQuery(
        project_id=project.id,
        number=number,
        strategy=STRATEGY,
        seed=plan.seed,
        version_id=None,
        pool_size=len(plan.label_ids),
        trigger=Trigger.HAND if due.by_hand else Trigger.SCHEDULE,
    )
    places = np.random.default_rng([plan.seed, number]).random(len(drawn))
    images = re_reviews.images_of(session, [one.label_id for one in drawn])
    chosen = [_review(images[one.label_id], one, float(place)) for one, place in zip(drawn, places, strict=True)]
    query_id, _ = queries.add_query(session, query, chosen, parts.now())
    count = re_reviews.add(session, plan, drawn, query_id)
    parts.jobs.ask(session, JobName.REVIEW, project.id, Trigger.SELECTED)
    return count


def _review(image_id: ImageId, drawn: Drawn, place: float) -> NewReview:
    """Blind, at a place by chance: what is answered first must not depend on how suspicious it is."""
    reason = "its label is one of the most suspicious" if drawn.suspicious else "its label was drawn by chance"
    token = secrets.token_urlsafe(24)
    return NewReview(image_id, ReviewKind.RELABEL, True, 1.0, place, token, None, reason=reason)


def _lacks_person(one: ReReviewed, here: set[int]) -> bool:
    if one.of.open or one.of.ended or one.decided or one.others >= ANSWERS:
        return False
    return one.outcome in (None, Outcome.OPEN) and bool(here - one.people)
