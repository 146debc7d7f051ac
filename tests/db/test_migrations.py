"""The schema: up, down, up on both databases, and tables that agree with the newest migration."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from db import migrate
from db.session import make_engine
from db.tables import Base
from labeling.errors import Conflict
from service.schema import bring_to_head, check_schema


def _ours(engine: sa.Engine) -> set[str]:
    return set(sa.inspect(engine).get_table_names()) & set(Base.metadata.tables)


def test_the_schema_goes_up_down_and_up_again(any_database: sa.Engine) -> None:
    everything = set(Base.metadata.tables)
    assert _ours(any_database) == everything

    migrate.downgrade(any_database)
    after_down = _ours(any_database)
    migrate.upgrade(any_database)

    assert after_down == set()
    assert _ours(any_database) == everything


def test_the_tables_agree_with_the_newest_migration(any_database: sa.Engine) -> None:
    def ours_only(_thing: object, name: str | None, kind: str, reflected: bool, _other: object) -> bool:
        return not (kind == "table" and reflected and name not in Base.metadata.tables)

    with any_database.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": ours_only})
        difference = compare_metadata(context, Base.metadata)

    assert difference == []


def test_the_migrations_are_numbered_as_their_files_are_and_follow_each_other() -> None:
    folder = Path(__file__).parents[2] / "alembic"
    config = Config()
    config.set_main_option("script_location", str(folder))
    scripts = ScriptDirectory.from_config(config)

    found = [script.revision for script in scripts.walk_revisions()]

    assert found == sorted((path.name[:4] for path in (folder / "versions").glob("*.py")), reverse=True)
    assert migrate.head() == scripts.get_current_head()
    assert all(map(migrate.knows, found))
    assert not migrate.knows("9999")


def test_where_a_database_is_agrees_with_what_alembic_says(any_database: sa.Engine) -> None:
    states = []
    for step in (migrate.upgrade, migrate.downgrade):
        step(any_database)
        with any_database.connect() as connection:
            states.append(
                (migrate.revision(any_database), MigrationContext.configure(connection).get_current_revision())
            )
    migrate.upgrade(any_database)

    assert states == [(migrate.head(), migrate.head()), (None, None)]


def test_a_database_without_tables_says_to_run_init(tmp_path: Path) -> None:
    empty = make_engine(f"sqlite:///{tmp_path}/empty.db")

    with pytest.raises(Conflict, match="hardcase init"):
        check_schema(empty)
    empty.dispose()


def test_a_database_of_a_newer_hardcase_is_refused(database: sa.Engine) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(Conflict, match="older"):
        check_schema(database)
    with pytest.raises(Conflict, match="newer"):
        bring_to_head(database)


def test_bringing_to_head_twice_changes_nothing(database: sa.Engine) -> None:
    bring_to_head(database)
    bring_to_head(database)

    check_schema(database)
    assert migrate.revision(database) == migrate.head()
