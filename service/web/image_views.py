"""Records which reviews' images were fetched; an image waits for the database for a short time only.

In: reviews whose image is about to be served. Out: one row each. An image waits up to WAIT_S for its row, so that the
row is usually on disk before anybody can answer; while the database is busy the image is served without it, and the
row is written as soon as possible.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa
import sqlalchemy.exc

from db.outages import outage_of
from db.session import transaction
from db.views import dashboard
from labeling.types import ReviewId
from service.logs import get_logger

WAIT_S = 0.25
RETRY_S = 1.0
REMEMBERED = 200_000
log = get_logger(__name__)


class ImageViews:
    """One thread that writes; it starts with the first image and ends with `close`."""

    def __init__(self, database: sa.Engine, now: Callable[[], datetime]) -> None:
        self._database, self._now = database, now
        self._written: set[ReviewId] = set()
        self._waiting: dict[ReviewId, datetime] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    def note(self, review_id: ReviewId) -> None:
        """The image of this review is being served; a repeat does nothing."""
        with self._changed:
            if review_id in self._written or self._closing:
                return
            self._waiting.setdefault(review_id, self._now())
            self._start()
            self._changed.notify_all()
            self._changed.wait_for(lambda: review_id not in self._waiting, WAIT_S)

    def close(self) -> None:
        """Write what is left, once, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout=6.0)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="image-views", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                batch = dict(list(self._waiting.items())[:500])
                closing = self._closing
            written = not batch or self._write(batch)
            with self._changed:
                if written:
                    self._forget(batch)
                if closing and (not written or not self._waiting):
                    return
                if not written:
                    self._changed.wait_for(lambda: self._closing, RETRY_S)

    def _write(self, batch: dict[ReviewId, datetime]) -> bool:
        try:
            with transaction(self._database) as session:
                dashboard.mark_viewed(session, batch)
        except Exception as error:  # noqa: BLE001 - the thread's edge: an image that was served is written by and by
            fault = None if outage_of(error) is not None else error
            log.warning("image views wait", reviews=len(batch), reason=type(error).__name__, exc_info=fault)
            return False
        return True

    def _forget(self, batch: dict[ReviewId, datetime]) -> None:
        if len(self._written) > REMEMBERED:
            self._written.clear()
        for review_id in batch:
            self._waiting.pop(review_id, None)
            self._written.add(review_id)
        self._changed.notify_all()
