"""Whether the worker is so far behind that more would only pile up.

In: the registrations of all projects. Out: nothing, or BacklogFull. What waits for a bucket or a host that does not
answer is not the worker's backlog: it would keep all other images out for as long as that place is away.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from db.repositories.images import progress
from labeling.adapters.sources.addresses import place_of
from labeling.errors import BacklogFull


def check_backlog(session: Session, most: int) -> None:
    """BacklogFull while the registration `most` places before the newest one waits for the worker."""
    address = progress.behind(session, most)
    if address is None:
        return
    place = place_of(address)
    if not (place and progress.is_waited_for(session, place)):
        raise BacklogFull
