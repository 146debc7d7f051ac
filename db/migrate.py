"""Bring a database to the newest schema, and tell whether it is there.

The scripts are `alembic/` in a checkout and `db/migrations/` in the wheel.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

__all__ = ["downgrade", "head", "knows", "revision", "upgrade"]


def _config() -> Config:
    here = Path(__file__).parent
    shipped = here / "migrations"
    config = Config()
    config.set_main_option("script_location", str(shipped if shipped.is_dir() else here.parent / "alembic"))
    return config


def upgrade(engine: sa.Engine, to: str = "head") -> None:
    """Run the migrations that are missing, up to `to`."""
    config = _config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def downgrade(engine: sa.Engine, to: str = "base") -> None:
    """Take the migrations back, down to `to`."""
    config = _config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, to)


def head() -> str:
    """The newest revision that this code knows."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    assert newest is not None
    return newest


def revision(engine: sa.Engine) -> str | None:
    """The revision that the database is at; None for an empty one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def knows(at: str) -> bool:
    """Whether this code has the migration that a database says it is at."""
    return any(script.revision == at for script in ScriptDirectory.from_config(_config()).walk_revisions())
