"""What a file system says when it cannot do as asked, in the words of our errors."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from labeling.errors import StorageFull, Unavailable

__all__ = ["FULL", "explained"]

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors that mean that no room is left."""


@contextmanager
def explained(what: str) -> Iterator[None]:
    """StorageFull or Unavailable in place of an OSError; that a file is not there is for the caller to judge."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull from error
        raise Unavailable(f"The {what} storage failed ({error.strerror or type(error).__name__}).") from error
