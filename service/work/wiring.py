"""Builds what the worker's steps work with, once a process, and hands it down as one value.

`Parts` is made here and nowhere else; the web process has its own wiring, so that it never imports torch.
"""

from __future__ import annotations

import ctypes
import gc
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar, cast

import sqlalchemy as sa

from db.session import make_engine
from labeling.adapters.decoders.pool import Decoders
from labeling.adapters.label_studio.client import LabelStudio
from labeling.adapters.storage.embedding_store import EmbeddingStore
from labeling.adapters.storage.image_store import ImageStore
from labeling.adapters.storage.vectors_of_0_1_0 import old_tables, take_over
from labeling.ingest.headers import Limits
from labeling.prelabel.engine import Engine
from labeling.project import EngineUse, Project
from labeling.types import ProjectId
from service.jobs.jobs import Jobs
from service.logs import get_logger
from service.settings import Settings
from service.work.engines.factory import make_engine as load_engine
from service.work.failpoints import Failpoints

__all__ = [
    "EngineFor",
    "Memo",
    "Parts",
    "decoders_for",
    "make_parts",
    "open_embeddings",
    "release_freed_memory",
    "set_aside_what_is_loaded",
    "utc_now",
]

log = get_logger(__name__)
T = TypeVar("T")


class EngineFor(Protocol):
    """Loads an engine once and keeps it warm: the project's first, or the one that a use of it names."""

    def __call__(self, project: Project, use: EngineUse | None = None) -> Engine: ...


class Memo:
    """Values by name, each with what it was made of: made anew only when that has changed. Of one process."""

    def __init__(self) -> None:
        self._held: dict[Hashable, tuple[object, object]] = {}

    def get(self, name: Hashable, made_of: object, make: Callable[[], T]) -> T:
        """The value of this name; `make` is called where none is held that was made of the same."""
        held = self._held.get(name)
        if held is None or held[0] != made_of:
            held = (made_of, make())
            self._held[name] = held
        return cast(T, held[1])

    def clear(self) -> None:
        self._held.clear()


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a step may need."""

    settings: Settings
    database: sa.Engine
    jobs: Jobs
    images: ImageStore
    embeddings: EmbeddingStore
    label_studio: LabelStudio
    engine_for: EngineFor
    failpoint: Failpoints
    now: Callable[[], datetime]
    memo: Memo = field(default_factory=Memo)
    decoders: Decoders = field(default_factory=lambda: decoders_for(Limits().max_decoding_bytes))


def make_parts(settings: Settings) -> Parts:
    """Connect everything once; engines are loaded when a project first needs theirs."""
    database = make_engine(settings.database)
    engines: dict[tuple[ProjectId, EngineUse | None], tuple[int, Engine]] = {}
    locks: defaultdict[tuple[ProjectId, EngineUse | None], threading.Lock] = defaultdict(threading.Lock)

    def engine_for(project: Project, use: EngineUse | None = None) -> Engine:
        with locks[project.id, use]:  # two jobs may want one engine at once; it is loaded once
            version, engine = engines.get((project.id, use), (0, None))
            if engine is None or version != project.config_version:
                engine = load_engine(project, settings, use, database)
                engines[project.id, use] = (project.config_version, engine)
            return engine

    return Parts(
        settings=settings,
        database=database,
        jobs=Jobs(database),
        images=ImageStore(settings.storage),
        embeddings=open_embeddings(settings.home),
        label_studio=LabelStudio(
            settings.label_studio_url,
            settings.label_studio_token.get_secret_value(),
            timeout_s=settings.label_studio_timeout_s,
        ),
        engine_for=engine_for,
        failpoint=Failpoints(settings.failpoint),
        now=utc_now,
        decoders=decoders_for(settings.max_decoding_bytes),
    )


def decoders_for(max_decoding_bytes: int) -> Decoders:
    """One decoding process for each processor, at most four."""
    return Decoders(max_decoding_bytes, min(os.cpu_count() or 1, 4))


def open_embeddings(home: Path) -> EmbeddingStore:
    """The vectors of a home; those that 0.1.0 kept in another form are taken over."""
    folder = home / "embeddings"
    store = EmbeddingStore(str(folder), cache=home / "cache")
    taken, left = take_over(folder, store), old_tables(folder)
    if taken or left:
        log.info("tables of LanceDB are not read any more and may be deleted", taken_over=taken, left=len(left))
    return store


def set_aside_what_is_loaded() -> None:
    """Take what is loaded by now out of the garbage collector's passes, which begin here.

    Libraries make half a million objects that never go; looking through them again and again was more than half of
    what reading many rows cost.
    """
    gc.collect()
    gc.freeze()
    gc.enable()


def release_freed_memory() -> None:
    """Give back to the system what a step has freed: the C library keeps it for later."""
    with suppress(AttributeError, OSError):  # only glibc has this
        ctypes.CDLL(None).malloc_trim(0)


def utc_now() -> datetime:
    return datetime.now(UTC)
