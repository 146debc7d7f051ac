"""Strategies played again on labels that are there already: images with classes in, accuracy by labels out.

A third of the near-duplicate groups judges, drawn anew for each split; of the others each strategy asks a batch at a
time, as the product does: typical images first, then hedged by what the labels so far say. Invariant: no label of the
random stream is read, and every strategy has the same images in a split.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from db.session import reading
from labeling.errors import Conflict
from labeling.learn.classifier import HeadKind, Inputs
from labeling.learn.ensemble import HeadEnsemble, bagged, thinned
from labeling.learn.training import fit_classifier, predict_probs
from labeling.prelabel.encoders.decode import open_shown
from labeling.prelabel.engine import Item
from labeling.project import LabelClass, Project, ProjectConfig
from labeling.quality.labels.label_errors import Fit, cross_validated
from labeling.select.strategies.batch import joined
from labeling.select.strategies.hedged import evidence_of, hedged
from labeling.select.strategies.strategy import Ensemble, Labelled, Predicted, Strategy, View, checked_picks
from labeling.select.strategies.typical import Typical
from labeling.types import ProjectId
from service.settings import Settings
from service.work.engines.factory import make_engine
from service.work.pool.pool import load_pool
from service.work.pool.recipes import REFERENCE_IMAGES, head_named, reference_rows
from service.work.pool.strategies import strategy_named
from service.work.pool.training_set import training_examples
from service.work.select.evidence import learnt_from
from service.work.wiring import Parts

__all__ = ["Gain", "Known", "Simulation", "curve", "known_in", "known_of", "simulate"]

LEAST_IMAGES, MOST_IMAGES = 60, 6_000
BASELINE = "random"
Rows = npt.NDArray[np.int64]
Probs = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """N images whose classes are known: `labels` (N,) of 0 to K - 1, and `groups` (N,) of near-duplicates."""

    inputs: Inputs
    labels: Rows
    groups: Rows
    n_classes: int

    def take(self, rows: Rows) -> Known:
        return replace(self, inputs=self.inputs.take(rows), labels=self.labels[rows], groups=self.groups[rows])


@dataclass(frozen=True, slots=True)
class Gain:
    """A strategy against a random sample: points of accuracy, the mean over all numbers of labels.

    `spread` is the standard deviation of the mean over the splits, None for one: how much it depends on the split. All
    splits are of the same images, so it is no interval for other images.
    """

    strategy: str
    points: float
    spread: float | None
    accuracy: tuple[float, ...]
    """At each number of labels, the mean over splits."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What strategies would have given: `labels` is at how many labels they were judged."""

    images: int
    classes: int
    splits: int
    labels: tuple[int, ...]
    gains: tuple[Gain, ...]


def known_of(parts: Parts, project: Project) -> Known:
    """The project's images whose labels may be learnt from, at most 6,000 of them.

    Raises
    ------
    Conflict
        Where they are under 60, or of one class.
    """
    with reading(parts.database) as session:
        examples = training_examples(session, project, imported=True)
    pool = load_pool(parts, project)
    rows, labels = learnt_from(project, pool, examples)
    if len(rows) < LEAST_IMAGES or len(np.unique(labels)) < 2:
        raise Conflict(
            f"A simulation needs {LEAST_IMAGES} labelled images of two classes that may be learnt from; there are "
            f"{len(rows)} of {len(np.unique(labels))}. Labels of the random stream do not count: they measure."
        )
    some = np.sort(np.random.default_rng(project.config.policy.seed).permutation(len(rows))[:MOST_IMAGES])
    at = rows[some]
    return Known(pool.inputs.take(at), labels[some], pool.group_ids[at], len(project.config.classes))


