"""A whole project with a certificate target, played in a database of its own on vectors with known answers.

In: vectors, what people say of each image once they are agreed, and the terms. Out: the project's steps, run until so
many answers are given: draw, resolve, learn, judge, predict, certify. People answer at once. Images may arrive in the
middle of it, some of them near-duplicates of others, and groups may become one; placing them is all that is done here
and not by the product, whose grouping needs pixels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from db import migrate
from db.repositories.images import groups
from db.repositories.projects import projects
from db.repositories.reviews.reviews import is_open
from db.session import make_engine, reading, transaction
from db.tables import AnnotationRow, AnnotatorRow, GroupRow, ImageRow, PrelabelRow, ReviewRow, ViewRow
from labeling.adapters.storage.embedding_store import EmbeddingStore
from labeling.jobs import Trigger
from labeling.project import CertificateTerms, LabelClass, Policy, Project, ProjectConfig
from labeling.select.query.stream import position_of
from labeling.types import ImageId
from service.labels.resolution import resolve_labels
from service.settings import Settings
from service.work.certify.ahead import keeps_version, wants_version
from service.work.certify.certify import certify, withdraw
from service.work.certify.delivery import keep_terms
from service.work.failpoints import Failpoints
from service.work.learn import learn
from service.work.promote import judge
from service.work.promote.predict import predict
from service.work.select.query import choose_query
from service.work.wiring import Parts

__all__ = ["Images", "MadeEngine", "PlayedProject", "opened", "template"]

ENCODER, REVISION = "made", "made-1"
STREAM_SHARE = 0.2
ARRIVE, DOUBLES, UNITED = 0.2, 0.05, 5
"""Of the images so many arrive after half of the answers; copies of so many come with them; pairs that become one."""


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """N images: vectors (N, D), and the class (N,) of 0 to K - 1 that people agree on."""

    vectors: NDArray[np.float32]
    said: NDArray[np.int64]
    n_classes: int


@dataclass(frozen=True, slots=True)
class MadeEngine:
    """Names the vectors and pre-labels that are there; nothing is asked of it."""

    name: str = "made"
    revision: str = REVISION
    image_encoder: str = ENCODER
    text_encoder: str = ""


class PlayedProject:
    """A project that is played; `said` holds people's class by image."""

    def __init__(
        self,
        home: Path,
        images: Images,
        terms: CertificateTerms | None,
        seed: int,
        *,
        strategy: str = "margin",
        query_size: int = 30,
        stream_share: float = STREAM_SHARE,
        arrivals: bool = False,
        parts: Parts | None = None,
    ) -> None:
        self.parts, self.images = parts or _parts(home), images
        self.rng = np.random.default_rng(seed)
        self.said: dict[ImageId, int] = {}
        names = tuple(f"class {number}" for number in range(images.n_classes))
        policy = Policy(
            strategy=strategy, query_size=query_size, low_water=5, learn_after_labels=query_size, seed=seed,
            certificate=terms,
        )  # fmt: skip
        policy = replace(policy, shares=replace(policy.shares, random_first=stream_share, random=stream_share))
        config = ProjectConfig("made", tuple(LabelClass(name) for name in names), "", policy)
        with transaction(self.parts.database) as session:
            self.project: Project = projects.create(
                session, config, salt=f"salt {seed}", author="bench", now=self.parts.now()
            )
            session.add(AnnotatorRow(id=1, project_id=self.project.id, ls_user_id=1, name="ann"))
        order = self.rng.permutation(len(images.said))
        late = round(ARRIVE * len(order)) if arrivals else 0
        self._now, self._late = order[late:], order[:late]
        self._bring(self._now)

    def play(self, answers: int) -> None:
        """Until about so many answers are given, or nothing is left to ask; in the order of the worker's jobs."""
        while self.answers + self.project.config.policy.query_size / 2 < answers:
            if len(self._late) and self.answers >= answers / 2:
                self._arrive()
            keep_terms(self.parts, self.project.id)
            if not choose_query(self.parts, self.project.id, Trigger.ANSWERED, force=True)["asked"]:
                break
            self._answer()
            self._learn()
            certify(self.parts, self.project.id)

    def _learn(self) -> None:
        """Fit and judge where it is due, or where the sample has its size and the attempt waits for a version."""
        waits = wants_version(self.parts, self.project.id) and learn.has_new_labels(self.parts, self.project.id)
        if not waits and not learn.due(self.parts, self.project.id):
            return
        learn.learn(self.parts, self.project.id, Trigger.ANSWERED)
        if keeps_version(self.parts, self.project.id):
            return
        if judge.judge(self.parts, self.project.id, Trigger.LEARNED)["promoted"]:
            withdraw(self.parts, self.project.id)
            predict(self.parts, self.project.id)

    @property
    def answers(self) -> int:
        with reading(self.parts.database) as session:
            return session.scalar(sa.select(sa.func.count()).select_from(AnnotationRow)) or 0

    def _bring(self, rows: NDArray[np.int64], *, founders: Sequence[str] = ()) -> None:
        """Images in groups of their own, or in those of `founders`."""
        vectors = self.images.vectors[rows]
        if founders:
            vectors = vectors + 1e-3 * self.rng.normal(size=vectors.shape).astype(np.float32)
        hashes = [self.rng.bytes(32).hex() for _ in rows]
        self.parts.embeddings.put(ENCODER, hashes, vectors)
        now = self.parts.now()
        with transaction(self.parts.database) as session:
            of = groups.ids_of(session, self.project.id, founders) if founders else {}
            for at, key in enumerate(hashes):
                group = of[founders[at]] if founders else self._found(session, key, now)
                image = ImageRow(
                    project_id=self.project.id, content_hash=key, format="PNG", width=8, height=8, size_bytes=64,
                    text=None, details={}, group_id=group, fetched_at=now,
                )  # fmt: skip
                session.add(image)
                session.flush()
                self.said[ImageId(image.id)] = int(self.images.said[rows[at]])
                session.add(_prelabel(image.id, self.images.n_classes, now))

    def _found(self, session: Any, key: str, now: datetime) -> int:
        position = position_of(key, self.project.salt)
        group = GroupRow(project_id=self.project.id, founder_hash=key, position=position, created_at=now)
        session.add(group)
        session.flush()
        return group.id

    def _arrive(self) -> None:
        """New images, copies of some that are there, and pairs of groups with the same answer that become one."""
        late, self._late = self._late, self._late[:0]
        copied = self.rng.choice(len(self._now), round(DOUBLES * len(self._now)), replace=False)
        with reading(self.parts.database) as session:
            names = session.scalars(sa.select(ImageRow.content_hash).order_by(ImageRow.id)).all()
        self._bring(late)
        self._bring(self._now[copied], founders=[names[at] for at in copied.tolist()])
        with transaction(self.parts.database) as session:
            standing = groups.oldest_first(session, self.project.id)
            apart = [standing[at] for at in self.rng.permutation(len(standing)).tolist()]
            moves = [
                groups.Move(second.image_id, second.group_id, first.founder, first.position)
                for first, second in zip(apart[::2], apart[1::2], strict=False)
                if self.said[first.image_id] == self.said[second.image_id]
            ]
            groups.move(session, self.project.id, moves[:UNITED], "made one by the benchmark", self.parts.now())

    def _answer(self) -> None:
        """People answer what is open."""
        now = self.parts.now()
        with transaction(self.parts.database) as session:
            asked = session.execute(sa.select(ReviewRow.id, ReviewRow.image_id).where(is_open())).all()
            for review, image in asked:
                session.add(ViewRow(review_id=review, at=now))
                session.add(AnnotationRow(**_annotation(review, f"class {self.said[ImageId(image)]}", now)))
            session.flush()
            resolve_labels(session, self.project, [ImageId(image) for _, image in asked], now)


