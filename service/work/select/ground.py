"""What the next query is drawn from, put together from what is known now.

In: the facts of the database, the pool, and what is predicted of it. Out: the ground of the draw, and where its images
stand in the pool. Images that may not be asked are not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as installed_version

import numpy as np
import numpy.typing as npt

from db.session import reading
from labeling.basis import Basis
from labeling.select.query.stream import next_groups
from labeling.select.strategies.batch import joined
from labeling.select.strategies.hedged import Evidence
from labeling.select.strategies.strategy import Labelled
from labeling.types import Example
from service.work.pool.pool import EnginePin, Pool
from service.work.pool.predictions import CurrentPredictions
from service.work.pool.strategies import strategy_of
from service.work.pool.training_set import training_examples
from service.work.select.drawing import Ground, Terms, hash_of
from service.work.select.ensemble import members_of
from service.work.select.evidence import evidence_about_doubt
from service.work.select.facts import Facts
from service.work.wiring import Parts

__all__ = ["GroundNow", "ground_now", "labelled_in", "vectors_of"]

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GroundNow:
    """The ground of a query; `rows` of the pool are its images, in their order."""

    ground: Ground
    rows: Rows


def ground_now(parts: Parts, facts: Facts, pin: EnginePin, pool: Pool, current: CurrentPredictions) -> GroundNow:
    """What a query is drawn from now: of the pool's images those that are reserved, or that nobody was asked about."""
    promoted = current.champion is not None
    with reading(parts.database) as session:
        examples = training_examples(session, facts.project, imported=True)
    labelled, of_labels = labelled_in(pool, examples)
    evidence = evidence_about_doubt(parts, facts.project, pool, examples) if promoted else None
    reserved = np.isin(pool.group_ids, [*facts.order.ids.tolist(), *facts.certified])
    free = ~reserved & ~np.isin(pool.group_ids, list(facts.taken))
    first = facts.number == 1 and not promoted
    known = not first and bool(np.isfinite(current.ranking[free]).any())
    rows, own = np.flatnonzero(free | reserved), strategy_of(facts.project)
    ground = Ground(
        number=facts.number,
        policy=facts.project.config.policy,
        strategy=own,
        terms=_terms(facts, pin, pool, promoted, evidence, rest=bool(facts.certified) and not free.any()),
        basis=_basis(facts, pool, current, rows, free, of_labels, known),
        ranking=(lambda at: current.ranking[rows[at]]) if known else None,
        vectors=lambda at: vectors_of(pool, rows[at]),
        labelled=labelled,
        classes=facts.project.config.classes,
        members=members_of(facts.project, pool, rows, examples, own.ensemble) if promoted and own.ensemble else None,
    )
    return GroundNow(_with_hash(ground), rows)


def _basis(
    facts: Facts, pool: Pool, current: CurrentPredictions, rows: Rows, free: Mask, labels: Rows, known: bool
) -> Basis:
    ready = facts.order.take(np.isin(facts.order.ids, pool.group_ids))
    if facts.certified and not free.any():
        ready = ready.take(~np.isin(ready.ids, [*facts.certified, *facts.taken]))
    elif facts.proven:
        ready = ready.take(np.zeros(len(ready.ids), bool))  # what it measures beyond the proof is not worth an answer
    return Basis(
        images=pool.image_ids[rows],
        groups=pool.group_ids[rows],
        free=free[rows],
        predicted=current.by_champion[rows],
        conflicts=np.asarray(current.conflicts()[rows], np.float64) if known else np.zeros(len(rows)),
        stream=next_groups(ready, facts.share, len(ready.ids)),
        labels=labels,
        gold=np.array(facts.gold, np.int64),
        weights=None if facts.weights is None else weights_at(facts.weights, pool.image_ids[rows]),
    )


def _terms(facts: Facts, pin: EnginePin, pool: Pool, promoted: bool, evidence: Evidence | None, *, rest: bool) -> Terms:
    return Terms(
        program=installed_version("hardcase"),
        config_version=facts.project.config_version,
        revision=pin.revision,
        image_encoder=pin.image_encoder,
        text_encoder=pin.text_encoder,
        text_dimensions=pool.text_vectors.shape[1],
        decided=int(facts.order.decided.sum()),
        gold_asked=facts.gold_asked,
        promoted=promoted,
        gave_way=facts.gave_way,
        evidence=evidence,
        ranked_by="",
        rest=rest,
        stream_first=0 if rest else facts.stream_first,
    )


def _with_hash(ground: Ground) -> Ground:
    if ground.ranking is None:
        return ground
    ranked_by = hash_of(ground.ranking, len(ground.basis.images))
    return replace(ground, terms=replace(ground.terms, ranked_by=ranked_by))


def vectors_of(pool: Pool, rows: Rows) -> npt.NDArray[np.float32]:
    """What a strategy compares images by: (n, D) vectors of rows of the pool."""
    return joined(pool.image_vectors[rows], pool.text_vectors[rows])


def labelled_in(pool: Pool, examples: Sequence[Example]) -> tuple[Labelled, Rows]:
    """The ready images whose labels may be learnt from, and the numbers of these labels."""
    rows = pool.rows_of(np.array([example.image_id for example in examples], np.int64))
    ready = [example for example, row in zip(examples, rows, strict=True) if row >= 0]
    at = rows[rows >= 0]
    labels = tuple(example.label for example in ready)
    return Labelled(labels, lambda some: vectors_of(pool, at[some])), np.array([e.label_id for e in ready], np.int64)


def weights_at(known: dict[int, float], images: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """What a label of each of these images (N,) is worth: the number that came with it, 1 without one, 0 below 0.

    Examples
    --------
    >>> weights_at({4: 2.5, 9: -1.0}, np.array([4, 5, 9])).tolist()
    [2.5, 1.0, 0.0]
    """
    found = np.array([known.get(image, 1.0) for image in images.tolist()], np.float64)
    return np.asarray(np.maximum(np.where(np.isfinite(found), found, 1.0), 0.0), np.float64)
