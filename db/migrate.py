"""Bring a database to the newest schema, and tell whether it is there.

The scripts are `alembic/` in a checkout and `db/migrations/` in the wheel; `NNNN_name.py` makes revision `NNNN`, and
each follows the one before it. Every process asks where the database is, few migrate: only these load Alembic.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.config import Config


def upgrade(engine: sa.Engine, to: str = "head") -> None:
    """Run the migrations that are missing, up to `to`."""
    from alembic import command

    config = _config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def downgrade(engine: sa.Engine, to: str = "base") -> None:
    """Take the migrations back, down to `to`."""
    from alembic import command

    config = _config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, to)


def head() -> str:
    """The newest revision that this code knows."""
    return max(_revisions())


def revision(engine: sa.Engine) -> str | None:
    """The revision that the database is at; None for an empty one."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.scalars(
            sa.select(sa.column("version_num")).select_from(sa.table("alembic_version"))
        ).one_or_none()


def knows(at: str) -> bool:
    """Whether this code has the migration that a database says it is at."""
    return at in _revisions()


def _scripts() -> Path:
    here = Path(__file__).parent
    shipped = here / "migrations"
    return shipped if shipped.is_dir() else here.parent / "alembic"


def _revisions() -> set[str]:
    return {path.name.split("_")[0] for path in (_scripts() / "versions").glob("[0-9]*_*.py")}


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_scripts()))
    return config
