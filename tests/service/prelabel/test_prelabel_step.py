"""The prelabel step: each image once, vectors before rows, twins in one group, failures counted one by one."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from db.repositories.engines import prelabels
from db.repositories.running import failures
from db.session import reading, transaction
from db.tables import EmbeddingRow, FailureRow, GroupRow, ImageRow, PrelabelRow
from labeling.adapters.storage.embedding_store import EmbeddingStore
from labeling.adapters.storage.image_store import ImageStore
from labeling.errors import Unavailable
from labeling.ingest.hashing import text_key
from labeling.prelabel.engine import Item, Look
from labeling.prelabel.engines.scripted import ScriptedEngine
from labeling.project import Policy, Project
from service.work.failpoints import Failpoints
from service.work.prelabel.prelabel import prelabel_batch
from service.work.wiring import Memo
from tests import factories
from tests.conftest import NOW

MakeProject = Callable[..., Project]


@dataclass
class _Parts:
    """What the step needs of a worker's parts; everything in it is real but the engine."""

    database: sa.Engine
    images: ImageStore
    embeddings: EmbeddingStore
    engine: Any
    passed: list[str] = field(default_factory=list)
    memo: Memo = field(default_factory=Memo)
    failpoint: Callable[[str], None] = field(init=False)

    def __post_init__(self) -> None:
        real = Failpoints("")

        def failpoint(name: str) -> None:
            real(name)
            self.passed.append(name)

        self.failpoint = failpoint

    def engine_for(self, project: Project) -> Any:
        return self.engine

    def now(self) -> datetime:
        return NOW


class _Counting(ScriptedEngine):
    """Counts how often it was given an image; fails on images whose text says so."""

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__(classes)
        self.looked_at = 0

    def look(self, items: Sequence[Item]) -> Look:
        if any(item.text == "outside is down" for item in items):
            raise Unavailable("The engine did not answer.")
        if any(item.text == "poison" for item in items):
            raise RuntimeError("cannot look at this")
        self.looked_at += len(items)
        return super().look(items)


@pytest.fixture
def project(database: sa.Engine, make_project: MakeProject) -> Project:
    return make_project(database, policy=Policy(engine="scripted"))


@pytest.fixture
def parts(database: sa.Engine, project: Project, tmp_path: Path) -> _Parts:
    engine = _Counting(project.config.classes)
    return _Parts(database, ImageStore(str(tmp_path / "media")), EmbeddingStore(str(tmp_path / "embeddings")), engine)


def _noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (32, 32, 3), dtype=np.uint8))


def _add(parts: _Parts, project: Project, images: Sequence[Image.Image], texts: Sequence[str | None] = ()) -> list[int]:
    """Fetched images, as ingest leaves them."""
    ids = []
    with transaction(parts.database) as session:
        for image, text in zip(images, [*texts, *[None] * (len(images) - len(texts))], strict=True):
            buffer = io.BytesIO()
            image.save(buffer, "PNG")
            content_hash = sha256(buffer.getvalue()).hexdigest()
            parts.images.keep(content_hash, buffer.getvalue(), "image/png", None)
            more = {"width": 32, "height": 32, "text": text}
            ids.append(factories.image(session, project.id, content_hash, **more))
    return ids


def _run(parts: _Parts, project: Project, size: int = 64) -> list[dict[str, int]]:
    """Repeat the step as the worker does, until nothing is left."""
    counts = []
    while True:
        counts.append(prelabel_batch(parts, project.id, size))  # type: ignore[arg-type]
        if not counts[-1]["left"] or not (counts[-1]["done"] or counts[-1]["failed"]):
            return counts


def _everything(database: sa.Engine) -> dict[str, list[Any]]:
    with reading(database) as session:
        tables = [ImageRow, GroupRow, PrelabelRow, EmbeddingRow, FailureRow]
        return {t.__tablename__: [tuple(row) for row in session.execute(sa.select(t.__table__))] for t in tables}


def test_every_image_gets_a_prelabel_its_vectors_and_a_group(parts: _Parts, project: Project) -> None:
    ids = _add(parts, project, [_noise(i) for i in range(5)], ["a cat", None, "a dog", None, "a cat"])

    counts = _run(parts, project, size=2)

    assert sum(c["done"] for c in counts) == 5 and counts[-1]["left"] == 0
    assert parts.engine.looked_at == 5
    with reading(parts.database) as session:
        images = session.scalars(sa.select(ImageRow).order_by(ImageRow.id)).all()
        assert session.scalars(sa.select(PrelabelRow.image_id)).all() == ids
        encoders = session.scalars(sa.select(EmbeddingRow.encoder)).all()
    assert sorted(encoders) == [parts.engine.image_encoder] * 5 + [parts.engine.text_encoder] * 2
    assert all(image.group_id is not None for image in images)
    assert parts.embeddings.get(parts.engine.image_encoder, [i.content_hash for i in images]).shape == (5, 49)
    assert parts.embeddings.get(parts.engine.text_encoder, [text_key("a cat"), text_key("a dog")]).shape == (2, 32)


