"""What the random stream keeps: which groups are reserved before a query and after it.

In: the facts of a query. Out: shares of the reserve, written. What was drawn is never given back.
"""

from __future__ import annotations

import numpy as np

from db.repositories.images import progress
from db.repositories.queries import imported_samples, stream
from db.session import reading, transaction
from labeling.select.query.stream import reserved_share
from labeling.types import Actor, ProjectId
from service.work.select.facts import Facts
from service.work.wiring import Parts

__all__ = ["AUTHOR", "arrives", "place_sample", "reserve_nothing", "reserves_in_vain", "share_to_reserve"]

AUTHOR = "policy"


def arrives(parts: Parts, project_id: ProjectId) -> bool:
    """Whether images of a random sample may still be on their way: their place depends on how many there are."""
    with reading(parts.database) as session:
        return progress.arriving(session, project_id) > 0


def place_sample(parts: Parts, facts: Facts) -> int:
    """Give the images of an imported random sample their places; how many have one now that had none."""
    with transaction(parts.database) as session:
        most = _cursor(facts) if facts.order.drawn.any() or facts.number > 1 else 1.0
        placed = imported_samples.place(session, facts.project.id, most, parts.now())
        if most == 1.0 and placed / max(facts.groups, 1) > facts.share:
            share = placed / facts.groups
            imported_samples.reserve_all(session, facts.project.id, share, facts.groups, parts.now())
        return placed


def reserves_in_vain(facts: Facts) -> bool:
    """Whether more is reserved than was drawn, and no part of a query goes to the random stream."""
    shares = facts.project.config.policy.shares
    return facts.share > _drawn_share(facts) and not (shares.random_first or shares.random)


def reserve_nothing(parts: Parts, facts: Facts) -> None:
    """What nobody will ever ask about is not kept from being learnt from; what was drawn goes on measuring."""
    by = Actor(AUTHOR, "the policy gives no share of the queries to the random stream", parts.now())
    with transaction(parts.database) as session:
        stream.reserve(session, facts.project.id, _drawn_share(facts), facts.groups, by)


def share_to_reserve(facts: Facts) -> float:
    """The share to reserve from here on."""
    return reserved_share(facts.groups, facts.share, cursor=_cursor(facts))


def _drawn_share(facts: Facts) -> float:
    """The share that holds just what was drawn."""
    cursor = _cursor(facts)
    return float(np.nextafter(cursor, 1.0)) if cursor else 0.0


def _cursor(facts: Facts) -> float:
    return max(0.0, facts.order.take(facts.order.positions < facts.share).cursor)
