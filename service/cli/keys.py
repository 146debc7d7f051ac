"""`hardcase key`: keys for the API and the pages. A key is printed once, when it is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.text import Text

from db.repositories.people import audit, keys
from db.repositories.people.keys import StoredKey
from db.repositories.projects import projects
from db.session import transaction
from labeling.jobs import Role
from service.auth import issue_key
from service.cli.output import AsJson, author, connected, emit, fields_of, table

app = typer.Typer(no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.READ,
    project: Annotated[list[str] | None, typer.Option(help="Only this project (repeatable); default: all.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="It ends after so many; default: never.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it, this once.

    Example: hardcase key create anna --role engineer --project animals --days 90
    """
    with connected(as_json) as hardcase:
        now = datetime.now(UTC)
        with transaction(hardcase.database) as session:
            for wanted in project or []:
                projects.by_name(session, wanted)
            ends = None if days is None else now + timedelta(days=days)
            stored, text = issue_key(session, name=name, role=role, projects=project, now=now, expires_at=ends)
            audit.record(session, author(), "key.create", stored.prefix, {"name": name, "role": role.value}, now)
        heading = f"Key for {name} ({role.value}); it is not shown again:"
        document = {**_document(stored), "key": text}
        emit(as_json, document, heading, lambda console: console.print(Text(text), soft_wrap=True))


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all keys; their texts are not kept.

    Example: hardcase key list
    """
    with connected(as_json) as hardcase:
        everyone = hardcase.read(keys.everyone)
        columns = ["prefix", "name", "role", "projects", "ends", "revoked"]
        rows = ([k.prefix, k.name, k.role.value, _sees(k), k.expires_at, k.revoked_at] for k in everyone)
        emit(as_json, [_document(k) for k in everyone], table("keys", columns, rows))


@app.command()
def revoke(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="The key's prefix, as `key list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """End a key; its page sessions end with it.

    Example: hardcase key revoke 3f9a0c
    """
    with connected(as_json) as hardcase:
        now = datetime.now(UTC)
        with transaction(hardcase.database) as session:
            stored = keys.revoke(session, prefix, now)
            audit.record(session, author(), "key.revoke", stored.prefix, {"name": stored.name}, now)
        emit(as_json, _document(stored), f"Key {prefix} of {stored.name} is revoked.")


def _sees(key: StoredKey) -> str:
    return "all" if key.projects is None else ", ".join(key.projects)


def _document(key: StoredKey) -> dict[str, object]:
    return fields_of(key, ("prefix", "name", "role", "projects", "created_at", "expires_at", "revoked_at"))
