"""The set that a certificate speaks of, and its sample: facts of the stream in, one image a group out.

A group belongs to the set if nobody but the stream asked about it or gave it a label, no query would have asked about
it, it was there when the stream last had caught up, and, if the stream has asked about it, did so under these terms.
The sample is the first groups of the set in the order of the stream; those that were asked about after them belong to
neither. Invariant: which groups of the set are sampled is a matter of their positions in the stream alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.certificates import audits, sets
from db.repositories.certificates.adjudicated import adjudicated
from db.repositories.certificates.certificates import Terms
from db.repositories.images.groups import came_apart
from db.repositories.queries import stream
from db.repositories.reviews import overlaps
from labeling.project import Project
from labeling.select.query.stream import Order
from labeling.types import Example
from service.work.certify.accept_rule import Excluding
from service.work.certify.scored import Scored
from service.work.pool.pool import Pool
from service.work.pool.random_stream import read_sample
from service.work.pool.training_set import truth_of

__all__ = ["SetFacts", "TheSet", "read_set_facts", "set_of"]

LATELY = timedelta(days=1)
"""Who has answered within this time takes part."""
Ids = NDArray[np.int64]
Flags = NDArray[np.bool_]
TWO = 2


@dataclass(frozen=True, slots=True)
class SetFacts:
    """What the database knows of the set. `asked`: the groups that the stream asked about under these terms.

    `adjudicated`: of which two people agree, or a lead decided; None where one person is enough. `once`: those that one
    person has answered while others take part. `disputed`: what people disagree about, and only a lead can decide.
    `used_up`: the whole reserve was asked about, and nobody is asked now. `apart`: the groups that came out of others.
    """

    order: Order
    share: float
    examples: Mapping[int, Example]
    asked: frozenset[int]
    touched: frozenset[int]
    shadows: frozenset[int]
    older: frozenset[int]
    audited: frozenset[int]
    adjudicated: frozenset[int] | None
    once: frozenset[int]
    disputed: frozenset[int]
    used_up: bool
    until: int
    apart: frozenset[int]


@dataclass(frozen=True, slots=True)
class TheSet:
    """The set without its sample cut: `groups` (N,) with the pool's `rows`, one image each.

    `asked` (D,) are positions among them of those that the stream asked about, in its order; `decided` and `right` (D,)
    say whether people decided, and whether that is what the version says. What one person holds against the version is
    not decided while another takes part. `audited` (N,): people labelled it after it was accepted once, so it stays in
    the set and is not accepted again. `excluded` (N,): it is not accepted whatever its score, and stands last in the
    order. `reserve` (R,): of all groups of the reserve
    in the order of the stream, whether the set holds them. `outside` counts why groups of the pool are not in the set.
    """

    groups: Ids
    rows: Ids
    audited: NDArray[np.bool_]
    excluded: NDArray[np.bool_]
    asked: Ids
    decided: NDArray[np.bool_]
    right: NDArray[np.bool_]
    reserve: NDArray[np.bool_]
    answered: int
    outside: Mapping[str, int]

    @property
    def closed(self) -> Flags:
        """Of `asked` (D,), for which no look has to wait: people decided, or the image is excluded."""
        return self.decided | self.excluded[self.asked]

    def cut(self, sampled: int) -> tuple[Ids, Flags, Flags, Flags, Flags]:
        """With the first so many of `asked` as its sample: rows (M,); which are sampled, right, audited, excluded.

        What was asked about after them is left out.
        """
        is_sampled, is_right = np.zeros(len(self.groups), bool), np.zeros(len(self.groups), bool)
        kept = np.ones(len(self.groups), bool)
        kept[self.asked[sampled:]] = False
        is_sampled[self.asked[:sampled]] = True
        is_right[self.asked[:sampled]] = self.right[:sampled] & self.decided[:sampled]
        audited = self.audited & ~is_sampled
        return self.rows[kept], is_sampled[kept], is_right[kept], audited[kept], self.excluded[kept]


def read_set_facts(session: Session, project: Project, terms: Terms, now: datetime) -> SetFacts:
    """What is known now; it costs what was asked and labelled, not the pool."""
    several = len(overlaps.people_since(session, project.id, now - LATELY)) > 1
    sample, found = read_sample(session, project), stream.read_stream(session, project.id)
    order = sample.order
    asked = sets.drawn_since(session, project.id, terms.newest_review)
    before = order.ids[(order.drawn & ~np.isin(order.ids, list(asked))) | (order.positions <= terms.cursor)]
    return SetFacts(
        order=order,
        share=sample.share,
        examples=found.examples,
        asked=frozenset(asked),
        touched=frozenset(sets.touched_groups(session, project.id)),
        shadows=frozenset(stream.shadow_picks(session, project.id)),
        older=frozenset(before.tolist()),
        audited=frozenset(audits.groups(session, project.id)),
        adjudicated=_adjudicated(session, terms, found.examples),
        once=frozenset(sets.answered_once(session, project.id) if several else ()),
        disputed=sample.disputed,
        used_up=not sample.left and not asked & sets.open_groups(session, project.id),
        until=sample.collection.until,
        apart=frozenset(came_apart(session, project.id)),
    )


def set_of(
    project: Project, scored: Scored, facts: SetFacts, lowest: float | None, excluding: Excluding | None = None
) -> TheSet:
    """The set as a version sees it; `lowest` is its frame score, `excluding` whom the accept rule excludes."""
    pool = scored.pool
    rows = _one_image_a_group(pool, facts.examples)
    groups = pool.group_ids[rows]
    reasons = _reasons(groups, scored.scores[rows], facts, lowest)
    inside = np.all([~which for which in reasons.values()], axis=0)
    outside = {why: int(np.count_nonzero(which)) for why, which in reasons.items()}
    groups, rows = groups[inside], rows[inside]
    by_order = np.argsort(facts.order.positions, kind="stable")
    order = facts.order.ids[by_order]
    in_turn = facts.order.positions[by_order] <= facts.order.cursor
    drawn = facts.order.drawn[by_order] & in_turn & np.isin(order, list(facts.asked))
    held = np.isin(order, groups)
    at = np.searchsorted(groups, order[drawn & held])
    right = _right(project, scored, facts, groups[at], rows[at])
    waits = ~right & np.isin(groups[at], list(facts.once))  # for another person
    return TheSet(
        groups=groups,
        rows=rows,
        audited=np.isin(groups, list(facts.audited)),
        excluded=np.any([which[rows] for which in (excluding or {}).values()] or [np.zeros(len(rows), bool)], axis=0),
        asked=at,
        decided=_decided(facts)[by_order][drawn & held] & ~waits,
        right=right,
        reserve=held,
        answered=int(np.count_nonzero(_decided(facts))),
        outside=outside,
    )


def _adjudicated(session: Session, terms: Terms, examples: Mapping[int, Example]) -> frozenset[int] | None:
    if terms.terms is None or terms.terms.people < TWO:
        return None
    decided = adjudicated(session, [one.image_id for one in examples.values()])
    return frozenset(group for group, one in examples.items() if one.image_id in decided)


def _decided(facts: SetFacts) -> Flags:
    """Of the order, which groups count as decided."""
    decided = facts.order.decided & ~np.isin(facts.order.ids, list(facts.disputed))
    if facts.adjudicated is None:
        return decided
    return decided & np.isin(facts.order.ids, list(facts.adjudicated))


def _reasons(
    groups: Ids, scores: NDArray[np.float64], facts: SetFacts, lowest: float | None
) -> dict[str, NDArray[np.bool_]]:
    """Why a group is not in the set; one may have several reasons."""
    later = groups > facts.until
    found = {
        "asked about by a query, or labelled otherwise": np.isin(groups, list(facts.touched)),
        "shadow picks": np.isin(groups, list(facts.shadows)),
        "asked about before these terms": np.isin(groups, list(facts.older)),
        "came out of another group later": later & np.isin(groups, list(facts.apart)),
        "arrived later": later & ~np.isin(groups, list(facts.apart)),
    }
    return found if lowest is None else {**found, "under the frame": ~(scores >= lowest)}


def _one_image_a_group(pool: Pool, examples: Mapping[int, Example]) -> Ids:
    """A row for each group, in the order of the groups: the image that the stream asked about, else one by its hash."""
    key = np.frombuffer(pool.content_keys.tobytes(), np.uint8).reshape(len(pool), -1)[:, :8].copy().view(">u8")[:, 0]
    asked = np.isin(pool.image_ids, [one.image_id for one in examples.values()])
    order = np.lexsort((key, ~asked, pool.group_ids))
    _, first = np.unique(pool.group_ids[order], return_index=True)
    return np.asarray(order[first], np.int64)


def _right(project: Project, scored: Scored, facts: SetFacts, groups: Ids, rows: Ids) -> NDArray[np.bool_]:
    """Whether what the version says of these images is what people decided; False where they did not, or could not."""
    examples = [facts.examples.get(int(group)) for group in groups]
    known = np.array([one is not None for one in examples], bool)
    truth = np.full(len(groups), -2, np.int64)
    truth[known] = truth_of([one for one in examples if one is not None], project.config.classes)
    return np.asarray(known & (truth >= 0) & (scored.predicted[rows] == truth))
