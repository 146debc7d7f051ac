"""Linear algebra on one thread, for sums in one order: the same input gives the same bytes, whatever else computes.

The number of threads belongs to the process, and steps compute beside each other: the first to enter limits it, the
last to leave puts it back. A library that does the same for itself may put back more threads in the middle of a block
(scikit-learn does; a query was drawn by other sums than its replay), so a worker starts with one for OpenBLAS.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]

_lock = Lock()
_limits: list[Any] = []
"""One of each that is inside; the first knows how many threads there were."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Until the block ends, and no other is inside, what computes in threads has one."""
    with _lock:
        _limits.append(_libraries(len(sys.modules)).limit(limits=1))
    try:
        yield
    finally:
        with _lock:
            last = _limits.pop()
            if not _limits:
                last.restore_original_limits()


@lru_cache(maxsize=1)
def _libraries(_modules: int) -> ThreadpoolController:
    """The libraries that compute in threads: found again once more modules are loaded, for it takes 2.5 ms."""
    return ThreadpoolController()
