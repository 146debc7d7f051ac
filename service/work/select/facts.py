"""What a query is drawn from, read in one transaction.

In: a project. Out: its facts, or None while enough reviews are open or a rule of the policy stops it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from db.repositories.certificates import certificates, sets
from db.repositories.images import images
from db.repositories.projects import projects
from db.repositories.queries import comparisons, gold, queries, stream
from db.repositories.queries import pool as ready_images
from db.repositories.queries.comparisons import Comparison
from db.repositories.reviews import reviews
from db.repositories.versions import versions
from db.session import reading
from labeling.certify.plan import sizes_left, stream_first
from labeling.project import Project
from labeling.quality.random_arm import Payoff
from labeling.select.query.stream import Order
from labeling.types import ImageId, ProjectId
from service.projects.savings import stop_rule
from service.work.pool.random_stream import order_of
from service.work.wiring import Parts

__all__ = ["Facts", "read_facts"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the draw needs to know from the database."""

    project: Project
    number: int
    taken: set[int]
    order: Order
    share: float
    groups: int
    newest_group: int
    gold: list[ImageId]
    gold_asked: int
    certified: set[int]
    """The groups in which an image has a label by a certificate."""
    stream_first: int
    """How many groups of the stream come before anything else, for a certificate's sample."""
    proven: bool
    """Whether a certificate stands, no further attempt is planned, and no image came after it."""
    weights: dict[int, float] | None
    """What a label of an image is worth, by image; None where the policy names no number."""
    gave_way: bool
    """Whether the newest planned comparison found the project's strategy worse than random."""


def read_facts(parts: Parts, project_id: ProjectId, force: bool) -> Facts | None:
    """The facts of the next query; None where enough reviews are open or the policy says stop, unless `force`."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        if not force and (
            reviews.has_fresh(session, project_id, project.config.policy.low_water)
            or stop_rule(session, project, parts.now())
        ):
            return None
        found = stream.read_stream(session, project_id)
        return Facts(
            project=project,
            number=queries.next_number(session, project_id),
            taken=queries.taken_groups(session, project_id),
            order=order_of(found),
            share=found.share,
            groups=stream.count_groups(session, project_id),
            newest_group=stream.newest_group(session, project_id),
            gold=gold.unasked_images(session, project_id),
            gold_asked=len(gold.asked_reviews(session, project_id)),
            certified=certificates.certified_groups(session, project_id),
            stream_first=_stream_first(session, project, order_of(found), stream.count_groups(session, project_id)),
            proven=_proven(session, project_id),
            weights=ready_images.numbers(session, project_id, by) if (by := project.config.policy.weigh_by) else None,
            gave_way=_gave_way(comparisons.everyone(session, project_id), project),
        )


def _stream_first(session: Session, project: Project, order: Order, groups: int) -> int:
    terms = certificates.terms_in_force(session, project.id)
    if terms is None or terms.terms is None or not len(order.ids) or versions.champion(session, project.id) is None:
        return 0  # without a version in use there is nothing to certify, and nothing to learn from the stream
    tried = certificates.last_tried(session, terms.id)
    if tried >= terms.terms.sizes:
        return 0
    by_order = np.argsort(order.positions, kind="stable")
    ids, drawn = order.ids[by_order], order.drawn[by_order]
    asked = np.isin(ids, list(sets.drawn_since(session, project.id, terms.newest_review)))
    touched, shadows = sets.touched_groups(session, project.id), stream.shadow_picks(session, project.id)
    free = ~np.isin(ids, list(touched)) & (asked | ~drawn)
    free &= order.positions[by_order] > terms.cursor
    in_set = free & ~np.isin(ids, list(shadows))
    look = sizes_left(terms.terms, tried, groups - len(touched | shadows))[0]
    losing = project.config.policy.query_size * len(ids) / max(groups, 1)  # its size's part of the reserve
    lost = int(np.count_nonzero(free & ~in_set))
    return stream_first(in_set, drawn, look.size, lost, losing)


def _proven(session: Session, project_id: ProjectId) -> bool:
    standing = certificates.standing(session, project_id)
    if not standing or certificates.is_to_be_tried(session, project_id):
        return False
    newest = images.newest_at(session, project_id)
    return newest is None or newest < standing[-1].at


def _gave_way(found: Sequence[Comparison], project: Project) -> bool:
    return bool(found) and found[-1].strategy == project.config.policy.strategy and found[-1].found == Payoff.DOES_NOT
