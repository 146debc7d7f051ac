"""Choose what people see next: reads the ready images, draws one query, writes it with its reviews and evidence.

Acts only when fewer reviews are open than the policy's low-water mark. The same pool, version and seed give the
same images; only the tokens differ. Running it twice asks once: a query's number is unique, and what was asked,
labelled or deleted while we computed is left out at the moment of writing.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from db.repositories.images import progress
from db.repositories.projects import projects
from db.repositories.queries import comparisons, gold, imported_samples, queries, stream
from db.repositories.queries.comparisons import Comparison
from db.repositories.queries.examples import fingerprint
from db.repositories.queries.queries import NewQuery, NewReview
from db.repositories.reviews import reviews
from db.session import reading, transaction
from labeling.jobs import Trigger
from labeling.project import RANDOM_SAMPLE, Project
from labeling.quality.labels.label_errors import cross_validated
from labeling.quality.random_arm import Payoff
from labeling.select.query.draw import Candidates, Drawn, Pick, draw_query
from labeling.select.query.gold import draw_gold
from labeling.select.query.stream import Order, next_groups, reserved_share
from labeling.select.strategies.batch import joined
from labeling.select.strategies.hedged import (
    LEAST_LABELS,
    MOST_LABELS,
    Evidence,
    evidence_of,
    hedged,
    said,
    sampled_groups,
)
from labeling.select.strategies.strategy import Labelled, Predicted, Strategy, View
from labeling.types import Actor, Example, ImageId, ProjectId
from labeling.vectors import finite_rows
from service.work.pool.pool import Pool, load_pool
from service.work.pool.predictions import CurrentPredictions, current_predictions
from service.work.pool.random_stream import order_of
from service.work.pool.recipes import REFERENCE_IMAGES, recipe_of
from service.work.pool.strategies import strategy_of
from service.work.pool.training_set import training_examples, truth_of
from service.work.wiring import Parts

__all__ = ["choose_query"]

AUTHOR = "policy"
GAVE_WAY = "; a planned comparison found the strategy worse than random"
GROWN = 1.1
_GOLD_STREAM = 1
"""Chance of its own for gold: the other images of a query are the same with and without it."""
Rows = npt.NDArray[np.int64]
Probs = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Facts:
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
    gave_way: bool
    """Whether the newest planned comparison found the project's strategy worse than random."""


def choose_query(parts: Parts, project_id: ProjectId, trigger: Trigger, *, force: bool = False) -> dict[str, int]:
    """Ask for the next batch if too little is open (`force`: however much is). An exhausted pool asks for nothing.

    Returns how many images were asked for, and the query's number (0 if there is none).
    """
    facts = _read(parts, project_id, force)
    if facts is not None and facts.share and facts.project.config.policy.imported == RANDOM_SAMPLE:
        if facts.number == 1 and _arrives(parts, project_id):
            return {"asked": 0, "query": 0}
        if _place_sample(parts, facts):
            facts = _read(parts, project_id, force)
    if facts is not None and facts.share > _drawn_share(facts) and not _measures(facts.project):
        _reserve_nothing(parts, facts)
        facts = _read(parts, project_id, force)
    if facts is None:
        return {"asked": 0, "query": 0}
    pool = load_pool(parts, facts.project)
    current = current_predictions(parts, facts.project, pool)
    reserved = np.isin(pool.group_ids, facts.order.ids)
    free = ~reserved & ~np.isin(pool.group_ids, list(facts.taken))
    promoted = current.champion is not None
    with reading(parts.database) as session:
        labelled = training_examples(session, facts.project, imported=True)
    evidence = _evidence(parts, facts.project, pool, labelled) if promoted else None
    strategy = hedged(strategy_of(facts.project), evidence, promoted=promoted and not facts.gave_way)
    drawn = _draw(facts, pool, current, _labelled(pool, labelled), free, reserved, strategy)
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


