"""Every route and every command that changes or takes out something leaves a row in the audit log, or says why not.

Routes come from the application and commands from the command line, so that a new one without a row fails here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import typer
from fastapi.routing import iter_route_contexts

from service.cli import app as command_line
from service.web.app import create_app
from tests.service.audit_log.reach import reaches
from tests.service.web_client import settings_for

RECORD = "db.repositories.people.audit.record"
TAKES_OUT = {
    "GET /api/projects/{project}/machine-labels/download",
    "GET /api/projects/{project}/team/{annotator_id}/data",
    "GET /projects/{project}/machine-labels/download",
}
"""Routes that only read, and give out what is recorded."""
_EVENT = "Label Studio tells what people did there; their answers are kept with their names and times"
_ASKS = "Label Studio asks what to show"
NOT_RECORDED = {
    "POST /webhooks/label-studio/{project_id}": _EVENT,
    "POST /ml/{token}/webhook": _EVENT,
    "POST /ml/{token}/setup": _ASKS,
    "POST /ml/{token}/predict": _ASKS,
    "POST /api/projects/{project}/label-set/preview": "shows what a change would do, and changes nothing",
    "doctor": "looks; --repair makes anew what was made of something else, and shows each",
    "demo": "plays in a home of its own",
    "messages test": "sends one message to a target of the administrator's, and stores nothing",
    "engines try": "stores no result; what it spends is in the call ledger",
    "engines probe": "stores what an endpoint can do, with the time; what it spends is in the call ledger",
    "snapshot verify": "writes at most the file of a snapshot again, with the same hash",
}
READS = {
    "audit", "backend", "certify", "delete list", "endpoint list", "engines list", "engines show", "jobs list",
    "key list", "labels show", "messages list", "models list", "models show", "next", "project history", "project list",
    "project show", "replay", "savings", "simulate", "snapshot compare", "snapshot list", "snapshot show", "status",
    "team show", "undecided", "why",
}  # fmt: skip
"""Commands that change nothing."""


def writing_routes(database: sa.Engine, home: Path) -> Iterator[tuple[str, Callable[..., Any]]]:
    for context in iter_route_contexts(create_app(settings_for(database, home)).routes):
        for method in (context.methods or set()) - {"HEAD"}:
            name = f"{method} {context.path}"
            if method != "GET" or name in TAKES_OUT:
                yield name, context.original_route.endpoint  # type: ignore[attr-defined]


def commands() -> Iterator[tuple[str, Callable[..., Any]]]:
    def leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Callable[..., Any]]]:
        if hasattr(command, "load"):
            command.commands = {name: command.load(name) for name in command.commands}
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from leaves(inner, (*path, name))
        else:
            yield " ".join(path), command.callback.__wrapped__

    yield from leaves(typer.main.get_command(command_line), ())


def test_every_route_that_changes_or_gives_out_something_leaves_a_row(database: sa.Engine, tmp_path: Path) -> None:
    routes = dict(writing_routes(database, tmp_path))

    silent = {name for name, endpoint in routes.items() if not reaches(endpoint, RECORD)}

    assert silent == {name for name in NOT_RECORDED if name.startswith("POST ")}
    assert set(routes) >= TAKES_OUT


def test_every_command_that_changes_or_takes_out_something_leaves_a_row() -> None:
    found = dict(commands())

    silent = {name for name, function in found.items() if not reaches(function, RECORD)}

    assert silent == READS | {name for name in NOT_RECORDED if not name.startswith("POST ")}


@pytest.mark.parametrize("name", ["reaches", "settings_for"])
def test_what_records_nothing_is_noticed(name: str) -> None:
    assert not reaches(globals()[name], RECORD)
