"""Counts the figure of the random stream: what measures, what it costs, and how often the champion is right.

In: the sample of every cohort of the project, what the champion says of its images, the shadow picks, and how many
groups are left of each cohort. Out: one figure. An accuracy that speaks of several cohorts weighs each by its numbers,
however many of it were drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from sqlalchemy.orm import Session

from db.repositories.queries import stream
from labeling.estimates import Estimate
from labeling.project import Project
from labeling.quality.finite_samples import Stratum, finite_share, share_of_cohorts, share_of_what_is_left
from labeling.types import ReviewKind
from service.figures.estimates import known
from service.figures.random_stream import RandomStream
from service.work.pool.random_stream import Cohort, Sample
from service.work.pool.training_set import truth_of

__all__ = ["read_random_stream"]

Right = Mapping[int, bool]


def read_random_stream(
    session: Session, project: Project, sample: Sample, said: Mapping[int, Sequence[float]]
) -> RandomStream:
    """The figure as of now; `said` has the champion's probabilities of the images of the sample, by image."""
    shadows = frozenset(stream.shadow_picks(session, project.id))
    left = [stream.count_left(session, project.id, one.until, after=one.after) for one in sample.cohorts]
    answers, order = stream.answers_by_kind(session, project.id), sample.order
    undrawn = [int(group) for group in order.ids[~order.drawn] if int(group) in shadows]
    unasked = stream.left_among(
        session, project.id, undrawn
    )  # where a certificate is wanted, queries ask about the reserve
    right = _right(sample, {image: int(np.argmax(probs)) for image, probs in said.items()}, project)
    return RandomStream(
        share=round(sample.share, 6),
        reserved=int((order.positions < sample.share).sum()),
        answered=int(order.decided.sum()),
        waiting=sample.waiting,
        left=sample.left,
        rests_on=len(sample.examples),
        undecided=sample.undecided,
        groups=sample.groups,
        as_of=sample.as_of.isoformat() if sample.as_of else None,
        newcomers=sample.newcomers,
        shadow_picks=len(shadows),
        answers=answers.get(ReviewKind.RANDOM, 0),
        answers_in_all=sum(answers.values()),
        on_collection=known(_on_collection(sample, right)),
        on_newcomers=known(_on_cohorts(sample.arrivals, right)),
        on_everything=known(_on_cohorts(sample.cohorts, right)),
        left_over=sum(left),
        on_what_is_left=known(_on_what_is_left(sample, shadows, unasked, left, right)),
    )


def _right(sample: Sample, predicted: Mapping[int, int], project: Project) -> dict[int, bool]:
    """Whether a class (its position) that was predicted of an image is right, by group; others are left out."""
    ready = [one for cohort in sample.cohorts for one in cohort.examples if one.image_id in predicted]
    truth = truth_of(ready, project.config.classes)
    return {one.group_id: predicted[one.image_id] == int(true) for one, true in zip(ready, truth, strict=True)}


def _on_collection(sample: Sample, right: Right) -> Estimate | None:
    found = _hits(sample.collection, right)
    return finite_share(sum(found.values()), len(found), max(sample.groups, len(found))) if found else None


def _on_cohorts(cohorts: Sequence[Cohort], right: Right) -> Estimate | None:
    """Of all groups of these cohorts, drawn or not; None where the champion has predicted nothing of their samples."""
    strata = []
    for cohort in cohorts:
        found = _hits(cohort, right)
        strata.append(Stratum(sum(found.values()), len(found), max(cohort.groups - len(found), 0)))
    return share_of_cohorts(strata) if any(one.drawn for one in strata) else None


def _on_what_is_left(
    sample: Sample, shadows: frozenset[int], unasked: Collection[int], left: Sequence[int], right: Right
) -> Estimate | None:
    """Of each cohort the rest from its sample without shadow picks, the `unasked` shadow picks from the drawn ones."""
    strata = []
    for cohort, of_cohort in zip(sample.cohorts, left, strict=True):
        picked = sum(cohort.after < group <= cohort.until for group in unasked)
        found = _hits(cohort, right)
        for some, size in (
            ([hit for group, hit in found.items() if group not in shadows], max(of_cohort - picked, 0)),
            ([hit for group, hit in found.items() if group in shadows], picked),
        ):
            strata.append(Stratum(sum(some), len(some), size))
    return share_of_what_is_left(strata) if right and sum(left) else None


def _hits(cohort: Cohort, right: Right) -> dict[int, bool]:
    return {one.group_id: right[one.group_id] for one in cohort.examples if one.group_id in right}
