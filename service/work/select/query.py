"""Choose what people see next: reads the ready images, draws one query, writes it with its reviews and evidence.

Acts only when fewer reviews are open than the policy's low-water mark. The same pool, version and seed give the
same images; only the tokens differ. Running it twice asks once: a query's number is unique, and what was asked,
labelled or deleted while we computed is left out at the moment of writing.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

import msgspec
import numpy as np

from db.repositories.queries import bases, gold, queries, stream
from db.repositories.queries.queries import NewQuery, NewReview
from db.repositories.reviews import reviews
from db.session import transaction
from labeling.basis import pack
from labeling.jobs import Trigger
from labeling.label_sets.columns import columns_of
from labeling.project import RANDOM_SAMPLE
from labeling.select.query.draw import Drawn, Pick
from labeling.select.strategies.hedged import said
from labeling.types import Actor, ImageId, ProjectId
from service.work.pool.pool import load_pool, pin_of
from service.work.pool.predictions import CurrentPredictions, current_predictions
from service.work.select.drawing import Ground, draw
from service.work.select.facts import Facts, read_facts
from service.work.select.ground import GroundNow, ground_now
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


def choose_query(parts: Parts, project_id: ProjectId, trigger: Trigger, *, force: bool = False) -> dict[str, int]:
    """Ask for the next batch if too little is open (`force`: however much is). An exhausted pool asks for nothing.

    Returns how many images were asked for, and the query's number (0 if there is none).
    """
    facts = _ready(parts, project_id, force)
    if facts is None:
        return {"asked": 0, "query": 0}
    pin = pin_of(parts.engine_for(facts.project))
    pool = load_pool(parts, facts.project, pin)
    current = current_predictions(parts, facts.project, pool)
    now = ground_now(parts, facts, pin, pool, current)
    drawn, known = draw(now.ground)
    own = current.champion is not None and columns_of(current.champion.classes, facts.project.config) is None
    asked = [_review(pick, now, current, own) for pick in drawn.picks]
    asked += [_new_review(facts.gold[pick.position], pick, None) for pick in known]  # gold judges people only
    return _write(parts, facts, _query(facts, trigger, now.ground, current, drawn), asked, now.ground, drawn, force)


def _query(facts: Facts, trigger: Trigger, ground: Ground, current: CurrentPredictions, drawn: Drawn) -> NewQuery:
    gave_way = GAVE_WAY if facts.gave_way and drawn.hard.by_doubt is not None else ""
    return NewQuery(
        project_id=facts.project.id,
        number=facts.number,
        strategy=ground.policy.strategy,
        seed=ground.policy.seed,
        version_id=current.champion.id if current.champion else None,
        pool_size=len(np.unique(ground.basis.groups[ground.basis.free])),
        newest_group=facts.newest_group,
        trigger=trigger,
        why=said(drawn.hard, ground.terms.evidence) + gave_way,
    )


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


def _review(pick: Pick, now: GroundNow, current: CurrentPredictions, own: bool) -> NewReview:
    """`own`: the champion knows the classes of now; what one of before predicts is evidence in its own only."""
    row = now.rows[pick.position]
    probs = current.shown[row].tolist() if own and current.by_champion[row] else None
    return _new_review(ImageId(int(now.ground.basis.images[pick.position])), pick, probs)


def _new_review(image_id: ImageId, pick: Pick, probs: list[float] | None) -> NewReview:
    token = secrets.token_urlsafe(24)
    how = pick.kind, pick.blind, pick.probability, pick.place
    return NewReview(image_id, *how, token, probs, pick.representative, pick.reason)


def _write(
    parts: Parts, facts: Facts, new: NewQuery, asked: list[NewReview], ground: Ground, drawn: Drawn, force: bool
) -> dict[str, int]:
    policy = facts.project.config.policy
    if not asked:
        return {"asked": 0, "query": 0}
    content = pack(ground.basis)
    parts.failpoint("select.before_write")
    with transaction(parts.database) as session:
        if not force and reviews.has_fresh(session, new.project_id, policy.low_water):
            return {"asked": 0, "query": 0}  # somebody else asked while we computed
        query_id, count = queries.add_query(session, new, asked, parts.now(), rest=ground.terms.rest)
        by = Actor(AUTHOR, f"{facts.groups} groups of near-duplicates", parts.now())
        stream.reserve(session, new.project_id, share_to_reserve(facts), facts.groups, by)
        if count:
            bases.keep(session, query_id, msgspec.to_builtins(replace(ground.terms, asked=count)), content)
            stream.add_shadow_picks(session, query_id, drawn.shadows.tolist(), parts.now())
            gold.want_people(session, new.project_id, new.number, policy.gold.people, parts.now())
    parts.failpoint("select.after_write")
    return {"asked": count, "query": new.number if count else 0}
