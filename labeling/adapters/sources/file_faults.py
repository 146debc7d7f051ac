"""What file systems say when something cannot be read, and what it means: nothing is there, or its place is away.

In: an error of a file system. Out: one of ours, which says what to do.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from labeling.adapters.storage.storage_faults import explained
from labeling.errors import SPENT, BadAddress, Unavailable

__all__ = ["asked", "cause_of", "names_nothing", "one_of"]

_NO_NAME = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL})
"""What a folder of this machine says to a name that nothing has, or that nothing can have."""


@contextmanager
def asked() -> Iterator[None]:
    """For a file that was named: it is there, or is no more, or its place is away."""
    try:
        with explained("source"):
            yield
    except (FileNotFoundError, Unavailable) as error:
        cause = cause_of(error)
        if names_nothing(cause):
            raise BadAddress(
                "There is no such file, or not there any more. Mend its path, or ingest its folder again."
            ) from error
        if isinstance(cause, PermissionError):
            raise Unavailable("The file may not be read. Change its permissions. It is tried again.") from cause
        raise


@contextmanager
def one_of(files: Any) -> Iterator[None]:
    """For one file or folder of many: BadAddress where it alone cannot be read, so that the others go on."""
    try:
        with explained("source"):
            yield
    except (FileNotFoundError, Unavailable) as error:
        cause = cause_of(error)
        if not isinstance(cause, OSError) or not _of_this_alone(files, cause):
            raise
        raise BadAddress(_why_not(cause)) from error


def _of_this_alone(files: Any, error: OSError) -> bool:
    """A store elsewhere that fails has failed for all; on this machine every folder may be a disk of its own."""
    if isinstance(error, PermissionError) or names_nothing(error):
        return True
    return isinstance(files, LocalFileSystem) and error.errno not in SPENT


def _why_not(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "It may not be read. Change its permissions."
    if names_nothing(error):
        return "It is not there any more."
    return f"It cannot be read now ({error.strerror or type(error).__name__})."


def cause_of(error: Exception) -> BaseException | None:
    """What a store said."""
    return error.__cause__ if isinstance(error, Unavailable) else error


def names_nothing(error: BaseException | None) -> bool:
    return isinstance(error, FileNotFoundError) or (isinstance(error, OSError) and error.errno in _NO_NAME)
