"""The labels that an export writes: those of a snapshot or the current ones, machine labels where asked for.

In: a database, a project, perhaps a snapshot, or what the champion says. Out: a stream of records, labels before
machine labels, each oldest image first, and their stored pictures without the metadata of the original files. Some
hundreds of records are in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from db.repositories.labels.snapshots import Snapshot
from db.repositories.projects import projects
from db.repositories.queries import examples
from db.session import reading
from db.views import exports
from db.views.project_stats import labelled_images
from labeling.adapters.storage.image_store import ImageStore
from labeling.answers import MISSING
from labeling.errors import Invalid
from labeling.project import Project
from labeling.review.kinds import Split
from labeling.slices import slices
from service.exporting.columns import Record, machine_record, record_of
from service.labels.machine_labels import MACHINE, ChampionLabels, champion_labels, waiting_images

_EXTENSION = {"image/jpeg": ".jpg", "image/png": ".png"}


class Wanted(StrEnum):
    """Which machine labels are written beside, or instead of, labels."""

    REST = "rest"
    ALL = "all"
    WITH = "with"


@dataclass(frozen=True, slots=True)
class MachinePart:
    """What the champion says with a score of `at_least`; of `every` image, or of those without a label."""

    said: ChampionLabels
    every: bool
    at_least: float

    def rows(self, labelled: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """The rows that are written, some hundreds at a time."""
        left = np.ones(len(self.said), bool) if self.every else ~np.isin(self.said.image_ids, labelled)
        for some in slices(len(self.said), exports.CHUNK):
            rows = np.arange(some.start, some.stop)
            taken = left[some] & (self.said.said(some).scores >= self.at_least)
            if taken.any():
                yield rows[taken]


@dataclass(frozen=True, slots=True)
class LabelSet:
    """A project's labels as of `up_to`, with their pictures; `tick` is called once a record.

    `people`: labels are in it; `machine`: machine labels are, too.
    """

    database: sa.Engine
    project: Project
    images: ImageStore
    snapshot: Snapshot | None
    up_to: int
    tick: Callable[[], None]
    people: bool = True
    machine: MachinePart | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.project.config.classes

    @property
    def splits(self) -> tuple[str, ...]:
        return (*(split.value for split in Split), *([MACHINE] if self.machine else []))

    def __len__(self) -> int:
        with reading(self.database) as session:
            labels = exports.count(session, self.project.id, self.up_to) if self.people else 0
        return labels + (sum(map(len, self.machine.rows(self._labelled()))) if self.machine else 0)

    def records(self) -> Iterator[Record]:
        """All labels, in one transaction; then the machine labels, in a transaction for some hundreds."""
        if self.people:
            yield from self._labels()
        if self.machine:
            yield from self._machine_labels(self.machine)

    def without_any(self) -> tuple[int, list[tuple[str, str]]]:
        """How many images have neither a label nor a machine label; of the first, names and reasons."""
        if self.machine is None:
            return 0, []
        labelled = self._labelled()
        with reading(self.database) as session:
            count, first = waiting_images(session, self.project, self.machine.said, labelled)
            names = exports.first_references(session, [one.image_id for one in first])
        return count, [(names.get(one.image_id, one.content_hash), one.why) for one in first]

    def picture(self, record: Record) -> tuple[bytes, str]:
        """An image's bytes as they were displayed to people, and a file name made of its hash."""
        data, media_type = self.images.shown(record.content_hash)
        return data, f"{record.content_hash}{_EXTENSION[media_type]}"

    def save_picture(self, record: Record, folder: Path) -> str:
        """Write an image into a folder; returns its file name."""
        data, name = self.picture(record)
        (folder / name).write_bytes(data)
        return name

    def position(self, label: str) -> int | None:
        """The position of a label in the label set; None for "none of these"."""
        [code] = self.project.config.answers.class_codes([label])
        return None if code == MISSING else code

    def _labels(self) -> Iterator[Record]:
        frozen = self.snapshot is not None
        with reading(self.database) as session:
            for facts in exports.label_facts(session, self.project.id, self.up_to):
                known = exports.details(session, self.project, facts)
                for fact in facts:
                    yield record_of(self.project, fact, known[fact.image_id], frozen=frozen)
                    self.tick()

    def _machine_labels(self, machine: MachinePart) -> Iterator[Record]:
        version, classes = machine.said.version.number, self.classes
        for rows in machine.rows(self._labelled()):
            said, images = machine.said.said(rows), machine.said.image_ids[rows].tolist()
            sure = dict(zip(images, zip(said.probabilities.tolist(), said.scores.tolist(), strict=True), strict=True))
            named = {image: classes[at] for image, at in zip(images, said.positions.tolist(), strict=True)}
            with reading(self.database) as session:
                facts = exports.machine_facts(session, named, version, machine.said.made_at, MACHINE)
                known = exports.details(session, self.project, facts)
            for fact in facts:
                yield machine_record(fact, known[fact.image_id], *sure[fact.image_id])
                self.tick()

    def _labelled(self) -> NDArray[np.int64]:
        with reading(self.database) as session:
            return np.array(labelled_images(session, self.project.id, self.up_to), np.int64)


def open_label_set(
    database: sa.Engine,
    project: Project,
    images: ImageStore,
    snapshot: Snapshot | None,
    tick: Callable[[], None] = lambda: None,
) -> LabelSet:
    """The labels of this snapshot, with the classes that the project had then, or the current ones."""
    if snapshot is not None:
        with reading(database) as session:
            version = projects.version_at(session, project.id, snapshot.created_at)
            project = projects.as_configured(session, project.id, version)
        return LabelSet(database, project, images, snapshot, snapshot.last_label_id, tick)
    with reading(database) as session:
        return LabelSet(database, project, images, None, examples.last_label_id(session, project.id), tick)


def with_machine_labels(labels: LabelSet, home: Path, wanted: Wanted, at_least: float = 0.0) -> LabelSet:
    """The same set with, or instead of it, what the champion says.

    Raises
    ------
    Invalid
        For a snapshot, which holds labels only, or a threshold that is no score.
    Conflict, Unavailable
        While no version says anything.
    """
    if labels.snapshot is not None:
        raise Invalid("A snapshot holds labels of people, and no machine labels. Leave out one of the two.")
    if not 0 <= at_least <= 1:
        raise Invalid("A score lies between 0 and 1. The page of machine labels shows thresholds.")
    with reading(labels.database) as session:
        said = champion_labels(session, home, labels.project.id)
    part = MachinePart(said, every=wanted is Wanted.ALL, at_least=at_least)
    return replace(labels, people=wanted is Wanted.WITH, machine=part)