def _read(parts: Parts, project_id: ProjectId, force: bool) -> _Facts | None:
    """None where enough reviews are open."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        if not force and reviews.has_fresh(session, project_id, project.config.policy.low_water):
            return None
        found = stream.read_stream(session, project_id)
        return _Facts(
            project=project,
            number=queries.next_number(session, project_id),
            taken=queries.taken_groups(session, project_id),
            order=order_of(found),
            share=found.share,
            groups=stream.count_groups(session, project_id),
            newest_group=stream.newest_group(session, project_id),
            gold=gold.unasked_images(session, project_id),
            gold_asked=len(gold.asked_reviews(session, project_id)),
            gave_way=_gave_way(comparisons.everyone(session, project_id), project),
        )


def _draw(
    facts: _Facts,
    pool: Pool,
    current: CurrentPredictions,
    labelled: Labelled,
    free: Mask,
    reserved: Mask,
    strategy: Strategy,
) -> Drawn:
    policy = facts.project.config.policy
    first = facts.number == 1 and current.champion is None
    known = not first and bool(np.isfinite(current.ranking[free]).any())
    conflicts = current.conflicts() if known else np.zeros(len(pool))

    def view(rows: Rows) -> View:
        return View(
            groups=pool.group_ids[rows],
            gather=lambda some: _vectors(pool, rows[some]),
            labelled=lambda: labelled,
            predicted=Predicted(current.ranking[rows], conflicts[rows]) if known else None,
        )

    rng = np.random.default_rng([policy.seed % 2**63, facts.number])
    ready = facts.order.take(np.isin(facts.order.ids, pool.group_ids))
    candidates = Candidates(pool.group_ids, free, reserved, next_groups(ready, facts.share, len(ready.ids)), view)
    decided = int(facts.order.decided.sum())
    return draw_query(candidates, strategy, policy, decided=decided, rng=rng)


def _evidence(parts: Parts, project: Project, pool: Pool, examples: Sequence[Example]) -> Evidence | None:
    """What the labels that are learnt from say of doubt; counted once while they stay the same.

    Where they are many it is counted over a sample of them, anew when they have grown by a tenth.
    """
    with reading(parts.database) as session:
        now = (fingerprint(session, project.id), stream.fingerprint(session, project.id))
    tenths = int(np.log(max(len(examples), 1)) / np.log(GROWN))
    made_of = (project.config_version, now if len(examples) <= MOST_LABELS else tenths)
    return parts.memo.get(("evidence", project.id), made_of, lambda: _count_evidence(project, pool, examples))


def _count_evidence(project: Project, pool: Pool, examples: Sequence[Example]) -> Evidence | None:
    rng, classes = np.random.default_rng(project.config.policy.seed % 2**63), project.config.classes
    named = [example for example in examples if example.label in classes]
    rows = pool.rows_of(np.array([example.image_id for example in named], np.int64))
    labels = truth_of(named, classes)
    ready = np.flatnonzero(rows >= 0)
    ready = ready[finite_rows(pool.image_vectors[rows[ready]])] if len(ready) else ready
    ready = ready[sampled_groups(pool.group_ids[rows[ready]], rng)]
    if len(ready) < LEAST_LABELS or len(np.unique(labels[ready])) < 2:
        return None
    groups, teaches = pool.group_ids[rows[ready]], np.ones(len(ready), bool)
    fit = recipe_of(project, pool, project.config.policy.head, reference=REFERENCE_IMAGES)
    inputs = pool.inputs.take(rows[ready])
    return evidence_of(labels[ready], cross_validated(inputs, labels[ready], groups, teaches, fit, len(classes), rng))


def _vectors(pool: Pool, rows: Rows) -> npt.NDArray[np.float32]:
    return joined(pool.image_vectors[rows], pool.text_vectors[rows])


def _labelled(pool: Pool, examples: Sequence[Example]) -> Labelled:
    """The ready images whose labels may be learnt from."""
    rows = pool.rows_of(np.array([example.image_id for example in examples], np.int64))
    labels = tuple(example.label for example, row in zip(examples, rows, strict=True) if row >= 0)
    ready = rows[rows >= 0]
    return Labelled(labels, lambda some: _vectors(pool, ready[some]))


def _gold(facts: _Facts) -> list[NewReview]:
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


def _gave_way(found: Sequence[Comparison], project: Project) -> bool:
    return bool(found) and found[-1].strategy == project.config.policy.strategy and found[-1].found == Payoff.DOES_NOT


def _measures(project: Project) -> bool:
    """Whether any part of a query goes to the random stream."""
    return bool(project.config.policy.shares.random_first or project.config.policy.shares.random)


def _arrives(parts: Parts, project_id: ProjectId) -> bool:
    """Whether images of a random sample may still be on their way: their place depends on how many there are."""
    with reading(parts.database) as session:
        return progress.arriving(session, project_id) > 0


def _place_sample(parts: Parts, facts: _Facts) -> int:
    with transaction(parts.database) as session:
        most = _cursor(facts) if facts.order.drawn.any() or facts.number > 1 else 1.0
        placed = imported_samples.place(session, facts.project.id, most, parts.now())
        if most == 1.0 and placed / max(facts.groups, 1) > facts.share:
            share = placed / facts.groups
            imported_samples.reserve_all(session, facts.project.id, share, facts.groups, parts.now())
        return placed


def _reserve_nothing(parts: Parts, facts: _Facts) -> None:
    """What nobody will ever ask about is not kept from being learnt from; what was drawn goes on measuring."""
    by = Actor(AUTHOR, "the policy gives no share of the queries to the random stream", parts.now())
    with transaction(parts.database) as session:
        stream.reserve(session, facts.project.id, _drawn_share(facts), facts.groups, by)


def _cursor(facts: _Facts) -> float:
    drawn = facts.order.positions[facts.order.drawn & (facts.order.positions < facts.share)]
    return float(drawn.max(initial=0.0))


def _drawn_share(facts: _Facts) -> float:
    """The share that holds just what was drawn."""
    cursor = _cursor(facts)
    return float(np.nextafter(cursor, 1.0)) if cursor else 0.0


def _share(facts: _Facts) -> float:
    """The share to reserve from here on."""
    return reserved_share(facts.groups, facts.share, cursor=_cursor(facts))


def _write(
    parts: Parts, facts: _Facts, new: NewQuery, asked: list[NewReview], shadows: Rows, force: bool
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
        stream.reserve(session, new.project_id, _share(facts), facts.groups, by)
        if count:
            stream.add_shadow_picks(session, query_id, shadows.tolist(), parts.now())
            gold.want_people(session, new.project_id, new.number, policy.gold.people, parts.now())
    parts.failpoint("select.after_write")
    return {"asked": count, "query": new.number if count else 0}
