"""Whether certificates keep their promise: whole projects, from the first query to delivered labels, with known truth.

Each replay is a project in a database of its own, with made vectors and a stream in an order of its own. The product's
steps draw, resolve answers, learn, judge, predict and certify; people here answer at once, and err in a stated share of
the images, as adjudicated people would. Broken is a project in which any certificate accepted more wrong labels than it
promised, against what people would say. A cell fails if the exact lower 99.9 % bound of its rate is above delta.

python -m bench.autolabel [--quick] [--replays 40] [--wrong 0 .05 .1] [--strategies margin]
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
import sqlalchemy as sa
from scipy.stats import beta

from bench.report import at_most, emit
from db import migrate
from db.repositories.certificates import certificates
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
from service.work.certify.certify import certify, withdraw
from service.work.failpoints import Failpoints
from service.work.learn import learn
from service.work.promote import judge
from service.work.promote.predict import predict
from service.work.select.query import choose_query
from service.work.wiring import Parts

CLASSES = tuple("abcde")
IMAGES, ARRIVE, DIMENSIONS = 300, 80, 12
TERMS = CertificateTerms(precision=0.8, confidence=0.9, first_size=40, sizes=1)
ENCODER, REVISION = "made", "made-1"
QUERIES = 7


@dataclass(frozen=True, slots=True)
class MadeEngine:
    """Names the vectors and pre-labels that are there; nothing is asked of it."""

    name: str = "made"
    revision: str = REVISION
    image_encoder: str = ENCODER
    text_encoder: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of project."""

    strategy: str
    wrong: float
    arrivals: bool

    def __str__(self) -> str:
        return f"{self.strategy}, {self.wrong:.0%} wrong answers{', arrivals' if self.arrivals else ''}"


@dataclass(frozen=True, slots=True)
class Played:
    """One project: attempts, certificates that accepted, the worst precision of any, the share that was accepted."""

    attempts: int
    issued: int
    broken: bool
    precision: float | None
    accepted: float
    answers: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one cell, four projects")
    parser.add_argument("--replays", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--wrong", type=float, nargs="+", default=[0.0, 0.05, 0.1])
    parser.add_argument("--strategies", nargs="+", default=["margin"])
    chosen = parser.parse_args()
    cells = [Cell(*one) for one in product(chosen.strategies, chosen.wrong, (False, True))]
    cells, replays = (cells[:1], 4) if chosen.quick else (cells, chosen.replays)
    seeds = range(chosen.first, chosen.first + replays)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="autolabel") as folder, ProcessPoolExecutor(2) as processes:
        template = _template(Path(folder))
        work = list(product(cells, seeds))
        played = list(processes.map(play, *zip(*work, strict=True), [template] * len(work), chunksize=2))
    found = [[one for (of, _), one in zip(work, played, strict=True) if of == cell] for cell in cells]
    rows = [_row(str(cell), some) for cell, some in zip(cells, found, strict=True)]
    every = _row("all", played)
    worst = max(row["at_least_999"] for row in rows)
    targets = {
        "lower_999_bound_of_the_worst_cell": at_most(worst, TERMS.delta),
        "lower_95_bound_of_all": at_most(_bound(every["broken"], every["projects"], 0.05), TERMS.delta),
    }
    emit("autolabel", targets, [*rows, {**every, "seconds": round(time.monotonic() - began)}])


def play(cell: Cell, seed: int, template: Path) -> Played:
    """One project, until it was tried at every size or nothing is left to ask."""
    with tempfile.TemporaryDirectory(prefix="autolabel") as folder:
        home = Path(folder)
        (home / "hardcase.db").write_bytes(template.read_bytes())
        made = _Project(home, cell, seed)
        try:
            return made.play()
        finally:
            made.parts.database.dispose()