@contextmanager
def opened(
    empty: Path, images: Images, terms: CertificateTerms | None, seed: int, **how: Any
) -> Iterator[PlayedProject]:
    """A project in a folder that is deleted at the end; `empty` is a migrated database."""
    with tempfile.TemporaryDirectory(prefix="certified") as folder:
        home = Path(folder)
        (home / "hardcase.db").write_bytes(empty.read_bytes())
        made = PlayedProject(home, images, terms, seed, **how)
        try:
            yield made
        finally:
            made.parts.database.dispose()


def template(folder: Path) -> Path:
    """A migrated, empty database file."""
    database = make_engine(f"sqlite:///{folder}/empty.db")
    migrate.upgrade(database)
    with database.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return folder / "empty.db"


def _annotation(review: int, said: str, now: datetime) -> dict[str, Any]:
    return {
        "review_id": review, "annotator_id": 1, "ls_annotation_id": review, "unique_id": f"{review}",
        "action": "answered", "answers": [said], "result_hash": f"{review:x}", "shown": None, "accepted": None,
        "lead_time_s": 5.0, "paused": False, "updated_at": now, "recorded_at": now,
    }  # fmt: skip


def _prelabel(image: int, classes: int, now: datetime) -> PrelabelRow:
    return PrelabelRow(
        image_id=image, engine="made", revision=REVISION, probs=[1 / classes] * classes, description="",
        duration_s=0.0, cost_micro=0, outcome="label", answer=None, evidence={}, created_at=now,
    )  # fmt: skip


def _parts(home: Path) -> Parts:
    nothing, since = cast(Any, None), datetime(2026, 1, 1, tzinfo=UTC)
    ticks: Iterator[int] = iter(range(10**9))
    now: Callable[[], datetime] = lambda: since + timedelta(seconds=next(ticks))  # noqa: E731
    return Parts(
        settings=Settings(home=home), database=make_engine(f"sqlite:///{home}/hardcase.db", durable=False),
        jobs=nothing, images=nothing, embeddings=EmbeddingStore(str(home / "embeddings")), label_studio=nothing,
        engine_for=lambda project, use=None: cast(Any, MadeEngine()), failpoint=Failpoints(""), now=now,
    )  # fmt: skip
