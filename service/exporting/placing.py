"""Where an export is written: beside its place, and moved there when it is whole.

A reader never sees half an export, whatever kills the process; what it left behind (`NAME.tmp`) is removed by the next.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labeling.errors import Conflict, Invalid, StorageFull

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def staged_file(to: Path) -> Iterator[Path]:
    """A file to write; it takes the place of one that is there when the block ends well."""
    staged = to.with_name(f"{to.name}.tmp")
    with explained(to):
        if to.is_dir():
            raise Conflict(f"{to} is a folder. Name a file.")
        try:
            yield staged
            with staged.open("rb") as file:
                os.fsync(file.fileno())
            staged.replace(to)
        finally:
            if staged.exists():
                staged.unlink()


@contextmanager
def staged_folder(to: Path) -> Iterator[Path]:
    """A folder to fill; it gets its name when the block ends well. A folder that holds anything is never touched."""
    staged = to.with_name(f"{to.name}.tmp")
    with explained(to):
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise Conflict(f"{to} is there already and not empty. Name a new folder, or empty this one.")
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        try:
            yield staged
            if to.exists():
                to.rmdir()
            staged.rename(to)
        finally:
            shutil.rmtree(staged, ignore_errors=True)


@contextmanager
def explained(to: Path) -> Iterator[None]:
    """Say what cannot be written, and what to do about it."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(f"There is no room to write {to}. Free some space and try again.") from error
        raise Invalid(f"{to} cannot be written ({error.strerror}). Name a place that can be.") from error
