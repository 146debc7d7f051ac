"""Migrations of databases that hold something: down and up with rows in every table, and killed in their middle."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

from db import migrate
from db.tables import Base
from service.schema import bring_to_head
from tests.db.filling import ROWS, Row, fill, rows_of, tables_of

ROOT = Path(__file__).parents[2]
REVISIONS = sorted(path.name[:4] for path in (ROOT / "alembic" / "versions").glob("[0-9]*.py"))
CACHES = {"figure"}
"""Counted again by the worker: a migration may empty them."""
CHANGED = {("image_group", "position")}
"""Of what a migration gives new values: the order of the random stream, by 0005 and 0008."""


def _kept(before: dict[str, list[Row]], after: dict[str, list[Row]]) -> None:
    """Every row of a table that both have is there, with the values of the columns that both have."""
    for table in (before.keys() & after.keys()) - CACHES:
        assert len(after[table]) >= len(before[table]), table
        for old, new in zip(before[table], after[table], strict=False):
            same = {name for name in old.keys() & new.keys() if (table, name) not in CHANGED}
            assert {name: new[name] for name in same} == {name: old[name] for name in same}, table


def _rows(engine: sa.Engine) -> dict[str, list[Row]]:
    return rows_of(engine, tables_of(engine))


def test_up_then_down_step_by_step_with_rows_in_every_table_loses_none(any_database: sa.Engine) -> None:
    migrate.downgrade(any_database)
    held = _rows(any_database)
    for revision in REVISIONS:
        migrate.upgrade(any_database, revision)
        tables = tables_of(any_database)
        _kept(held, rows_of(any_database, tables))
        fill(any_database, tables)
        held = rows_of(any_database, tables)
    lowest = held
    for revision in reversed(REVISIONS[:-1]):
        before = lowest
        migrate.downgrade(any_database, revision)
        lowest = _rows(any_database)
        _kept(before, lowest)
    migrate.upgrade(any_database)

    assert set(held) == set(Base.metadata.tables)
    assert {table for table, rows in held.items() if len(rows) < ROWS} == set()
    _kept({table: rows for table, rows in held.items() if table in lowest}, _rows(any_database))
    assert migrate.revision(any_database) == migrate.head()


def test_to_the_beginning_and_back_with_rows_in_every_table(any_database: sa.Engine) -> None:
    fill(any_database, tables_of(any_database))

    migrate.downgrade(any_database)
    migrate.upgrade(any_database)

    assert {table.name for table in tables_of(any_database)} == set(Base.metadata.tables)


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from db.session import make_engine
from service.schema import bring_to_head

url, at = sys.argv[1], int(sys.argv[2])
left = [at]

@sa.event.listens_for(sa.Engine, "after_cursor_execute")
def _count(*_):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)

bring_to_head(make_engine(url))
print(at - left[0])
"""


def _migrate_in_a_process(engine: sa.Engine, kill_at: int) -> subprocess.CompletedProcess[str]:
    """Bring it to the newest schema; killed after so many statements (0: not at all, and it prints how many)."""
    url = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", KILLED, url, str(kill_at)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, cwd=ROOT, timeout=120, capture_output=True, text=True, check=False)


def _as_of_old(engine: sa.Engine) -> dict[str, list[Row]]:
    migrate.downgrade(engine, REVISIONS[0])
    fill(engine, tables_of(engine))
    return _rows(engine)


def test_killed_in_the_middle_of_a_migration_the_next_start_goes_on_and_no_row_is_lost(any_database: sa.Engine) -> None:
    before = _as_of_old(any_database)
    any_database.dispose()
    whole = _migrate_in_a_process(any_database, 0)
    assert whole.returncode == 0, whole.stderr
    statements = int(whole.stdout)
    migrate.downgrade(any_database, REVISIONS[0])
    any_database.dispose()

    for part in (0.1, 0.5, 0.9):
        killed = _migrate_in_a_process(any_database, max(1, int(statements * part)))
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert migrate.revision(any_database) in REVISIONS
        any_database.dispose()
    bring_to_head(any_database)

    assert migrate.revision(any_database) == migrate.head()
    _kept(before, _rows(any_database))


def test_every_released_version_has_left_a_home_that_tests_open() -> None:
    headings = re.findall(r"^## (\d\S*)(.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    released = {version for version, when in headings if "unreleased" not in when}
    homes = ROOT / "tests" / "service" / "operations" / "homes"
    kept = {path.name.removeprefix("home-").removesuffix(".tar.xz") for path in homes.glob("*.tar.xz")}

    assert headings and "0.1.0" in kept
    assert released <= kept, "Keep a home of it, and open it in tests/service/operations/test_old_home.py."
