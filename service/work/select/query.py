"""Choose what people see next: reads the ready images, draws one query, writes it with its reviews and evidence.

Acts only when fewer reviews are open than the policy's low-water mark. The same pool, version and seed give the
same images; only the tokens differ. Running it twice asks once: a query's number is unique, and what was asked,
labelled or deleted while we computed is left out at the moment of writing.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from db.repositories.queries import gold, queries, stream
from db.repositories.queries.queries import NewQuery, NewReview
from db.repositories.reviews import reviews
from db.session import reading, transaction
from labeling.jobs import Trigger
from labeling.project import RANDOM_SAMPLE
from labeling.select.query.draw import Candidates, Drawn, Pick, draw_query
from labeling.select.query.gold import draw_gold
from labeling.select.query.stream import next_groups
from labeling.select.strategies.batch import joined
from labeling.select.strategies.hedged import hedged, said
from labeling.select.strategies.strategy import Labelled, Predicted, Strategy, View
from labeling.types import Actor, Example, ImageId, ProjectId
from service.work.pool.pool import Pool, load_pool
from service.work.pool.predictions import CurrentPredictions, current_predictions
from service.work.pool.strategies import strategy_of
from service.work.pool.training_set import training_examples
from service.work.select.ensemble import Members, members_of
from service.work.select.evidence import evidence_about_doubt
from service.work.select.facts import Facts, read_facts
from service.work.select.reserve import (
    AUTHOR,
    arrives,
    place_sample,
    reserve_nothing,
    reserves_in_vain,
    share_to_reserve,
)
from service.work.wiring import Parts

__all__ = ["choose_query"]

GAVE_WAY = "; a planned comparison found the strategy worse than random"
_GOLD_STREAM = 1
"""Chance of its own for gold: the other images of a query are the same with and without it."""
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def choose_query(parts: Parts, project_id: ProjectId, trigger: Trigger, *, force: bool = False) -> dict[str, int]:
    """Ask for the next batch if too little is open (`force`: however much is). An exhausted pool asks for nothing.

    Returns how many images were asked for, and the query's number (0 if there is none).
    """
    facts = _ready(parts, project_id, force)
    if facts is None:
        return {"asked": 0, "query": 0}
    pool = load_pool(parts, facts.project)
    current = current_predictions(parts, facts.project, pool)
    reserved = np.isin(pool.group_ids, facts.order.ids)
    free = ~reserved & ~np.isin(pool.group_ids, list(facts.taken))
    promoted = current.champion is not None
    with reading(parts.database) as session:
        labelled = training_examples(session, facts.project, imported=True)
    evidence = evidence_about_doubt(parts, facts.project, pool, labelled) if promoted else None
    own = strategy_of(facts.project)
    strategy = hedged(own, evidence, promoted=promoted and not facts.gave_way)
    members = members_of(facts.project, pool, labelled, own.ensemble) if promoted and own.ensemble else None
    drawn = _draw(facts, pool, current, members, _labelled(pool, labelled), free, reserved, strategy)
    new = NewQuery(
        project_id=project_id,
        number=facts.number,
        strategy=facts.project.config.policy.strategy,
        seed=facts.project.config.policy.seed,
        version_id=current.champion.id if current.champion else None,
        pool_size=len(np.unique(pool.group_ids[free])),
        newest_group=facts.newest_group,
        trigger=trigger,
        why=said(drawn.hard, evidence) + (GAVE_WAY if facts.gave_way and drawn.hard.by_doubt is not None else ""),
    )
    asked = [_review(pick, pool, current) for pick in drawn.picks]
    asked += _gold(facts) if asked else []
    return _write(parts, facts, new, asked, drawn.shadows, force)


def _ready(parts: Parts, project_id: ProjectId, force: bool) -> Facts | None:
    """The facts, once the stream holds what it should; None where nothing is to be asked now."""
    facts = read_facts(parts, project_id, force)
    if facts is not None and facts.share and facts.project.config.policy.imported == RANDOM_SAMPLE:
        if facts.number == 1 and arrives(parts, project_id):
            return None
        if place_sample(parts, facts):
            facts = read_facts(parts, project_id, force)
    if facts is not None and reserves_in_vain(facts):
        reserve_nothing(parts, facts)
        facts = read_facts(parts, project_id, force)
    return facts


def _draw(
    facts: Facts,
    pool: Pool,
    current: CurrentPredictions,
    members: Members | None,
    labelled: Labelled,
    free: Mask,
    reserved: Mask,
    strategy: Strategy,
) -> Drawn:
    policy = facts.project.config.policy
    first = facts.number == 1 and current.champion is None
    known = not first and bool(np.isfinite(current.ranking[free]).any())
    conflicts = current.conflicts() if known else np.zeros(len(pool))

    def predicted(rows: Rows) -> Predicted:
        theirs = None if members is None else lambda some: members(rows[some])
        return Predicted(current.ranking[rows], conflicts[rows], theirs, facts.project.config.classes)

    def view(rows: Rows) -> View:
        return View(
            groups=pool.group_ids[rows],
            gather=lambda some: _vectors(pool, rows[some]),
            labelled=lambda: labelled,
            predicted=predicted(rows) if known else None,
        )

    rng = np.random.default_rng([policy.seed % 2**63, facts.number])
    ready = facts.order.take(np.isin(facts.order.ids, pool.group_ids))
    candidates = Candidates(pool.group_ids, free, reserved, next_groups(ready, facts.share, len(ready.ids)), view)
    decided = int(facts.order.decided.sum())
    return draw_query(candidates, strategy, policy, decided=decided, rng=rng)


def _vectors(pool: Pool, rows: Rows) -> npt.NDArray[np.float32]:
    return joined(pool.image_vectors[rows], pool.text_vectors[rows])


def _labelled(pool: Pool, examples: Sequence[Example]) -> Labelled:
    """The ready images whose labels may be learnt from."""
    rows = pool.rows_of(np.array([example.image_id for example in examples], np.int64))
    labels = tuple(example.label for example, row in zip(examples, rows, strict=True) if row >= 0)
    ready = rows[rows >= 0]
    return Labelled(labels, lambda some: _vectors(pool, ready[some]))


def _gold(facts: Facts) -> list[NewReview]:
    """Images whose answer is known, mixed in; without the prediction, for their answers judge people only."""
    policy = facts.project.config.policy
    rng = np.random.default_rng([policy.seed % 2**63, facts.number, _GOLD_STREAM])
    return [
        _new_review(facts.gold[pick.position], pick, None)
        for pick in draw_gold(len(facts.gold), policy, asked=facts.gold_asked, rng=rng)
    ]


def _review(pick: Pick, pool: Pool, current: CurrentPredictions) -> NewReview:
    probs = current.shown[pick.position].tolist() if current.by_champion[pick.position] else None
    return _new_review(ImageId(int(pool.image_ids[pick.position])), pick, probs)


def _new_review(image_id: ImageId, pick: Pick, probs: list[float] | None) -> NewReview:
    token = secrets.token_urlsafe(24)
    return NewReview(image_id, pick.kind, pick.blind, pick.probability, pick.place, token, probs, pick.representative)


def _write(
    parts: Parts, facts: Facts, new: NewQuery, asked: list[NewReview], shadows: Rows, force: bool
) -> dict[str, int]:
    policy = facts.project.config.policy
    if not asked:
        return {"asked": 0, "query": 0}
    parts.failpoint("select.before_write")
    with transaction(parts.database) as session:
        if not force and reviews.has_fresh(session, new.project_id, policy.low_water):
            return {"asked": 0, "query": 0}  # somebody else asked while we computed
        query_id, count = queries.add_query(session, new, asked, parts.now())
        by = Actor(AUTHOR, f"{facts.groups} groups of near-duplicates", parts.now())
        stream.reserve(session, new.project_id, share_to_reserve(facts), facts.groups, by)
        if count:
            stream.add_shadow_picks(session, query_id, shadows.tolist(), parts.now())
            gold.want_people(session, new.project_id, new.number, policy.gold.people, parts.now())
    parts.failpoint("select.after_write")
    return {"asked": count, "query": new.number if count else 0}
