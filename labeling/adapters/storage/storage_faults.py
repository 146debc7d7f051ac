"""What a store says when it cannot do as asked, in the words of our errors, whatever library said it.

In: calls of a file system: a folder, or any that fsspec knows. Out: what they return, or StorageFull, or Unavailable.
Each library raises classes of its own (botocore's, azure's, aiohttp's are no OSError), so none is named here: whatever
comes out of a store is the store's, except mistakes in calling it. What is not there is for the caller to judge.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from labeling.errors import NO_ROOM, HardcaseError, StorageFull, Unavailable

__all__ = ["Patience", "explained"]

MOST_HANGING = 4
"""So many calls may hang; while they do, one more is tried every `RETRY_EVERY_S`, and the others fail at once."""
RETRY_EVERY_S = 5.0
_MISTAKES = (TypeError, AttributeError, NameError, AssertionError, NotImplementedError)
T = TypeVar("T")


@contextmanager
def explained(what: str) -> Iterator[None]:
    """StorageFull or Unavailable in place of a store's own errors; that a file is not there is for the caller to judge.

    Only calls of the store belong into the block.
    """
    try:
        yield
    except (FileNotFoundError, HardcaseError, *_MISTAKES):
        raise
    except Exception as error:
        if any(isinstance(one, OSError) and one.errno in NO_ROOM for one in _chain(error)):
            raise StorageFull from error
        raise Unavailable(f"The {what} storage failed ({_words(error)}). It is tried again.") from error


class Patience:
    """Gives up a call that takes longer than somebody who waits for it can wait; the call itself ends when it ends.

    Parameters
    ----------
    limit_s : float
        How long a call may take.
    bytes_s : float
        For so many bytes that are sent, it may take a second more.
    """

    def __init__(self, limit_s: float, bytes_s: float = 4 * 2**20) -> None:
        self._limit_s, self._bytes_s = limit_s, bytes_s
        self._lock = threading.Lock()
        self._hanging, self._tried_at = 0, 0.0

    def call(self, what: str, do: Callable[[], T], size_bytes: int = 0) -> T:
        """What `do` returns or raises; Unavailable where it takes too long, or where others hang just now."""
        with self._lock:
            if self._hanging >= MOST_HANGING and time.monotonic() - self._tried_at < RETRY_EVERY_S:
                raise _silent(what)
            self._tried_at = time.monotonic()
        answer: Future[T] = Future()
        threading.Thread(target=_answer, args=(answer, do), name=f"{what} storage", daemon=True).start()
        try:
            return answer.result(self._limit_s + size_bytes / self._bytes_s)
        except TimeoutError as error:
            if not answer.done():
                with self._lock:
                    self._hanging += 1
                answer.add_done_callback(self._came_back)
            raise _silent(what) from error

    def _came_back(self, _answer: Future[T]) -> None:
        with self._lock:
            self._hanging -= 1


def _answer(answer: Future[T], do: Callable[[], T]) -> None:
    try:
        answer.set_result(do())
    except BaseException as error:  # noqa: BLE001 - raised in whoever waits for it
        answer.set_exception(error)


def _silent(what: str) -> Unavailable:
    return Unavailable(f"The {what} storage does not answer. Try again in a moment.")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it."""
    while error is not None:
        yield error
        error = error.__cause__


def _words(error: BaseException) -> str:
    """What happened, without what was asked: addresses of stores may carry keys."""
    said = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
