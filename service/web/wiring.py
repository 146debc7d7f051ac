"""Builds what the web process works with, once; routes get it as `app.state.parts`.

It never imports the worker, a model or the Label Studio SDK; `tests/service/web/test_web_process.py` starts the
process and checks it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, Request
from sqlalchemy import event

from db.session import make_engine
from labeling.adapters.storage.image_store import ImageStore
from labeling.adapters.storage.storage_faults import Patience
from service.jobs.jobs import Jobs
from service.label_studio.spool import Spool
from service.settings import Settings
from service.web.image_views import ImageViews
from service.web.predictions import Predictions
from service.web.rates import Rate, Tries

BUSY_TIMEOUT_MS = 4_000
"""A person waits for a web request: it gives up (503) long before the worker would."""
STORE_PATIENCE_S = 2.5
"""The same for a bucket, whose clients retry for half a minute."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class WebParts:
    """Everything a route may need."""

    settings: Settings
    database: sa.Engine
    jobs: Jobs
    images: ImageStore
    patience: Patience
    """With places of sources."""
    tries: Tries
    """Of keys that are not in force."""
    uploads: Rate
    """By a key's prefix."""
    spool: Spool
    image_views: ImageViews
    predictions: Predictions
    drawing: dict[int, threading.Lock]
    """One for each project whose plots were asked for: they are drawn once at a time."""
    now: Callable[[], datetime]

    def close(self) -> None:
        self.image_views.close()
        self.predictions.close()
        self.jobs.close()
        self.spool.close()
        self.database.dispose()


def make_parts(settings: Settings, now: Callable[[], datetime] = utc_now) -> WebParts:
    """Open the database, the storage and the spool of these settings."""
    database = make_engine(settings.database, pool_size=20)
    if settings.is_sqlite:
        event.listen(database, "connect", _set_busy_timeout)
    jobs = Jobs(database)
    return WebParts(
        settings=settings,
        database=database,
        jobs=jobs,
        images=ImageStore(settings.storage, Patience(STORE_PATIENCE_S)),
        patience=Patience(STORE_PATIENCE_S),
        tries=Tries(settings.wrong_keys_a_minute),
        uploads=Rate(settings.uploads_a_minute),
        spool=Spool(settings.home / "spool.db"),
        image_views=ImageViews(database, now),
        predictions=Predictions(database, jobs, now),
        drawing={},
        now=now,
    )


def parts_of(request: Request) -> WebParts:
    parts: WebParts = request.app.state.parts
    return parts


PartsDep = Annotated[WebParts, Depends(parts_of)]


def _set_busy_timeout(connection: Any, _record: object) -> None:
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