def known_in(files: Mapping[Path, str], settings: Settings, done: Callable[[], None] = lambda: None) -> Known:
    """Images in files with their classes, as the bundled engine sees them; a text beside one is read with it.

    At most 6,000 of them, and near-duplicates are not found: each is a group of its own. Conflict where they are under
    60, or of one class.
    """
    some = sorted(files)
    if len(some) > MOST_IMAGES:
        some = [some[at] for at in np.sort(np.random.default_rng(0).permutation(len(some))[:MOST_IMAGES])]
    classes = sorted({files[file] for file in some})
    if len(some) < LEAST_IMAGES or len(classes) < 2:
        raise Conflict(
            f"A simulation needs {LEAST_IMAGES} images of two classes; there are {len(some)} of {len(classes)}."
        )
    config = ProjectConfig("simulation", tuple(map(LabelClass, classes)))
    engine = make_engine(Project(ProjectId(0), config, 1, "", datetime.now(UTC)), settings)
    found = []
    for file in some:
        text = file.with_suffix(".txt")
        words = text.read_text("utf-8", errors="replace").strip() if text.exists() else None
        found.append(engine.look([Item(open_shown(file.read_bytes()), words)]))
        done()
    texts = [one.text_vectors[0] for one in found]
    width = next((len(one) for one in texts if one is not None), 0)
    inputs = Inputs(
        np.array([one.image_vectors[0] for one in found], np.float32),
        np.array([np.full(width, np.nan) if one is None else one for one in texts], np.float32).reshape(
            len(some), width
        ),
        np.array([one.prelabels[0].probs for one in found], np.float32),
    )
    labels = np.array([classes.index(files[file]) for file in some], np.int64)
    return Known(inputs, labels, np.arange(len(some)), len(classes))


