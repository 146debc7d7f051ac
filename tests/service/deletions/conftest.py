"""A project of which something is deleted, on both databases, or on SQLite where the database makes no difference."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.service.deletions.ground import Ground


@pytest.fixture
def ground(any_database: sa.Engine, tmp_path: Path) -> Ground:
    return Ground(any_database, tmp_path)


@pytest.fixture
def on_sqlite(database: sa.Engine, tmp_path: Path) -> Ground:
    return Ground(database, tmp_path)
