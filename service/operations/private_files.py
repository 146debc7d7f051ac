"""What hardcase keeps can be read by its own user alone: folders are 0700, files 0600.

In: the settings of an installation. Out: what an older version made is closed. New files are, too, because every
process starts with `keep_files_private`. Links are never followed, and other users' files are named.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from labeling.errors import Invalid
from service.settings import MASK, Settings


def close_to_others(settings: Settings) -> list[Path]:
    """Take every right of others from the home, the stored images and the database; what could not be changed.

    Raises
    ------
    Invalid
        The home folder itself stays open to others, so nothing in it is private.
    """
    if not _close(settings.home.resolve()):
        raise Invalid(
            f"{settings.home.absolute()} can be read by others, and this user may not change that. Run as its owner, "
            "or set HARDCASE_HOME to a folder that this user makes."
        )
    return [path for path in _kept(settings) if not _close(path)]


def _kept(settings: Settings) -> Iterator[Path]:
    """Every folder and file of the home; the media and the SQLite database where they are somewhere else."""
    home = settings.home.resolve()
    yield from _below(home)
    media = Path(settings.storage).resolve()
    if "://" not in settings.storage and not media.is_relative_to(home) and media.is_dir():
        yield media
        yield from _below(media)
    database = sa.make_url(settings.database).database if settings.is_sqlite else None
    beside = [Path(f"{database}{end}") for end in ("", "-wal", "-shm", "-journal")] if database else []
    yield from filter(Path.is_file, beside)


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(place, name)


def _close(path: Path) -> bool:
    mode = _mode(path)
    if not mode & MASK:
        return True
    try:
        path.chmod(mode & ~MASK)
    except FileNotFoundError:  # a temporary file that has ended meanwhile
        return True
    except PermissionError:  # another user's
        return False
    return not _mode(path) & MASK  # some file systems take a mode and keep another


def _mode(path: Path) -> int:
    """The rights on a folder or file; none for a link, whose own mode means nothing, and for what is gone."""
    try:
        found = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return 0 if stat.S_ISLNK(found) else stat.S_IMODE(found)
