"""What could be done about each image, as rows for `labeling.review.next_action.rank`: one builder for each action.

In: what was read of a project (`Ground`). Out: candidates with the chance that a label is wrong before and after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from labeling.estimates import MIN_LABELS
from labeling.project import Project
from labeling.review.next_action import (
    ACTIONS,
    Action,
    Candidates,
    after_engine,
    correction_teaches,
    second_answer,
)
from labeling.review.overlap import Answered, odds, wrong
from labeling.types import ImageId, ReviewId, ReviewKind
from service.work.pool.pool import Pool
from service.work.pool.predictions import CurrentPredictions
from service.work.quality.answered_images import AnsweredImages

__all__ = ["Ground", "candidates_of", "expected_wrong", "new_answers"]

MICRO = 1_000_000

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Ground:
    """All that the candidates are made of; `teaches` is what one more label teaches."""

    project: Project
    pool: Pool
    predicted: CurrentPredictions
    answered: AnsweredImages
    waiting: Mask
    """Rows of the pool that nobody has labelled and that may be asked about: free, or in the queue."""
    queued: Mask
    reserved: Mask
    sizes: NDArray[np.int64]
    judged: Mapping[str, tuple[int, int]]
    """By engine revision: on how many labelled images it was right, of how many."""
    suspicious: Mapping[ImageId, float]
    """Labels that may be re-reviewed, by image: how likely the label was by a classifier that never saw it."""
    seconds: float
    timed: int
    teaches: float

    @property
    def classes(self) -> int:
        """How many answers can be given."""
        return len(self.project.config.answers.labels)

    @cached_property
    def probs(self) -> NDArray[np.float64]:
        """What is predicted of the pool, (N, K); even where nothing is."""
        shown = np.asarray(self.predicted.shown, np.float64)
        even = 1 / max(shown.shape[1], 1)
        return np.where(np.isfinite(shown).all(axis=1, keepdims=True), shown, even)


def candidates_of(ground: Ground) -> tuple[Candidates, NDArray[np.int64]]:
    """All candidates, and for each the place of the engine that would be asked; 0 for people."""
    blocks = [*_engines(ground), _person(ground), _second(ground), _re_review(ground), _adjudicate(ground)]
    joined = {
        field.name: np.concatenate([getattr(block.rows, field.name) for block in blocks])
        for field in fields(Candidates)
    }
    return Candidates(**joined), np.repeat([block.place for block in blocks], [len(block.rows) for block in blocks])


def new_answers(ground: Ground) -> NDArray[np.float64]:
    """What the answers about the images that stand next in the queue correct; without a queue the best of a query.

    Near-duplicates are left out, as they are of second answers that are compared with it.
    """
    block = _person(ground).rows
    gains = block.wrong_now - block.wrong_after + block.teaches
    queued = np.isin(block.image_ids, ground.pool.image_ids[ground.queued])
    best = gains[queued] if queued.any() else np.sort(gains)[::-1]
    return np.asarray(best[: ground.project.config.policy.query_size], np.float64)


def expected_wrong(ground: Ground) -> float:
    """How many labels are expected to be wrong: what the machine says of unlabelled images, and one person's."""
    machine = 1 - ground.probs[ground.waiting].max(axis=1, initial=0.0)
    return round(float(machine.sum() + _second(ground).rows.wrong_now.sum()), 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """The candidates of one action; `place` is that of an engine in the escalation, 0 for people."""

    rows: Candidates
    place: int = 0


def _block(
    action: Action,
    images: NDArray[np.int64],
    now: NDArray[np.float64],
    after: NDArray[np.float64],
    *,
    seconds: NDArray[np.float64] | float = 0.0,
    money: float = 0.0,
    sizes: NDArray[np.int64] | int = 1,
    teaches: NDArray[np.float64] | float = 0.0,
    place: int = 0,
) -> _Block:
    many = np.ones(len(images))
    actions = np.full(len(images), ACTIONS.index(action), np.int64)
    rows = Candidates(images, actions, now, after, seconds * many, money * many, sizes * many, teaches * many)
    return _Block(rows, place)


def _engines(ground: Ground) -> list[_Block]:
    """Each engine of the escalation about what it was not asked about, where it is known how often it is right."""
    blocks = []
    for engine in ground.predicted.engines:
        right, n = ground.judged[engine.stage.revision]
        if n < MIN_LABELS:
            continue
        rows = _one_a_group(ground, ground.waiting & ~engine.answered)
        now = 1 - ground.probs[rows].max(axis=1, initial=0.0)
        after = after_engine(ground.probs[rows], right / n)
        money, place = engine.mean_micro / MICRO, engine.stage.place
        images, sizes = ground.pool.image_ids[rows], ground.sizes[rows]
        blocks.append(_block(Action.ENGINE, images, now, after, money=money, sizes=sizes, place=place))
    return blocks


def _person(ground: Ground) -> _Block:
    """A first person about one image of each group that may be asked about."""
    rows = _one_a_group(ground, ground.waiting & (~ground.reserved | ground.queued))
    now = 1 - ground.probs[rows].max(axis=1, initial=0.0)
    after = np.minimum(now, ground.answered.error.value)
    images, sizes = ground.pool.image_ids[rows], ground.sizes[rows]
    return _block(Action.PERSON, images, now, after, seconds=ground.seconds, sizes=sizes, teaches=ground.teaches)


def _one_a_group(ground: Ground, mask: Mask) -> NDArray[np.int64]:
    """The first row of each group, of these rows."""
    rows = np.flatnonzero(mask)
    _, first = np.unique(ground.pool.group_ids[rows], return_index=True)
    return np.asarray(rows[first], np.int64)


def _second(ground: Ground) -> _Block:
    """A second person about images with one answer."""
    return _asked_again(ground, Action.SECOND, ground.answered.doubted)


def _re_review(ground: Ground) -> _Block:
    doubted = {}
    for image, own in ground.suspicious.items():
        predicted = (own, *[(1 - own) / (ground.classes - 1)] * (ground.classes - 1))
        label = Answered(ReviewId(0), ReviewKind.RELABEL, 0, 0, False, predicted)
        doubted[image] = wrong(label, ground.answered.error.value, ground.classes)
    return _asked_again(ground, Action.RE_REVIEW, doubted)


def _asked_again(ground: Ground, action: Action, doubted: Mapping[ImageId, float]) -> _Block:
    """Another answer about labels that are wrong with these probabilities, and a third where it differs."""
    error = ground.answered.error.value
    found = [second_answer(one, error, ground.classes) for one in doubted.values()]
    now, after = np.array(list(doubted.values())), np.array([one.wrong_after for one in found])
    seconds = ground.seconds * np.array([one.answers for one in found])
    teaches = (now - after) * correction_teaches(ground.teaches, error, ground.classes)
    images, sizes = _images_of(ground, doubted)
    return _block(action, images, now, after, seconds=seconds, sizes=sizes, teaches=teaches)


def _adjudicate(ground: Ground) -> _Block:
    """A lead about what people disagree on, or could not tell; a lead is taken to err as often as people do."""
    known = ground.project.config.answers
    error, found = ground.answered.error.value, ground.answered
    said = {
        image: [(known.code(answer), error) for answer in one.said.values()]
        for image, one in found.standing.items()
        if one.said and one.value is None and not (one.review_id in found.asked and found.asked[one.review_id].open)
    }
    said |= {one.image_id: [] for one in found.undecided.values()}
    now = np.array([1 - odds(found.prediction(image), those, ground.classes).max() for image, those in said.items()])
    after = np.minimum(now, error)
    images, sizes = _images_of(ground, said)
    return _block(Action.ADJUDICATE, images, now, after, seconds=ground.seconds, sizes=sizes, teaches=ground.teaches)


def _images_of(ground: Ground, images: Iterable[ImageId]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """These images, and how many near-duplicates each stands for; 1 for one that is not ready."""
    ids = np.array(list(images), np.int64)
    rows = ground.pool.rows_of(ids)
    if not len(ground.pool):
        return ids, np.ones(len(ids), np.int64)
    return ids, np.where(rows >= 0, ground.sizes[rows], 1)
