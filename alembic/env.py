"""Alembic's entry: run the migrations on the connection or address that it is given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from db.session import make_engine
from db.tables import Base, UtcDateTime


def include_object(thing: object, name: str | None, kind: str, reflected: bool, _other: object) -> bool:
    """Leave alone whatever lives in the same database and is not ours (the durable engine's tables)."""
    return not (kind == "table" and reflected and name not in Base.metadata.tables)


def render_item(kind: str, thing: object, _context: object) -> str | bool:
    """Write our own column types as what they are in SQL, so old migrations never import today's code."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(thing, UtcDateTime) else False


def run(connection: sa.Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=include_object,
        render_item=render_item,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    address = context.config.get_main_option("sqlalchemy.url") or context.get_x_argument(as_dictionary=True)["url"]
    with make_engine(address).connect() as connection:
        run(connection)
        connection.commit()
