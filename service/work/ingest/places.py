"""Which places do not answer: a bucket or a host that fails rests, so that what lies elsewhere need not wait for it.

In: addresses that were read, and how that went. Out: the places that rest now. Nothing is kept beyond the process: an
image whose place is away is not tried, and loses no try.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from labeling.adapters.sources.addresses import place_of
from service.work.wiring import Parts

FAILS_BEFORE_REST = 3
"""So many reads in a row fail before a place rests: one bad address of a host says nothing about the others."""
FIRST_REST, LONGEST_REST = timedelta(seconds=5), timedelta(seconds=60)


@dataclass(slots=True)
class _Place:
    """How often it failed in a row, and when it last did."""

    failed: int
    at: datetime

    def rests(self, now: datetime) -> bool:
        """A clock that was set anew lets it be tried, and no more."""
        over = self.failed - FAILS_BEFORE_REST
        return over >= 0 and abs(now - self.at) < min(FIRST_REST * 2 ** min(over, 10), LONGEST_REST)


class Places:
    """The places that failed lately; for many threads."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._failed: dict[str, _Place] = {}
        self._lock = threading.Lock()

    def rests(self, address: str) -> bool:
        """Whether the place of this address rests."""
        with self._lock:
            place = self._failed.get(place_of(address))
            return place is not None and place.rests(self._now())

    def resting(self) -> list[str]:
        """What the addresses of the places that rest begin with."""
        with self._lock:
            now = self._now()
            return [name for name, place in self._failed.items() if place.rests(now)]

    def failed(self, address: str) -> None:
        """It did not answer. A place on this machine never rests: it fails at once."""
        if name := place_of(address):
            with self._lock:
                place = self._failed.setdefault(name, _Place(0, self._now()))
                place.failed, place.at = place.failed + 1, self._now()

    def answered(self, address: str) -> None:
        with self._lock:
            self._failed.pop(place_of(address), None)


def places_of(parts: Parts) -> Places:
    """Those of this worker."""
    return parts.memo.get("places", None, lambda: Places(parts.now))
