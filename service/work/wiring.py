"""Builds what the worker's steps work with, once a process, and hands it down as one value.

`Parts` is made here and nowhere else; the web process has its own wiring, so that it never imports torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from db.session import make_engine
from labeling.adapters.embedding_store import EmbeddingStore
from labeling.adapters.image_store import ImageStore
from labeling.adapters.label_studio import LabelStudio
from labeling.prelabel.engine import Engine
from labeling.types import Project
from service.jobs import Jobs
from service.settings import Settings
from service.work.failpoints import Failpoints

__all__ = ["Parts", "make_parts"]


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a pipeline step may need. `engine_for` loads a project's engine once and keeps it warm."""

    settings: Settings
    database: sa.Engine
    jobs: Jobs
    images: ImageStore
    embeddings: EmbeddingStore
    label_studio: LabelStudio
    engine_for: Callable[[Project], Engine]
    failpoint: Failpoints
    now: Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)
