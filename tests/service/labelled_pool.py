"""Ready images made without an engine, some with labels and vectors that tell their classes: what learn, promote,
select and figures start from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.versions import predictions, versions
from db.repositories.versions.predictions import PredictionFile
from db.session import reading, transaction
from db.tables import ImageRow, LabelRow, ReviewRow
from labeling.adapters.storage.embedding_store import EmbeddingStore
from labeling.adapters.storage.prediction_files import write_predictions
from labeling.jobs import Trigger
from labeling.project import Project
from labeling.types import LabelSource, ReviewKind, Verdict, VersionId
from service.settings import Settings
from service.work.failpoints import Failpoints
from service.work.wiring import Parts
from tests import factories
from tests.factories import NOW

ENCODER, REVISION = "seeded-encoder", "seeded-1"


@dataclass(frozen=True)
class SeededEngine:
    """Names what was seeded; looks at nothing."""

    name: str = "seeded"
    revision: str = REVISION
    image_encoder: str = ENCODER
    text_encoder: str = "seeded-words"


def make_parts(database: sa.Engine, home: Path) -> Parts:
    """Parts of which select and figures use these only."""
    nothing = cast(Any, None)
    return Parts(
        settings=Settings(home=home),
        database=database,
        jobs=nothing,
        images=nothing,
        embeddings=EmbeddingStore(str(home / "embeddings")),
        label_studio=nothing,
        engine_for=lambda project: cast(Any, SeededEngine()),
        failpoint=Failpoints(""),
        now=lambda: NOW,
    )


def seed_images(parts: Parts, project: Project, n: int, *, twins: int = 1) -> list[int]:
    """Store n ready images in groups of `twins`; every fourth group is reserved. Vectors go in too."""
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(len(project.config.classes)), size=n)
    hashes = [f"{i:064x}" for i in range(n)]
    parts.embeddings.put(ENCODER, hashes, rng.normal(size=(n, 6)).astype(np.float32))
    with transaction(parts.database) as session:
        founders = hashes[::twins]
        groups = factories.groups(session, project.id, founders, [i % 4 == 0 for i in range(len(founders))])
        images = factories.images(session, project.id, hashes, [groups[i // twins] for i in range(n)])
        factories.prelabels(session, images, probs.tolist(), engine="seeded", revision=REVISION)
        return list(session.scalars(sa.select(ImageRow.id).order_by(ImageRow.id)))


def add_champion(
    parts: Parts,
    project: Project,
    image_ids: Sequence[int],
    probs: npt.ArrayLike,
    *,
    promoted: bool = True,
    report: Mapping[str, Any] | None = None,
) -> VersionId:
    """Save a version that predicts so, and crown it."""
    with transaction(parts.database) as session:
        number = versions.next_number(session, project.id)
        last = session.scalar(sa.select(sa.func.max(LabelRow.id))) or 0
        version = versions.add_version(
            session,
            project.id,
            number,
            path=f"models/{number}",
            card_hash="c",
            snapshot_hash="s",
            last_label_id=last,
            report=report or {},
            trigger=Trigger.ANSWERED,
            now=NOW,
        )
        verdict = Verdict.PROMOTED if promoted else Verdict.REFUSED
        versions.append_promotion(
            session,
            version,
            None,
            verdict,
            ["it is better"],
            report={},
            trigger=Trigger.LEARNED,
            author="test",
            now=NOW,
        )
        written = write_predictions(
            parts.settings.home,
            f"predictions/{project.id}/{number}",
            np.array(image_ids, np.int64),
            np.asarray(probs, np.float64),
        )
        file = PredictionFile(written.path, written.rows, written.sha256, NOW)
        predictions.keep_prediction_file(session, version.id, file)
    return version.id


def answer(
    session: Session,
    review: ReviewRow,
    value: str,
    *,
    action: str = "answered",
    shown: str | None = None,
    after: int = 0,
) -> None:
    """One person's answer to a review (or its withdrawal), and the label that follows from it."""
    at = NOW + timedelta(seconds=after)
    factories.annotation(session, review.id, value, action=action, shown=shown, at=at, recorded_at=NOW)
    held = value if action == "answered" else None
    factories.label(session, review.project_id, review.image_id, held, review_id=review.id)


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
    """A project with images: `truth` by image id, and which of them are reserved."""

    parts: Parts
    project: Project
    clock: Clock
    truth: dict[int, int] = field(default_factory=dict)
    pool: list[int] = field(default_factory=list)
    reserved: list[int] = field(default_factory=list)

    def label(self, image_ids: Iterable[int], kind: ReviewKind | None, value: str | None = None) -> None:
        """Give each image its true label, or this one, as a review of that kind would; None imports it."""
        with transaction(self.parts.database) as session:
            for image_id in image_ids:
                name = value or self.project.config.classes[self.truth[image_id]]
                if kind is None:
                    factories.label(session, self.project.id, image_id, name, LabelSource.IMPORT)
                else:
                    review = factories.review(session, self.project.id, image_id, kind, blind=True)
                    answer(session, session.get_one(ReviewRow, review), name)

    def with_engine(self, revision: str) -> Ground:
        """The same with an engine of another revision."""
        engine = EngineOf(revision=revision)
        return replace(self, parts=replace(self.parts, engine_for=lambda project: engine))

    def scalars(self, query: sa.Select[tuple[object]]) -> list[object]:
        with reading(self.parts.database) as session:
            return list(session.scalars(query))


def make_ground(database: sa.Engine, home: Path, project: Project, *, pool: int = 60, reserved: int = 40) -> Ground:
    """Images that a linear head can tell apart, and prelabels that are right two times in three."""
    clock = Clock()
    ground = Ground(replace(make_parts(database, home), now=clock), project, clock)
    add_images(ground, pool, False)
    add_images(ground, reserved, True)
    return ground


def add_images(
    ground: Ground,
    n: int,
    reserved: bool,
    *,
    vector: Callable[[np.ndarray], np.ndarray] = lambda vector: vector,
    ready: bool = True,
) -> list[int]:
    """Add n images of all classes in turn; `ready` ones have a group and a prelabel."""
    k, first = len(ground.project.config.classes), len(ground.truth)
    hashes = [f"{seed:064x}" for seed in range(first, first + n)]
    vectors, said = [], []
    for i, seed in enumerate(range(first, first + n)):
        rng = np.random.default_rng(seed)
        vectors.append(vector(np.eye(k, 8)[i % k] + rng.normal(scale=0.25, size=8)))
        if ready:
            right = i % k if rng.random() < 2 / 3 else int(rng.integers(k))
            said.append(np.where(np.arange(k) == right, 0.6, 0.4 / (k - 1)).tolist())
    with transaction(ground.parts.database) as session:
        of = ground.project.id
        groups = factories.groups(session, of, hashes, [reserved] * n) if ready else [None] * n
        added = [int(image) for image in factories.images(session, of, hashes, groups, fetched_at=ground.clock())]
        if ready:
            factories.prelabels(session, added, said, engine="seeded", revision=REVISION)
    ground.truth.update({image: i % k for i, image in enumerate(added)})
    if n:
        ground.parts.embeddings.put(ENCODER, hashes, np.array(vectors, np.float32))
    (ground.reserved if reserved else ground.pool).extend(added)
    return added


def prelabel(session: Session, image_id: int, probs: list[float], revision: str = REVISION) -> None:
    """What the seeded engine says of an image."""
    factories.prelabel(session, image_id, probs, engine="seeded", revision=revision)
