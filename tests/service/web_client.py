"""A web process in this process: an app on a migrated database, a client, and keys of every role."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from fastapi.testclient import TestClient
from PIL import Image
from pydantic import SecretStr

from db.session import transaction
from labeling.jobs import Role
from service import auth
from service.settings import Settings
from service.web.app import create_app

SECRET = "0123456789abcdef" * 3


def png(colour: str) -> bytes:
    """A small picture, as the bytes of its file."""
    made = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(made, "PNG")
    return made.getvalue()


@dataclass
class Clock:
    """A clock that a test moves."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.at

    def forward(self, by: timedelta) -> None:
        self.at += by


def settings_for(database: sa.Engine, home: Path, **changes: object) -> Settings:
    url = database.url.render_as_string(hide_password=False)
    values: dict[str, object] = {"home": home, "database_url": url, "secret": SecretStr(SECRET), **changes}
    return Settings(**values)  # type: ignore[arg-type]


@contextmanager
def web(database: sa.Engine, home: Path, clock: Clock | None = None, **changes: object) -> Iterator[TestClient]:
    """A client of a running app; faults are answered, not raised."""
    app = create_app(settings_for(database, home, **changes), now=clock or Clock())
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def make_key(
    database: sa.Engine, role: Role = Role.ADMIN, projects: list[str] | None = None, name: str = "tester"
) -> str:
    with transaction(database) as session:
        return auth.issue_key(session, name=name, role=role, projects=projects, now=datetime.now(UTC))[1]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
