"""The figure `share_of_wrong_labels`: from blind re-reviews, else at least from double answers, else not yet known.

In: plans, re-reviews and what they came to. Out: one figure. It speaks of the labels of the newest plan of which enough
were re-reviewed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy.orm import Session

from db.repositories.projects import projects
from db.repositories.reviews import overlaps, re_reviews
from db.repositories.reviews.annotations import VoteRow
from db.repositories.reviews.re_reviews import Plan
from db.session import reading, transaction
from db.views import label_audit, project_stats
from db.views.figures import keep
from labeling.answers import AnswerSet
from labeling.estimates import MIN_LABELS
from labeling.project import Project
from labeling.quality.labels.re_review_plan import asked_plan
from labeling.quality.labels.wrong_labels import (
    MORE,
    Outcome,
    Prospect,
    WrongLabels,
    at_least,
    prospect,
    re_reviews_for_width,
    wrong_labels,
)
from labeling.review.consensus import Vote, cast
from labeling.types import LabelSource, ProjectId, ReviewId, ReviewKind
from service.figures.estimates import known
from service.figures.figures import is_current, write
from service.figures.wrong_labels import ShareOfWrongLabels
from service.labels.re_reviews import ReReviewed
from service.work.pool.votes import read_votes
from service.work.quality.re_reviews import arrays_of, re_reviewed
from service.work.wiring import Parts

__all__ = ["PART", "refresh_wrong_labels"]

PART = ":wrong_labels"
FORMAT = "2"
WIDTH = 0.10
"""An interval of this width tells something: about five points to each side."""
STILL_HERE = timedelta(days=30)
"""Who has answered since then may answer again."""
TEAM = 2
"""Of fewer people it is not said that nobody is left: others have yet to come."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The largest part of a plan that was asked as a whole, as ids of labels; the plan has so many `labels`."""

    suspicious: Sequence[int]
    uniform: Sequence[int]
    labels: int
    made_at: datetime


@dataclass(frozen=True, slots=True)
class _Found:
    """The share, and the plan that it speaks of, both None while it is not yet known; and how many were corrected."""

    share: WrongLabels | None = None
    plan: _Asked | None = None
    corrected: int = 0


def refresh_wrong_labels(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Count again, unless no answer, decision, re-review or request has changed."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        here = overlaps.people_since(session, project_id, parts.now() - STILL_HERE)
        facts = f"{label_audit.answers_fingerprint(session, project_id)}-{re_reviews.fingerprint(session, project_id)}"
        fingerprint = f"{FORMAT}-{project.config_version}-{facts}-{','.join(map(str, sorted(here)))}"
        if is_current(session, project_id, fingerprint, ShareOfWrongLabels, part=PART):
            return {"wrong_labels": 0}
        figure = _figure(parts, session, project, here)
    with transaction(parts.database) as session:
        return {"wrong_labels": keep(session, project_id, [write(figure)], fingerprint, parts.now(), PART)}


def _figure(parts: Parts, session: Session, project: Project, here: AbstractSet[int]) -> ShareOfWrongLabels:
    outcomes = {one.of.label_id: _open_for_good(one, here) for one in re_reviewed(parts, session, project)}
    found = _share(parts, session, project, outcomes)
    labels = sum(
        one.count
        for one in project_stats.labels_now(session, project.id)
        if one.source not in (LabelSource.GOLD, LabelSource.CERTIFICATE)
    )
    double = _double_answers(read_votes(parts, session, project.id), project.config.answers)
    least = at_least(sum(one != other for one, other in double), len(double))
    then = _prospect(labels, found.share)
    return ShareOfWrongLabels(
        share=known(found.share.share if found.share else None),
        given=known(found.share.given if found.share else None),
        wrong=found.share.wrong if found.share else 0,
        corrected=found.corrected,
        open=found.share.open if found.share else 0,
        labels=found.plan.labels if found.plan else labels,
        as_of=found.plan.made_at.isoformat() if found.plan else None,
        at_least=round(least.lower, 4) if least.known else None,
        doubled=len(double),
        asked=len(outcomes),
        waiting=sum(one.outcome is None for one in outcomes.values()),
        wanted=re_reviews.wanted(session, project.id),
        would_tell=re_reviews_for_width(labels, WIDTH),
        more=then.more,
        width_now=None if then.width_now is None else round(then.width_now, 4),
        width_then=then.width_then if then.more else None,
    )


def _open_for_good(one: ReReviewed, here: AbstractSet[int]) -> ReReviewed:
    """Open instead of not answered yet where all who are here have answered about the image before.

    In a small team two people may have given a label, and nobody is left to re-review it. Waiting for somebody would
    keep the share from ever being known; left out, it would be the share of the other labels.
    """
    somebody_left = len(here) < TEAM or here - one.people
    return one if one.outcome or somebody_left else replace(one, outcome=Outcome.OPEN)


def _share(parts: Parts, session: Session, project: Project, outcomes: Mapping[int, ReReviewed]) -> _Found:
    if len(outcomes) < MIN_LABELS:
        return _Found()
    asked = parts.memo.get(  # an answer changes no plan
        ("asked of plans", project.id),
        re_reviews.fingerprint(session, project.id),
        lambda: [_asked(plan, project, set(outcomes)) for plan in re_reviews.plans(session, project.id)],
    )
    plans = (_found(one, outcomes) for one in asked)
    return next((one for one in plans if one.share is not None), _Found())


def _asked(plan: Plan, project: Project, labels: set[int]) -> _Asked:
    found = asked_plan(*arrays_of(plan, project, labels))
    suspicious, uniform = ([plan.label_ids[at] for at in some.tolist()] for some in (found.suspicious, found.uniform))
    return _Asked(suspicious, uniform, len(plan.label_ids), plan.made_at)


def _found(asked: _Asked, outcomes: Mapping[int, ReReviewed]) -> _Found:
    """What re-reviews say of a plan's labels, of the chosen by chance up to the first that is not answered."""
    suspicious = [outcomes[label] for label in asked.suspicious]
    drawn = (outcomes[label] for label in asked.uniform)
    uniform = list(takewhile(lambda one: one.outcome is not None, drawn))
    corrected = sum(one.is_corrected for one in (*suspicious, *uniform))
    share = wrong_labels(_counted(suspicious), _counted(uniform), asked.labels, corrected)
    return _Found(share, asked, corrected)


def _counted(some: Iterable[ReReviewed]) -> list[Outcome]:
    """One that nobody has answered yet is open."""
    return [one.outcome or Outcome.OPEN for one in some]


def _double_answers(votes: Sequence[VoteRow], possible: AnswerSet) -> list[tuple[str, str]]:
    """The first two labels that two people gave to one image of the random stream: chance chose the image."""
    by_review: dict[ReviewId, list[VoteRow]] = defaultdict(list)
    for vote in votes:
        if vote.kind is ReviewKind.RANDOM:
            by_review[vote.review_id].append(vote)
    said = [cast((Vote(v.annotator_id, v.answer, v.updated_at) for v in some), possible) for some in by_review.values()]
    return [(first, second) for first, second, *_ in (list(one.values()) for one in said if len(one) > 1)]


def _prospect(labels: int, share: WrongLabels | None) -> Prospect:
    """What more re-reviews would tell; nothing where there are too few labels."""
    if labels < MIN_LABELS:
        return Prospect(0, None, 0.0)
    return prospect(max(labels, share.share.n if share else 0), share, MORE)
