"""How often somebody may try a key that is not in force, or upload: so many times a minute, then 429.

In: a name (a network address, a key's prefix), never a key. Out: nothing, or TooOften with how long to wait. It is held
in this process's memory alone, for the 10,000 names that tried last: a restart forgets it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from labeling.errors import TooOften, Unauthenticated
from service.auth import Caller

KEPT = 10_000
WINDOW_S = 60.0


class Rate:
    """A bucket of `a_minute` tries for each name, which fills again within a minute. 0: no limit."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._step_s = WINDOW_S / a_minute if a_minute else 0.0
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._lock = Lock()

    def wait_s(self, name: str) -> float:
        """Seconds until this name may try again; 0 where it may now."""
        with self._lock:
            return self._wait_s(name, self._clock())

    def take(self, name: str) -> float:
        """Count one try and return 0; where none is left, count nothing and return the seconds to wait."""
        with self._lock:
            now = self._clock()
            wait_s = self._wait_s(name, now)
            if not wait_s and self._step_s:
                self._full_at[name] = max(self._full_at.get(name, now), now) + self._step_s
                self._full_at.move_to_end(name)
                if len(self._full_at) > KEPT:
                    self._full_at.popitem(last=False)
            return wait_s

    def _wait_s(self, name: str, now: float) -> float:
        full_at = max(self._full_at.get(name, now), now)
        return max(0.0, full_at + self._step_s - WINDOW_S - now)


class Tries:
    """Counts keys that are not in force, by the address that they come from and by their prefix.

    Who is over the limit is refused unheard, but for a key that was in force from this very address before: nobody can
    keep its holder out by trying its prefix elsewhere, or from behind the same proxy.
    """

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._by_address, self._by_prefix = Rate(a_minute, clock), Rate(a_minute, clock)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = Lock()

    def tried(self, address: str, prefix: str, identify: Callable[[], Caller]) -> Caller:
        """Who `identify` finds; TooOften where too many were not found."""
        wait_s = max(self._by_address.wait_s(address), self._by_prefix.wait_s(prefix) if prefix else 0.0)
        if wait_s and (address, prefix) not in self._known:
            raise TooOften(wait_s)
        try:
            caller = identify()
        except Unauthenticated:
            if wait_s:
                raise TooOften(wait_s) from None
            self._by_address.take(address)
            if prefix:  # what is not written like a key has none
                self._by_prefix.take(prefix)
            raise
        with self._lock:
            self._known[address, prefix] = None
            self._known.move_to_end((address, prefix))
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return caller
