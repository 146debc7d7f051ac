"""Whether the database is at the schema of this code, and what to do if not."""

from __future__ import annotations

import sqlalchemy as sa

from db import migrate
from labeling.errors import Conflict


def bring_to_head(database: sa.Engine) -> None:
    """Run our migrations and the durable engine's; a database of a newer hardcase is refused."""
    import dbos  # a command that only checks the schema does without it

    at = migrate.revision(database)
    if at is not None and not migrate.knows(at):
        raise Conflict(f"The database is at schema {at}, made by a newer hardcase: update this one.")
    migrate.upgrade(database)
    dbos.run_dbos_database_migrations(database.url.render_as_string(hide_password=False))


def check_schema(database: sa.Engine) -> None:
    """Conflict unless the database is at the newest schema, with what to do about it."""
    at, wanted = migrate.revision(database), migrate.head()
    if at is None:
        raise Conflict("This database has no tables yet. Run `hardcase init`.")
    if at != wanted:
        way_out = "Run `hardcase init` to migrate it." if migrate.knows(at) else "Update this hardcase: it is older."
        raise Conflict(f"The database is at schema {at}, this hardcase needs {wanted}. {way_out}")
