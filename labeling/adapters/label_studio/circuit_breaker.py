"""A circuit breaker for Label Studio: no calls for a while when it does not answer.

In: how calls went, and a clock. Out: whether to call now. After a few failures in a row nothing is sent for a time
that doubles up to a minute; then one call tries again, and the first that succeeds ends the pause.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["CircuitBreaker"]

AFTER = 5
"""So many failures in a row; more than a job's three tries."""
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0


class CircuitBreaker:
    """One server's breaker; `failures` counts those in a row."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.failures = 0
        self._clock, self._until = clock, 0.0

    @property
    def pause_s(self) -> float:
        """How long the server is not to be called from now on; 0 where it may be called.

        >>> moment = [0.0]
        >>> breaker = CircuitBreaker(lambda: moment[0])
        >>> for _ in range(AFTER): breaker.failed()
        >>> breaker.pause_s
        2.0
        >>> moment[0] = 2.5
        >>> breaker.pause_s
        0.0
        """
        return max(0.0, self._until - self._clock()) if self.failures >= AFTER else 0.0

    def failed(self) -> None:
        """A call failed."""
        self.failures += 1
        doubled = FIRST_PAUSE_S * 2.0 ** min(self.failures - AFTER, 10)
        self._until = self._clock() + min(LONGEST_PAUSE_S, doubled)

    def succeeded(self) -> None:
        """An answer came."""
        self.failures = 0
