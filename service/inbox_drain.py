"""Moves webhook events from the spool to the inbox and asks for the review job, in one transaction.

Killed in between, it does the same again: the inbox keeps an event once by its key, and the spool forgets it
only after the commit. A busy main database delays this, never the answer to Label Studio.
"""

from __future__ import annotations

import threading
from types import TracebackType

import sqlalchemy as sa

from db.repositories import inbox
from db.session import transaction
from labeling.errors import HardcaseError
from labeling.types import JobName, Trigger
from service.jobs import Jobs
from service.logs import get_logger
from service.spool import Spool

__all__ = ["InboxDrain", "drain"]

log = get_logger(__name__)


def drain(spool: Spool, database: sa.Engine, jobs: Jobs, n: int = 500) -> int:
    """Move up to `n` events; return how many left the spool."""
    events = spool.drain(n)
    if not events:
        return 0
    with transaction(database) as session:
        found = [inbox.Event(e.key, e.project_id, e.action, dict(e.hint), e.received_at) for e in events]
        for project_id in sorted(inbox.add(session, found)):
            jobs.ask(session, JobName.REVIEW, project_id, Trigger.ANSWERED)
    spool.done([event.key for event in events])
    return len(events)


class InboxDrain:
    """A thread that drains every `every_s` seconds while the `with` block runs, and once more at its end."""

    def __init__(self, spool: Spool, database: sa.Engine, jobs: Jobs, *, every_s: float) -> None:
        self._parts = (spool, database, jobs)
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inbox-drain", daemon=True)

    def __enter__(self) -> InboxDrain:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            last = self._ended.wait(self._every_s)
            try:
                while drain(*self._parts):
                    continue
            except (sa.exc.SQLAlchemyError, HardcaseError) as error:
                log.warning("webhook events stay in the spool for now", error=type(error).__name__)
            if last:
                return
