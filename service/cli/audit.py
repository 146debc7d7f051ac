"""`hardcase audit`: who did what, when and from where."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from db.repositories.people import audit as log
from db.repositories.people.audit import Wanted
from db.repositories.projects import projects
from service.cli.output import AsJson, connected, emit, table


def audit(
    project: Annotated[
        str, typer.Argument(metavar="[PROJECT]", help="Only about this project: its name or number.")
    ] = "",
    who: Annotated[str | None, typer.Option(help="Only by this name, or by the key of this prefix.")] = None,
    what: Annotated[str | None, typer.Option(help="Only this action, or all that begin with this word.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="From this day on, in UTC: 2026-11-01.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="To the end of this day, in UTC.")
    ] = None,
    after: Annotated[int | None, typer.Option(min=1, help="Only rows before this number: the next page.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Read the audit log, newest first: who did what, when and from where.

    Example: hardcase audit animals --what snapshot.release --since 2026-11-01
    """
    with connected(as_json) as hardcase:
        about = [hardcase.read(projects.resolve, project).id] if project else None
        days = (since and since.date(), until and until.date())
        wanted = Wanted(who, what, *days, about)
        found = hardcase.read(log.listing, wanted, after=after, limit=limit)
        columns = ["when (UTC)", "who", "what", "to what", "detail", "from where"]
        rows = (
            [f"{one.at:%Y-%m-%d %H:%M:%S}", one.actor, one.action, one.subject, _words(one.detail), one.place]
            for one in found.items
        )
        more = [f"There are older ones: --after {found.next_after}"] if found.next_after else []
        document = {"items": [asdict(one) for one in found.items], "next_after": found.next_after}
        emit(as_json, document, table("audit log", columns, rows), *more)


def _words(detail: dict[str, object]) -> str:
    return json.dumps(detail, ensure_ascii=False, default=str) if detail else ""
