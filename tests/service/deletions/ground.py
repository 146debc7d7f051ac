"""A project with images that have something in every place, and the steps of deleting: what these tests start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.deletions import deletions
from db.repositories.deletions.deletions import Deletion
from db.repositories.images import sources
from db.repositories.reviews import overlays
from db.session import insert_new, reading, transaction
from db.tables import (
    Base,
    EmbeddingRow,
    FingerprintRow,
    ImageCheckRow,
    ImageRow,
    ImportedSampleRow,
    OverlapRow,
)
from labeling.adapters.storage.embedding_store import EmbeddingStore
from labeling.adapters.storage.image_store import ImageStore
from labeling.ingest.hashing import text_key
from labeling.project import Project
from labeling.types import Actor, DeletionKind, ReviewId, ReviewKind
from service.deletions.orders import order
from service.jobs.jobs import Jobs
from service.settings import Settings
from service.work.delete.elsewhere import clear_up
from service.work.delete.rows import remove_rows
from service.work.delete.traces import remove_traces
from service.work.failpoints import Failpoints
from service.work.wiring import Parts
from tests import factories
from tests.factories import NOW
from tests.fakes_label_studio import FakeLabelStudio

ENCODER = "seeded-encoder"
BY = Actor("lead", "asked for", NOW)


class Died(Exception):
    """The process was killed here."""


@dataclass
class Ground:
    """A home on a database, with a Label Studio in memory."""

    database: sa.Engine
    home: Path
    studio: FakeLabelStudio = field(default_factory=FakeLabelStudio)
    parts: Parts = field(init=False)

    def __post_init__(self) -> None:
        self.parts = self.with_failpoint(Failpoints(""))

    def with_failpoint(self, failpoint: Any) -> Parts:
        nothing = cast(Any, None)
        return Parts(
            settings=Settings(home=self.home),
            database=self.database,
            jobs=Jobs(self.database),
            images=ImageStore(str(self.home / "media")),
            embeddings=EmbeddingStore(str(self.home / "embeddings")),
            label_studio=cast(Any, self.studio),
            engine_for=nothing,
            failpoint=failpoint,
            now=lambda: NOW,
        )

    def project(self, name: str = "animals") -> Project:
        with transaction(self.database) as session:
            made = factories.project(session, name=name)
            factories.label_studio_project(session, made.id, 6 + made.id)
            return made

    def image(self, project: Project, name: str, *, text: str = "some words", source: int | None = None) -> int:
        """A ready image that somebody was asked about and answered, with bytes, vectors, a drawing and a task."""
        content = sha256(name.encode()).hexdigest()
        self.parts.images.keep(content, b"shown " + name.encode(), "image/png", b"original " + name.encode())
        self.parts.images.keep_drawing(content, b"drawing")
        upload = self.parts.images.keep_upload(name.encode())
        self.parts.embeddings.put(ENCODER, [content, text_key(text)], np.ones((2, 4), np.float32))
        with transaction(self.database) as session:
            group = factories.group(session, project.id, content)
            image = factories.image(session, project.id, content, group_id=group, text=text)
            known = factories.registration(session, project.id, name, address=upload, text=text, source_id=source)
            factories.fetch(session, known, image)
            self._facts(session, project, image, content, text)
        return image

    def _facts(self, session: Session, project: Project, image: int, content: str, text: str) -> None:
        factories.prelabel(session, image, [0.5, 0.3, 0.2])
        query = factories.query(session, project.id)
        review = factories.review(session, project.id, image, query_id=query, kind=ReviewKind.RANDOM)
        task = 1_000 + review
        self.studio.tasks_there[task] = {"project": 7, "annotations": {}, "predictions": [], "data": {}}
        factories.push(session, review, task, ls_project_id=7)
        factories.seen(session, review)
        person = _person(session, project)
        answer = factories.annotation(session, review, "cat", annotator_id=person)
        evidence = {"annotations": [answer]}
        factories.label(session, project.id, image, "cat", review_id=review, evidence=evidence)
        factories.decision(session, project.id, image, "cat", "lead", "correction")
        factories.soft_label(session, project.id, image, {"cat": 1.0}, [])
        version = _version(session, project)
        factories.prediction(session, image, version, [0.5, 0.3, 0.2])
        overlays.record(session, ReviewId(review), answer="cat", revision="r", picture=content, now=NOW)
        overlap = {"review_id": review, "people": 2, "reason": "r", "author": "a", "at": NOW}
        insert_new(session, OverlapRow, [overlap])
        insert_new(session, ImportedSampleRow, [{"image_id": image, "newest_group": 0, "at": NOW}])
        keys = [{"encoder": ENCODER, "key": key, "created_at": NOW} for key in (content, text_key(text))]
        insert_new(session, EmbeddingRow, keys)
        insert_new(session, FingerprintRow, [{"content_hash": content, "content": b"f"}])
        checks = dict.fromkeys(("blurry", "dark", "light", "low_information", "odd_aspect"), 1.0)
        insert_new(session, ImageCheckRow, [{"content_hash": content, **checks}])

    def source(self, project: Project, address: str) -> int:
        with transaction(self.database) as session:
            return sources.add(session, project.id, address, NOW).id

    def order(self, project: Project, kind: DeletionKind, subject: int) -> Deletion:
        with transaction(self.database) as session:
            return order(session, self.parts.jobs, project, kind, subject, BY)

    def delete(self, project: Project, kind: DeletionKind, subject: int) -> Deletion:
        made = self.order(project, kind, subject)
        work(self.parts, project)
        with reading(self.database) as session:
            return deletions.by_id(session, project.id, made.id)

    def count(self, table: Any, *where: Any) -> int:
        with reading(self.database) as session:
            return session.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0

    def images(self) -> list[int]:
        with reading(self.database) as session:
            return list(session.scalars(sa.select(ImageRow.id).order_by(ImageRow.id)))

    def everything(self) -> dict[str, int]:
        """How many rows each table has."""
        return {table.name: self.count(table) for table in Base.metadata.sorted_tables}

    def texts(self) -> list[object]:
        """Every row of every table."""
        with reading(self.database) as session:
            return [row for table in Base.metadata.sorted_tables for row in session.execute(sa.select(table)).all()]

    def files(self) -> list[str]:
        kept = (self.home / "media").rglob("*")
        return sorted(path.relative_to(self.home / "media").parts[0] for path in kept if path.is_file())


def work(parts: Parts, project: Project) -> None:
    """What the job does."""
    while remove_rows(parts, project.id)["left"]:
        continue
    clear_up(parts, project.id)
    remove_traces(parts, project.id)


@contextmanager
def before_commit(is_due: Callable[[Session], bool], act: Callable[[], object]) -> Iterator[None]:
    """What another process does in between, once: it comes just before the first commit for which it is due."""
    done: list[bool] = []

    def before(session: Session) -> None:
        if not done and is_due(session):
            done.append(True)
            act()

    sa.event.listen(Session, "before_commit", before)
    try:
        yield
    finally:
        sa.event.remove(Session, "before_commit", before)
    assert done


def dying_at(name: str) -> Callable[[str], None]:
    """A failpoint that kills at this name, once."""
    passes: list[str] = []

    def die(at: str) -> None:
        if at == name and not passes:
            passes.append(at)
            raise Died(name)

    return die


def _person(session: Session, project: Project) -> int:
    found = session.execute(sa.text("SELECT id FROM annotator WHERE project_id = :p"), {"p": project.id}).first()
    return int(found[0]) if found else factories.annotator(session, project.id, "ann@example.com")


def _version(session: Session, project: Project) -> Any:
    found = session.execute(sa.text("SELECT id FROM version WHERE project_id = :p"), {"p": project.id}).first()
    return found[0] if found else factories.version(session, project.id)
