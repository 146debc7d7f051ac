"""Replays from stored answers to the stored figure: whole projects in a database of their own, with made vectors.

The project's own steps draw, resolve answers, learn, judge, predict and count figures; what is read is the figure that
a page reads. How often the champion is right on an image that it has not learnt from is known from 2,000 others of the
same making: those that it has not learnt from are easier than the collection.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.certified_project import Images, PlayedProject, opened, template
from bench.numbers.replay import Drawn, Replay
from db.repositories.queries import stream
from db.repositories.versions import versions
from db.repositories.versions.versions import Version
from db.session import reading
from db.views.project_stats import labelled_images
from labeling.estimates import Estimate
from labeling.learn.classifier import Inputs
from labeling.learn.training import predict_logits
from labeling.types import ImageId
from labeling.vectors import unit
from service.figures.estimates import Known
from service.figures.figures import stored
from service.figures.machine_labels import MachineLabels
from service.figures.random_stream import RandomStream
from service.labels.machine_labels import champion_labels
from service.work.figures.refresh import refresh
from service.work.pool.saved_versions import load_classifier

__all__ = ["REPLAYS"]

CLASSES, KINDS, DIMENSIONS = 5, 3, 12
IMAGES, OTHERS, ANSWERS, STREAM_SHARE = 300, 2_000, 200, 0.35


@dataclass(frozen=True, slots=True)
class Cell:
    """How far some images lie from their kind, and the share of wrong answers."""

    spread: float
    wrong: float

    def __str__(self) -> str:
        return f"as stored, spread {self.spread:g}, {self.wrong:.0%} wrong answers"


@dataclass(frozen=True, slots=True)
class Shown:
    """What one project stores, each beside the truth; None where it is not yet known."""

    on_collection: Drawn | None
    on_what_is_left: Drawn | None
    machine_labels: Drawn | None


def _made(cell: Cell, n: int, middles: NDArray[np.float64], rng: np.random.Generator) -> Images:
    """Images of a few kinds a class, a quarter of them far from their kind."""
    truth, kind = rng.integers(CLASSES, size=n), rng.integers(KINDS, size=n)
    spread = np.where(rng.random(n) < 0.25, cell.spread, 0.4)[:, None]
    vectors = (middles[truth, kind] + spread * rng.normal(size=(n, DIMENSIONS))).astype(np.float32)
    said = np.where(rng.random(n) < cell.wrong, (truth + 1) % CLASSES, truth)
    return Images(vectors, said, CLASSES)


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="stored")


@lru_cache(maxsize=1)
def _empty() -> Path:
    return template(Path(_folder().name))


@lru_cache(maxsize=256)
def _played(cell: Cell, seed: int) -> Shown:
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(CLASSES, KINDS, DIMENSIONS))
    images, others = (_made(cell, n, middles, rng) for n in (IMAGES, OTHERS))
    with opened(_empty(), images, None, seed, stream_share=STREAM_SHARE) as project:
        project.play(ANSWERS)
        refresh(project.parts, project.project.id)
        return _shown(project, others)


def _shown(project: PlayedProject, others: Images) -> Shown:
    parts, of = project.parts, project.project
    with reading(parts.database) as session:
        figure, machine = stored(session, of.id, RandomStream), stored(session, of.id, MachineLabels)
        champion = versions.champion(session, of.id)
        if champion is None or figure is None or machine is None:
            return Shown(None, None, None)
        labels = champion_labels(session, parts.settings.home, of.id)
        labelled = labelled_images(session, of.id)
        shadows = stream.images_of(session, of.id, stream.shadow_picks(session, of.id))
    said = labels.said(np.arange(len(labels)))
    right = said.positions == [project.said[ImageId(image)] for image in labels.image_ids.tolist()]
    left = ~np.isin(labels.image_ids, labelled)
    rest = left & ~np.isin(labels.image_ids, shadows)
    return Shown(
        _drawn(figure.on_collection, _accuracy(parts.settings.home, champion, others)),
        _drawn(figure.on_what_is_left, float(right[left].mean())),
        _thresholds(machine, said.scores[rest], right[rest]),
    )


def _accuracy(home: Path, version: Version, images: Images) -> float:
    """How often a version is right on images without a text, of which the pre-label says nothing."""
    n = len(images.said)
    prelabel = np.full((n, images.n_classes), 1 / images.n_classes, np.float32)
    inputs = Inputs(unit(images.vectors), np.full((n, 0), np.nan, np.float32), prelabel)
    return float((predict_logits(load_classifier(home, version)[0], inputs).argmax(axis=1) == images.said).mean())


def _drawn(shown: Known, truth: float) -> Drawn | None:
    if not shown.known or shown.value is None or shown.lower is None or shown.upper is None:
        return None
    return Drawn(Estimate(shown.value, shown.lower, shown.upper, shown.n), truth)


def _thresholds(machine: MachineLabels, scores: NDArray[np.floating], right: NDArray[np.bool_]) -> Drawn | None:
    """Whether the lower bounds of all thresholds hold together."""
    known = [one for one in machine.thresholds if one.known and one.lower is not None]
    if not known:
        return None
    hold = all((one.lower or 0.0) <= float(right[scores >= one.score].mean()) + 1e-9 for one in known)
    return Drawn(Estimate(0.0, 0.0 if hold else 1.0, 1.0, len(right)), 0.0, bound=True)


def _replays() -> Iterator[tuple[str, Replay]]:
    for cell in (Cell(0.8, 0.0), Cell(2.0, 0.0), Cell(2.0, 0.1)):
        yield f"accuracy on the collection, {cell}", _one_of(cell, "on_collection")
        yield f"accuracy on what is left, {cell}", _one_of(cell, "on_what_is_left")
        yield f"machine labels right, {cell}", _one_of(cell, "machine_labels")


def _one_of(cell: Cell, field: str) -> Replay:
    def replay(rng: np.random.Generator) -> Drawn | None:
        found: Drawn | None = getattr(_played(cell, int(rng.integers(2**31))), field)
        return found

    return replay


REPLAYS: Mapping[str, Replay] = dict(_replays())
