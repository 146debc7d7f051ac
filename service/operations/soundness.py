"""A short look at the database, for `up`, `init` and `doctor`: whether it is sound, within a few seconds.

In: the settings and the database. Out: what is wrong, or an error. `hardcase doctor --deep` reads all of it.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from db.integrity import check_database
from db.write_ahead_log import lost_of_log
from labeling.errors import DatabaseDamaged
from service.settings import Settings

__all__ = ["RESTORE", "lost_of_database", "refuse_damaged", "sound"]

RESTORE = (
    "stop hardcase, put the newest backup of the database in its place, start, and run `hardcase sync PROJECT --full`, "
    "which reads the answers since then from Label Studio. Without a backup, `sqlite3 hardcase.db .recover` saves the "
    "rows that can be read"
)
WITHIN_S = 3.0
"""How long a start or a short look waits for the check: some gigabytes on an ordinary disk."""


def sound(database: sa.Engine) -> tuple[bool, str]:
    """Whether the database is sound as far as could be read within `WITHIN_S`, and what was found."""
    found = check_database(database, deep=False, within_s=WITHIN_S)
    if found.wrong:
        return False, "; ".join(found.wrong[:3])
    if database.dialect.name != "sqlite":
        return True, "PostgreSQL checks its pages" if found.complete else "PostgreSQL keeps no checksums of its pages"
    part = f"nothing wrong in what could be read within {WITHIN_S:.0f} s; `hardcase doctor --deep` reads all of it"
    return True, "every page is sound" if found.complete else part


def lost_of_database(settings: Settings) -> str | None:
    """What the database's log has lost; to be asked before anybody opens it."""
    return lost_of_log(Path(str(sa.make_url(settings.database).database))) if settings.is_sqlite else None


def refuse_damaged(database: sa.Engine) -> None:
    """DatabaseDamaged where a short look finds damage."""
    well, found = sound(database)
    if not well:
        raise DatabaseDamaged(
            f"The database is damaged ({found}). `hardcase doctor --deep` says more. {_big(RESTORE)}."
        )


def _big(text: str) -> str:
    return text[0].upper() + text[1:]
