"""Ready images whose embeddings tell their classes, with labels of every kind: what learn and promote start from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.session import reading, transaction
from db.tables import GroupRow, ImageRow, PrelabelRow, QueryRow, ReviewRow
from labeling.project import Project
from labeling.types import LabelSource, ReviewKind, Side
from service.work.wiring import Parts
from tests.conftest import NOW
from tests.service.seeded_pool import ENCODER, REVISION, SeededEngine, add_label, answer, make_parts

TOKENS = count()


@dataclass(frozen=True)
class EngineOf(SeededEngine):
    """The seeded engine at another revision."""

    revision: str = REVISION


@dataclass
class Clock:
    """A clock that goes on by a second each time somebody looks."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


@dataclass(frozen=True)
class Ground:
    """A project with images: `truth` by image id, and which images stand on which side."""

    parts: Parts
    project: Project
    clock: Clock
    truth: dict[int, int] = field(default_factory=dict)
    pool: list[int] = field(default_factory=list)
    holdout: list[int] = field(default_factory=list)

    def label(self, image_ids: Iterable[int], kind: ReviewKind | None, value: str | None = None) -> None:
        """Give each image its true label, or this one, as a review of that kind would; None imports it."""
        with transaction(self.parts.database) as session:
            for image_id in image_ids:
                name = value or self.project.config.classes[self.truth[image_id]]
                if kind is None:
                    add_label(session, self.project.id, image_id, name, None, LabelSource.IMPORT)
                else:
                    answer(session, _ask(session, self.project, image_id, kind), name)

    def with_engine(self, revision: str) -> Ground:
        """The same with an engine of another revision."""
        engine = EngineOf(revision=revision)
        return replace(self, parts=replace(self.parts, engine_for=lambda project: engine))

    def scalars(self, query: sa.Select[tuple[object]]) -> list[object]:
        with reading(self.parts.database) as session:
            return list(session.scalars(query))


def make_ground(database: sa.Engine, home: Path, project: Project, *, pool: int = 60, holdout: int = 40) -> Ground:
    """Images that a linear head can tell apart, and prelabels that are right two times in three."""
    clock = Clock()
    ground = Ground(replace(make_parts(database, home), now=clock), project, clock)
    add_images(ground, pool, Side.POOL)
    add_images(ground, holdout, Side.HOLDOUT)
    return ground


def add_images(
    ground: Ground,
    n: int,
    side: Side,
    *,
    vector: Callable[[np.ndarray], np.ndarray] = lambda vector: vector,
    ready: bool = True,
) -> list[int]:
    """Add n images of all classes in turn; `ready` ones have a group and a prelabel."""
    k = len(ground.project.config.classes)
    added, hashes, vectors = [], [], []
    with transaction(ground.parts.database) as session:
        for i in range(n):
            seed = len(ground.truth)
            rng = np.random.default_rng(seed)
            image_id, content_hash = _image(session, ground.project, seed, side if ready else None)
            ground.truth[image_id] = i % k
            hashes.append(content_hash)
            vectors.append(vector(np.eye(k, 8)[i % k] + rng.normal(scale=0.25, size=8)))
            if ready:
                said = i % k if rng.random() < 2 / 3 else int(rng.integers(k))
                prelabel(session, image_id, np.where(np.arange(k) == said, 0.6, 0.4 / (k - 1)).tolist())
            added.append(image_id)
    if n:
        ground.parts.embeddings.put(ENCODER, hashes, np.array(vectors, np.float32))
    (ground.pool if side is Side.POOL else ground.holdout).extend(added)
    return added


def prelabel(session: Session, image_id: int, probs: list[float], revision: str = REVISION) -> None:
    session.add(
        PrelabelRow(
            image_id=image_id,
            engine="seeded",
            revision=revision,
            probs=probs,
            description="",
            duration_s=0.0,
            cost_micro=0,
            created_at=NOW,
        )
    )


def _image(session: Session, project: Project, seed: int, side: Side | None) -> tuple[int, str]:
    content_hash = f"{seed:064x}"
    image = ImageRow(
        project_id=project.id,
        content_hash=content_hash,
        perceptual_hash="",
        format="PNG",
        width=8,
        height=8,
        size_bytes=64,
        text=None,
        details={},
        group_id=None if side is None else group(session, project, content_hash, side),
        fetched_at=NOW,
    )
    session.add(image)
    session.flush()
    return image.id, content_hash


def group(session: Session, project: Project, founder: str, side: Side) -> int:
    row = GroupRow(project_id=project.id, founder_hash=founder, side=side, created_at=NOW)
    session.add(row)
    session.flush()
    return row.id


def _ask(session: Session, project: Project, image_id: int, kind: ReviewKind) -> ReviewRow:
    number = next(TOKENS)
    query = QueryRow(
        project_id=project.id, number=number, strategy="margin", seed=0, pool_size=1, trigger="by hand", created_at=NOW
    )
    session.add(query)
    session.flush()
    review = ReviewRow(
        project_id=project.id,
        image_id=image_id,
        query_id=query.id,
        kind=kind,
        blind=True,
        probability=1.0,
        place=0.0,
        token=f"token-{number}",
        created_at=NOW,
    )
    session.add(review)
    session.flush()
    return review