class _Project:
    """A project that is played; `truth` and `said` are by content hash."""

    def __init__(self, home: Path, cell: Cell, seed: int) -> None:
        self.cell, self.rng = cell, np.random.default_rng([seed, int(cell.wrong * 100), cell.arrivals])
        self.parts = _parts(home)
        self.said: dict[ImageId, str] = {}
        self.middles = self.rng.normal(size=(len(CLASSES), 3, DIMENSIONS))
        policy = Policy(
            strategy=cell.strategy, query_size=30, low_water=5, learn_after_labels=40, seed=seed, certificate=TERMS
        )
        shares = replace(policy.shares, random_first=0.4, random=0.4)
        config = ProjectConfig("made", tuple(LabelClass(name) for name in CLASSES), "", replace(policy, shares=shares))
        with transaction(self.parts.database) as session:
            self.project: Project = projects.create(
                session, config, salt=f"salt {seed}", author="bench", now=self.parts.now()
            )
            session.add(AnnotatorRow(id=1, project_id=self.project.id, ls_user_id=1, name="ann"))
        self._bring(IMAGES - ARRIVE * cell.arrivals)

    def play(self) -> Played:
        for number in range(QUERIES):
            if number == 3 and self.cell.arrivals:
                self._bring(ARRIVE)
            certify(self.parts, self.project.id)
            if not choose_query(self.parts, self.project.id, Trigger.ANSWERED, force=True)["asked"]:
                break
            self._answer()
            if learn.due(self.parts, self.project.id):
                learn.learn(self.parts, self.project.id, Trigger.ANSWERED)
                if judge.judge(self.parts, self.project.id, Trigger.LEARNED)["promoted"]:
                    withdraw(self.parts, self.project.id)
                    predict(self.parts, self.project.id)
        certify(self.parts, self.project.id)
        return self._result()

    def _result(self) -> Played:
        with reading(self.parts.database) as session:
            tried = certificates.everyone(session, self.project.id)
            accepted = {one.id: certificates.accepted_of(session, one.id) for one in tried if one.accepted}
            answers = session.scalar(sa.select(sa.func.count()).select_from(AnnotationRow)) or 0
        right = [np.mean([self.said[one.image_id] == one.value for one in some]) for some in accepted.values()]
        share = max((len(some) for some in accepted.values()), default=0) / IMAGES
        broken = any(precision < (TERMS.precision or 0) - 1e-9 for precision in right)
        return Played(len(tried), len(accepted), broken, min(map(float, right), default=None), share, answers)

    def _bring(self, n: int) -> None:
        """Images of groups of their own; a fifth of them lies far from its kind, so that the version errs."""
        truth = self.rng.integers(len(CLASSES), size=n)
        kind = self.rng.integers(3, size=n)
        spread = np.where(self.rng.random(n) < 0.2, 2.0, 0.4)[:, None]
        vectors = (self.middles[truth, kind] + spread * self.rng.normal(size=(n, DIMENSIONS))).astype(np.float32)
        hashes = [self.rng.bytes(32).hex() for _ in range(n)]
        says = np.where(self.rng.random(n) < self.cell.wrong, (truth + 1) % len(CLASSES), truth)
        self.parts.embeddings.put(ENCODER, hashes, vectors)
        now = self.parts.now()
        with transaction(self.parts.database) as session:
            for at, key in enumerate(hashes):
                position = position_of(key, self.project.salt)
                group = GroupRow(project_id=self.project.id, founder_hash=key, position=position, created_at=now)
                session.add(group)
                session.flush()
                image = ImageRow(
                    project_id=self.project.id, content_hash=key, format="PNG", width=8, height=8, size_bytes=64,
                    text=None, details={}, group_id=group.id, fetched_at=now,
                )  # fmt: skip
                session.add(image)
                session.flush()
                self.said[ImageId(image.id)] = CLASSES[int(says[at])]
                session.add(_prelabel(image.id, now))

    def _answer(self) -> None:
        """People answer what is open."""
        now = self.parts.now()
        with transaction(self.parts.database) as session:
            asked = session.execute(sa.select(ReviewRow.id, ReviewRow.image_id).where(is_open())).all()
            for review, image in asked:
                session.add(ViewRow(review_id=review, at=now))
                session.add(AnnotationRow(**_annotation(review, self.said[ImageId(image)], now)))
            session.flush()
            resolve_labels(session, self.project, [ImageId(image) for _, image in asked], now)


def _annotation(review: int, said: str, now: datetime) -> dict[str, Any]:
    return {
        "review_id": review, "annotator_id": 1, "ls_annotation_id": review, "unique_id": f"{review}",
        "action": "answered", "answers": [said], "result_hash": f"{review:x}", "shown": None, "accepted": None,
        "lead_time_s": 5.0, "paused": False, "updated_at": now, "recorded_at": now,
    }  # fmt: skip


def _prelabel(image: int, now: datetime) -> PrelabelRow:
    return PrelabelRow(
        image_id=image, engine="made", revision=REVISION, probs=[1 / len(CLASSES)] * len(CLASSES), description="",
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


def _template(folder: Path) -> Path:
    database = make_engine(f"sqlite:///{folder}/empty.db")
    migrate.upgrade(database)
    with database.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return folder / "empty.db"


def _row(name: str, played: Sequence[Played]) -> dict[str, Any]:
    broken, n = sum(one.broken for one in played), len(played)
    accepted = [one.accepted for one in played]
    known = [one.precision for one in played if one.precision is not None]
    return {
        "cell": name,
        "projects": n,
        "attempts": sum(one.attempts for one in played),
        "issued": sum(one.issued for one in played),
        "broken": broken,
        "rate": broken / n,
        "at_least_999": _bound(broken, n, 0.001),
        "worst_precision": min(known, default=math.nan),
        "accepted_median": float(np.median(accepted)),
        "answers_median": float(np.median([one.answers for one in played])),
    }


def _bound(broken: int, n: int, level: float) -> float:
    """The exact one-sided lower bound of a rate."""
    return float(beta.ppf(level, broken, n - broken + 1)) if broken else 0.0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
