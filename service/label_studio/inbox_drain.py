"""Moves webhook events from the spool to the inbox and asks for the review job, in one transaction.

Killed in between, it does the same again: the inbox keeps an event once by its key, and the spool forgets it
only after the commit. A busy main database delays this, never the answer to Label Studio.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.reviews import inbox
from db.session import transaction
from labeling.errors import HardcaseError
from labeling.jobs import JobName, Trigger
from service.jobs.jobs import Jobs
from service.label_studio.spool import Spool
from service.logs import get_logger

log = get_logger(__name__)


def drain(spool: Spool, database: sa.Engine, jobs: Jobs, n: int = 500) -> int:
    """Move up to `n` events; return how many left the spool."""
    events = spool.drain(n)
    if not events:
        return 0
    with transaction(database) as session:
        for project_id in sorted(inbox.add(session, _of_known_projects(session, events))):
            jobs.ask(session, JobName.REVIEW, project_id, Trigger.ANSWERED)
    spool.done([event.key for event in events])
    return len(events)


class InboxDrain:
    """A thread that drains every `every_s` seconds while the `with` block runs; what is left waits on disk."""

    def __init__(self, spool: Spool, database: sa.Engine, jobs: Jobs, *, every_s: float) -> None:
        self._parts = (spool, database, jobs)
        self._every_s = every_s
        self._ended = threading.Event()
        self._stuck = False
        self._thread = threading.Thread(target=self._run, name="inbox-drain", daemon=True)

    def __enter__(self) -> InboxDrain:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=6)

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            try:
                while drain(*self._parts) and not self._ended.is_set():
                    continue
            except Exception as error:  # noqa: BLE001 - the thread's edge: the next round tries again
                self._log_once(error)
            else:
                self._stuck = False

    def _log_once(self, error: Exception) -> None:
        if not self._stuck:
            fault = None if isinstance(error, sa.exc.SQLAlchemyError | HardcaseError) else error
            log.warning("webhook events stay in the spool for now", reason=type(error).__name__, exc_info=fault)
        self._stuck = True


def _of_known_projects(session: Session, events: Sequence[inbox.Event]) -> list[inbox.Event]:
    known = inbox.known_projects(session, {event.project_id for event in events})
    for project_id in sorted({event.project_id for event in events} - known):
        log.warning("webhook events of a project that does not exist are dropped", project_id=project_id)
    return [event for event in events if event.project_id in known]
