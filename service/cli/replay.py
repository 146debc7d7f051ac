"""`hardcase replay`: draw a stored query again, and say whether the same images come out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from service.cli.loaded import loaded
from service.cli.output import AsJson, ProjectOption, emit

if TYPE_CHECKING:
    from service.work.select.replay import Replay


def replay(
    query: Annotated[
        int, typer.Argument(metavar="QUERY", min=1, help="The query's number, as `hardcase why` shows it.")
    ],
    project: ProjectOption = None,
    as_json: AsJson = False,
) -> None:
    """Draw a stored query again, and say whether the same images come out.

    Ends with 1 where they do not although nothing of what it was drawn from is gone.

    Example: hardcase replay 3 --project animals
    """
    from service.work.select.replay import replay_query

    with loaded(as_json, project) as (parts, found):
        again = replay_query(parts, found.id, query)
    emit(as_json, {**msgspec.to_builtins(again), "equal": again.equal}, *_lines(again))
    if not again.explained:
        raise typer.Exit(1)


def _lines(again: Replay) -> Iterator[str]:
    version = f", version {again.version}" if again.version is not None else ""
    yield f"{again.words} ({again.strategy}, seed {again.seed}{version})"
    yield from again.gone
    if not again.drawn:
        yield "It cannot be drawn without that."
    elif again.differing:
        yield f"Asked about then, and not drawn again: {', '.join(map(str, again.differing))}."
    if again.others:
        drawn = ", ".join(map(str, again.others))
        why = " (left out when the query was written)" if again.equal else ""
        yield f"Drawn, and not asked about then{why}: {drawn}."