def simulate(
    known: Known,
    names: Sequence[str],
    head: str,
    *,
    query_size: int,
    most: int,
    splits: int,
    seed: int,
    done: Callable[[], None] = lambda: None,
) -> Simulation:
    """Play each strategy, and a random sample, on every split.

    Parameters
    ----------
    names : sequence of str
        Our own strategies or plug-ins; Invalid for another name.
    head : str
        Of the project's policy.
    query_size, most : int
        Images of a query; and of all queries together, at most half of those that may be asked.
    splits : int
        How often the groups are divided anew into those that judge and those that may be asked.
    done : callable
        Called after each strategy in each split.
    """
    strategies = {name: strategy_named(name) for name in dict.fromkeys([BASELINE, *names])}
    asked = 2 * len(np.unique(known.groups)) // 3
    budgets = tuple(range(query_size, min(most, asked // 2) + 1, query_size))
    if not budgets:
        raise Conflict(f"{len(known.labels)} labelled images are too few for a query of {query_size}.")
    found: dict[str, list[list[float]]] = {name: [] for name in strategies}
    for split in range(splits):
        pool, test = _divided(known, np.random.default_rng([seed, split]))
        for name, strategy in strategies.items():
            rng = np.random.default_rng([seed, split, 1])
            found[name].append(list(curve(pool, test, strategy, head_named(head), budgets, rng)))
            done()
    gains = tuple(_gain(name, found[name], found[BASELINE]) for name in strategies)
    return Simulation(len(known.labels), known.n_classes, splits, budgets, gains)


def curve(
    pool: Known, test: Known, strategy: Strategy, head: HeadKind, budgets: Sequence[int], rng: np.random.Generator
) -> Iterator[float]:
    """Accuracy on `test` of what is learnt from the images of the pool that a strategy asks, at each budget."""
    recipe, free = _recipe(pool, head), np.flatnonzero(pool.labels >= 0)
    asked: Rows = np.zeros(0, np.int64)
    said: Callable[[Inputs], Probs] | None = None
    before = 0
    for budget in budgets:
        view = _view(pool, asked, free, said, strategy.ensemble, head)
        now = _of_query(strategy, pool.take(asked), recipe, rng) if said is not None else _first(strategy)
        picks = checked_picks(now.choose(view, budget - before, rng), view, budget - before, "simulate")
        asked = np.concatenate([asked, free[picks.positions]])
        free, before = free[~np.isin(pool.groups[free], pool.groups[asked])], budget
        said = _fitted(pool, asked, recipe)
        yield float((said(test.inputs).argmax(axis=1) == test.labels).mean())


def _divided(known: Known, rng: np.random.Generator) -> tuple[Known, Known]:
    groups = rng.permutation(np.unique(known.groups))
    judges = np.isin(known.groups, groups[: len(groups) // 3])
    return known.take(np.flatnonzero(~judges)), known.take(np.flatnonzero(judges))


def _recipe(pool: Known, head: HeadKind) -> Fit:
    reference = pool.inputs.take(reference_rows(pool.labels, REFERENCE_IMAGES))

    def fit(inputs: Inputs, labels: Rows) -> Callable[[Inputs], Probs]:
        fitted = fit_classifier(inputs, labels, pool.n_classes, head, reference=reference)
        return lambda others: predict_probs(fitted, others)

    return fit


def _fitted(pool: Known, asked: Rows, recipe: Fit) -> Callable[[Inputs], Probs]:
    """What is predicted after these answers; of one class always that."""
    labels = pool.labels[asked]
    if len(np.unique(labels)) > 1:
        return recipe(pool.inputs.take(asked), labels)
    one = np.eye(pool.n_classes)[labels[0]]
    return lambda others: np.tile(one, (len(others.image), 1))


def _first(strategy: Strategy) -> Strategy:
    return strategy if strategy.uniform else Typical()


def _of_query(strategy: Strategy, labelled: Known, recipe: Fit, rng: np.random.Generator) -> Strategy:
    """The strategy, hedged by the evidence of the labels so far."""
    teaches = np.ones(len(labelled.labels), bool)
    probs = cross_validated(labelled.inputs, labelled.labels, labelled.groups, teaches, recipe, labelled.n_classes, rng)
    return hedged(strategy, evidence_of(labelled.labels, probs), promoted=True)


def _view(
    pool: Known,
    asked: Rows,
    free: Rows,
    said: Callable[[Inputs], Probs] | None,
    ensemble: Ensemble | None,
    head: HeadKind,
) -> View:
    def vectors(rows: Rows) -> npt.NDArray[np.float32]:
        return joined(pool.inputs.image[rows], pool.inputs.text[rows])

    labelled = Labelled(tuple(map(str, pool.labels[asked])), lambda some: vectors(asked[some]))
    predicted = None
    if said is not None:
        names = tuple(map(str, range(pool.n_classes)))
        members = None if ensemble is None else _members(pool, asked, free, ensemble, head)
        predicted = Predicted(said(pool.inputs.take(free)), members=members, classes=names)
    return View(pool.groups[free], lambda some: vectors(free[some]), lambda: labelled, predicted)


def _members(pool: Known, asked: Rows, free: Rows, kind: Ensemble, head: HeadKind) -> Callable[[Rows], Probs] | None:
    if len(np.unique(pool.labels[asked])) < 2:
        return None

    @cache
    def fitted() -> HeadEnsemble:
        make = {Ensemble.BAGGED: bagged, Ensemble.THINNED: thinned}[kind]
        reference = pool.inputs.take(reference_rows(pool.labels, REFERENCE_IMAGES))
        rng = np.random.default_rng(len(asked))
        return make(pool.inputs.take(asked), pool.labels[asked], pool.n_classes, head, reference, rng)

    return lambda at: fitted().probs(pool.inputs.take(free[at]))


def _gain(name: str, found: Sequence[Sequence[float]], random: Sequence[Sequence[float]]) -> Gain:
    gains = [100 * statistics.fmean(np.subtract(ours, theirs)) for ours, theirs in zip(found, random, strict=True)]
    spread = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else None
    return Gain(name, statistics.fmean(gains), spread, tuple(np.mean(found, axis=0).tolist()))
