"""The large project with what the steps after an answer read: vectors, and a champion with its files.

In: an empty home folder and a number of images. Out: a database and vectors in it, from which `open_parts` makes parts
in another process. Label Studio is not there: what is asked of it is `bench.sync`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import dbos
import numpy as np
import sqlalchemy as sa
from pydantic import SecretStr

from bench.large_project import CLASSES, build, content_hash, true_classes
from db import migrate
from db.session import make_engine, reading, transaction
from db.tables import AnnotationRow, ImageRow, ReviewRow, ViewRow
from labeling.adapters.storage.embedding_store import EmbeddingStore
from labeling.ingest.hashing import text_key
from labeling.jobs import Trigger
from labeling.types import ImageId, ProjectId
from labeling.vectors import unit
from service.jobs.jobs import Jobs
from service.settings import Settings
from service.work.failpoints import Failpoints
from service.work.learn import learn
from service.work.promote import judge
from service.work.promote.predict import predict
from service.work.wiring import Parts, utc_now

__all__ = ["PROJECT", "SECRET", "answer", "make", "open_parts"]

PROJECT = ProjectId(1)
SECRET = "a secret of the benchmark, long enough 0123456789"
DIMENSIONS = 384
NOISE = 1.5
"""Length of the noise beside a class's direction of length 1: neighbours mix as those of a real encoder do."""


@dataclass(frozen=True, slots=True)
class NamedEngine:
    """Names the engine whose pre-labels are there; looks at nothing."""

    name: str = "bundled"
    revision: str = "bundled-1"
    image_encoder: str = "images-384"
    text_encoder: str = "texts-384"


def make(home: Path, images: int) -> None:
    """Write the project, its vectors, and a champion that was trained on its labels."""
    parts = open_parts(home)
    migrate.upgrade(parts.database)
    dbos.run_dbos_database_migrations(parts.database.url.render_as_string(hide_password=False))
    build(parts.database, images)
    _put_vectors(parts, images)
    learnt = learn.learn(parts, PROJECT, Trigger.HAND)
    judge.promote_by_hand(parts, PROJECT, learnt["version"], "bench", "the champion to start from")
    predict(parts, PROJECT)
    parts.database.dispose()


def open_parts(home: Path) -> Parts:
    """Parts over that folder, without Label Studio and without image files."""
    nothing = cast(Any, None)
    database = make_engine(f"sqlite:///{home}/hardcase.db")
    return Parts(
        settings=Settings(home=home, secret=SecretStr(SECRET)),
        database=database, jobs=Jobs(database), images=nothing, embeddings=EmbeddingStore(str(home / "embeddings")),
        label_studio=nothing, engine_for=lambda project, use=None: cast(Any, NamedEngine()),
        failpoint=Failpoints(""), now=utc_now,
    )  # fmt: skip


def answer(parts: Parts, n: int) -> list[ImageId]:
    """One person answers the next n open reviews, each with the first class; returns the images."""
    unanswered = sa.select(ReviewRow.id, ReviewRow.image_id).where(
        ~sa.exists().where(AnnotationRow.review_id == ReviewRow.id)
    )
    with transaction(parts.database) as session:
        found = session.execute(unanswered.order_by(ReviewRow.id).limit(n)).all()
        views = [{"review_id": review, "at": datetime.now(UTC)} for review, _ in found]
        session.execute(sa.insert(ViewRow).prefix_with("OR IGNORE"), views)  # what nobody viewed would not count
        session.execute(sa.insert(AnnotationRow), [_annotation(review) for review, _ in found])
    return [ImageId(image) for _, image in found]


def _annotation(review: int) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "review_id": review, "annotator_id": review % 12 + 1, "ls_annotation_id": review * 10,
        "unique_id": f"7:{review * 10}", "action": "answered", "answers": [CLASSES[0]], "result_hash": f"{review:x}",
        "shown": CLASSES[0], "accepted": True, "lead_time_s": 5.0, "paused": False, "updated_at": now,
        "recorded_at": now,
    }  # fmt: skip


def _put_vectors(parts: Parts, images: int) -> None:
    engine, rng = NamedEngine(), np.random.default_rng(1)
    truth = true_classes(images, np.random.default_rng(0))
    centres = unit(rng.standard_normal((len(CLASSES), DIMENSIONS), np.float32))
    for rows in _batches(images):
        noise = NOISE * unit(rng.standard_normal((len(rows), DIMENSIONS), np.float32))
        vectors = unit(centres[truth[rows]] + noise)  # (B, D)
        parts.embeddings.put(engine.image_encoder, [content_hash(int(i) + 1) for i in rows], vectors)
    with reading(parts.database) as session:
        texts = session.scalars(sa.select(ImageRow.text).where(ImageRow.text.is_not(None)).distinct())
        keys = [text_key(text) for text in texts if text]
    parts.embeddings.put(engine.text_encoder, keys, unit(rng.standard_normal((len(keys), DIMENSIONS), np.float32)))


def _batches(n: int) -> Iterator[np.ndarray[Any, Any]]:
    for first in range(0, n, 10_000):
        yield np.arange(first, min(first + 10_000, n))
