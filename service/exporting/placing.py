"""Writes an export under a temporary name beside its place, and renames it when it is complete.

A reader never gets half an export, also when the process is killed; the next export removes what is left (`NAME.tmp`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labeling.errors import Conflict, not_written


@contextmanager
def staged_file(to: Path) -> Iterator[Path]:
    """A file to write; it replaces an existing one when the block ends without an error."""
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
            staged.unlink(missing_ok=True)


@contextmanager
def staged_folder(to: Path) -> Iterator[Path]:
    """A folder to fill; it gets its name when the block ends without an error. Conflict if the place is not empty."""
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
    """Turn an OSError into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise not_written(to, error, "Name a place that can be.") from error
