"""A pool of real small pictures that a first engine has looked at, and engines of an escalation that keep count."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from PIL import Image

from db.repositories.running import failures
from db.repositories.running.failures import Failure
from db.session import reading, transaction
from db.tables import GroupRow, ImageRow, PrelabelRow
from labeling.adapters.storage.embedding_store import EmbeddingStore
from labeling.adapters.storage.image_store import ImageStore
from labeling.prelabel.engine import Item, Look, no_vectors
from labeling.prelabel.engines.scripted import ScriptedEngine
from labeling.project import RESERVED, EngineUse, Project
from labeling.types import Evidence, Outcome, Prelabel
from service.settings import Settings
from service.work.failpoints import Failpoints
from service.work.prelabel.escalate import escalate_batch
from service.work.prelabel.prelabel import prelabel_batch
from service.work.wiring import Memo
from tests import factories
from tests.conftest import NOW

ANSWER = Callable[[Item], Prelabel]


def says(
    name: str,
    answer: str | None,
    probs: Sequence[float] = (),
    *,
    outcome: Outcome = Outcome.LABEL,
    flags: Sequence[str] = (),
    cost_micro: int = 0,
    level: str = "high",
) -> Prelabel:
    evidence = Evidence(raw=f'{{"confidence": "{level}"}}', flags=tuple(flags))
    return Prelabel(name, f"{name}-1", tuple(probs), "", 0.0, cost_micro, outcome, answer, evidence)


@dataclass
class Dear:
    """An engine of an escalation; `answer` may raise. Keeps every item that it was given."""

    name: str
    answer: ANSWER
    image_encoder: str = ""
    text_encoder: str = ""
    seen: list[Item] = field(default_factory=list)

    @property
    def revision(self) -> str:
        return f"{self.name}-1"

    def look(self, items: Sequence[Item]) -> Look:
        self.seen += items
        return no_vectors([self.answer(item) for item in items])


@dataclass
class Asking(Dear):
    """One that asks an endpoint, some images at once."""

    at_once: int = 3


@dataclass
class EscalatingParts:
    """What the steps need of a worker's parts; everything in it is real but the engines."""

    settings: Settings
    database: sa.Engine
    images: ImageStore
    embeddings: EmbeddingStore
    first: Any
    dear: dict[str, Any] = field(default_factory=dict)
    failpoint: Callable[[str], None] = field(default_factory=lambda: Failpoints(""))
    memo: Memo = field(default_factory=Memo)

    def engine_for(self, project: Project, use: EngineUse | None = None) -> Any:
        if use is None:
            return self.first
        found = self.dear[use.engine]
        if isinstance(found, Exception):
            raise found
        return found

    def now(self) -> datetime:
        return NOW


def make_escalating(database: sa.Engine, folder: Path, project: Project, probs: Sequence[float]) -> EscalatingParts:
    """Parts whose first engine says the same of every image."""
    first = ScriptedEngine(project.config.classes, lambda item: probs)
    home = Settings(home=folder)
    return EscalatingParts(
        home, database, ImageStore(str(folder / "media")), EmbeddingStore(str(folder / "embeddings")), first
    )


def add_pictures(parts: EscalatingParts, project: Project, n: int, seed: int = 0) -> list[int]:
    """Noise that is no near-duplicate of other noise, looked at by the first engine."""
    rng = np.random.default_rng(seed)
    ids = []
    with transaction(parts.database) as session:
        for _ in range(n):
            pixels = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(pixels).resize((32, 32), Image.Resampling.NEAREST).save(buffer, "PNG")
            key = sha256(buffer.getvalue()).hexdigest()
            parts.images.keep(key, buffer.getvalue(), "image/png", None)
            size = {"width": 32, "height": 32}
            ids.append(factories.image(session, project.id, key, **size))
    while prelabel_batch(parts, project.id)["left"]:  # type: ignore[arg-type]
        pass
    return ids


def escalate(parts: EscalatingParts, project: Project, size: int = 16) -> list[dict[str, int]]:
    """Repeat the step as the worker does, until nothing is left."""
    counts = []
    while True:
        counts.append(escalate_batch(parts, project.id, size))  # type: ignore[arg-type]
        if not counts[-1]["left"] or not (counts[-1]["done"] or counts[-1]["failed"]):
            return counts


def said_by(parts: EscalatingParts, engine: str) -> dict[int, PrelabelRow]:
    with reading(parts.database) as session:
        rows = session.scalars(
            sa.select(PrelabelRow).where(PrelabelRow.engine == engine).order_by(PrelabelRow.image_id)
        )
        return {row.image_id: row for row in rows}


def everyone(parts: EscalatingParts) -> set[int]:
    with reading(parts.database) as session:
        return set(session.scalars(sa.select(ImageRow.id).where(ImageRow.group_id.is_not(None))))


def learnable(parts: EscalatingParts) -> set[int]:
    """Images whose groups are not reserved: what is said of them may be learnt from."""
    with reading(parts.database) as session:
        of_group = sa.select(ImageRow.id).join(GroupRow, GroupRow.id == ImageRow.group_id)
        return set(session.scalars(of_group.where(GroupRow.position >= RESERVED)))


def failures_of(parts: EscalatingParts, project: Project) -> list[Failure]:
    with reading(parts.database) as session:
        return failures.listing(session, project.id, "escalate")
