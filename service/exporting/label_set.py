"""The labels that an export writes: those of a snapshot or the current ones, read as a stream.

In: a database, a project, perhaps a snapshot. Out: records, oldest image first, and their stored pictures, without the
metadata of the original files. Some hundreds of records are in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from db.repositories.labels.snapshots import Snapshot
from db.repositories.queries import examples
from db.session import reading
from db.views import exports
from labeling.adapters.storage.image_store import ImageStore
from labeling.answers import MISSING
from labeling.project import Project
from labeling.review.kinds import Split
from service.exporting.columns import Record, record_of

_EXTENSION = {"image/jpeg": ".jpg", "image/png": ".png"}


@dataclass(frozen=True, slots=True)
class LabelSet:
    """A project's labels as of `up_to`, with their pictures; `tick` is called once a record."""

    database: sa.Engine
    project: Project
    images: ImageStore
    snapshot: Snapshot | None
    up_to: int
    tick: Callable[[], None]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.project.config.classes

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split.value for split in Split)

    def __len__(self) -> int:
        with reading(self.database) as session:
            return exports.count(session, self.project.id, self.up_to)

    def records(self) -> Iterator[Record]:
        """All labels, in one transaction."""
        frozen = self.snapshot is not None
        with reading(self.database) as session:
            for facts in exports.label_facts(session, self.project.id, self.up_to):
                known = exports.details(session, self.project, facts)
                for fact in facts:
                    yield record_of(self.project, fact, known[fact.image_id], frozen=frozen)
                    self.tick()

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


def open_label_set(
    database: sa.Engine,
    project: Project,
    images: ImageStore,
    snapshot: Snapshot | None,
    tick: Callable[[], None] = lambda: None,
) -> LabelSet:
    """The labels of this snapshot, or the current ones."""
    if snapshot is not None:
        return LabelSet(database, project, images, snapshot, snapshot.last_label_id, tick)
    with reading(database) as session:
        return LabelSet(database, project, images, None, examples.last_label_id(session, project.id), tick)
