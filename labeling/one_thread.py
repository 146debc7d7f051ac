"""Linear algebra on one thread, for sums in one order: the same input gives the same bytes, whatever else computes.

The number of threads belongs to the process, and steps compute beside each other: the first to enter limits it, the
last to leave puts it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from threadpoolctl import threadpool_limits

__all__ = ["one_thread"]


class _Limit:
    """How many are inside, and what puts the threads back."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.inside = 0
        self.limits: threadpool_limits | None = None


_limit = _Limit()


@contextmanager
def one_thread() -> Iterator[None]:
    """Until the block ends, and no other is inside, BLAS computes on one thread."""
    with _limit.lock:
        _limit.inside += 1
        if _limit.inside == 1:
            _limit.limits = threadpool_limits(1)
    try:
        yield
    finally:
        with _limit.lock:
            _limit.inside -= 1
            if not _limit.inside and _limit.limits is not None:
                _limit.limits.restore_original_limits()