def test_doing_the_step_again_changes_nothing(parts: _Parts, project: Project) -> None:
    _add(parts, project, [_noise(i) for i in range(5)], ["a cat"])
    _run(parts, project)
    before = _everything(parts.database)

    again = prelabel_batch(parts, project.id)  # type: ignore[arg-type]

    assert again == {"done": 0, "failed": 0, "left": 0}
    assert _everything(parts.database) == before
    assert parts.engine.looked_at == 5


def test_a_step_killed_between_its_writes_is_done_again_without_doubling(parts: _Parts, project: Project) -> None:
    _add(parts, project, [_noise(i) for i in range(4)], ["a cat"])

    class Killed(BaseException):
        pass

    for deadly in ("prelabel.before_vectors", "prelabel.before_write", "prelabel.after_write"):

        def failpoint(name: str, deadly: str = deadly) -> None:
            if name == deadly:
                raise Killed

        parts.failpoint = failpoint
        with pytest.raises(Killed):
            prelabel_batch(parts, project.id)  # type: ignore[arg-type]
    parts.failpoint = lambda name: None
    _run(parts, project)

    rows = _everything(parts.database)
    assert len(rows["prelabel"]) == 4 and len(rows["embedding"]) == 5
    assert all(row[-3] is not None for row in rows["image"])


def test_vectors_are_stored_before_the_rows_that_name_them(parts: _Parts, project: Project) -> None:
    _add(parts, project, [_noise(0)])

    _run(parts, project)

    assert parts.passed == ["prelabel.before_vectors", "prelabel.before_write", "prelabel.after_write"]


def test_a_missing_vector_is_computed_again(parts: _Parts, project: Project) -> None:
    _add(parts, project, [_noise(i) for i in range(3)])
    _run(parts, project)
    lost = _everything(parts.database)["image"][1][2]
    with transaction(parts.database) as session:
        prelabels.forget_vectors(session, parts.engine.image_encoder, [lost])
    hashes = [row[2] for row in _everything(parts.database)["image"]]
    parts.embeddings.collect(parts.engine.image_encoder, keep={*hashes} - {lost})

    _run(parts, project)

    assert parts.embeddings.get(parts.engine.image_encoder, hashes).shape == (3, 49)
    assert len(_everything(parts.database)["prelabel"]) == 3


def test_one_bad_image_costs_only_itself_and_becomes_a_dead_letter(parts: _Parts, project: Project) -> None:
    ids = _add(parts, project, [_noise(i) for i in range(4)], [None, "poison"])
    with reading(parts.database) as session:
        broken = session.get_one(ImageRow, ids[2]).content_hash
    parts.images.keep(broken, b"not an image", "image/png", None)

    _run(parts, project)

    with reading(parts.database) as session:
        listed = failures.listing(session, project.id, "prelabel")
        assert session.scalars(sa.select(PrelabelRow.image_id)).all() == [ids[0], ids[3]]
    assert {(failure.subject, failure.count, failure.dead) for failure in listed} == {
        (str(ids[1]), 3, True),
        (str(ids[2]), 3, True),
    }
    assert "cannot look at this" in " ".join(failure.reason for failure in listed)


def test_a_retried_dead_letter_is_looked_at_again_and_forgotten(parts: _Parts, project: Project) -> None:
    (image_id,) = _add(parts, project, [_noise(0)], ["poison"])
    _run(parts, project)
    with transaction(parts.database) as session:
        failures.retry(session, project.id, "prelabel")
        session.get_one(ImageRow, image_id).text = "a cat"

    _run(parts, project)

    assert len(_everything(parts.database)["prelabel"]) == 1
    assert _everything(parts.database)["failure"] == []


def test_an_engine_that_is_unavailable_fails_no_image(parts: _Parts, project: Project) -> None:
    _add(parts, project, [_noise(0)], ["outside is down"])

    with pytest.raises(Unavailable):
        prelabel_batch(parts, project.id)  # type: ignore[arg-type]

    assert _everything(parts.database)["failure"] == []
