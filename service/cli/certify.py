"""`hardcase certify`: what the machine's labels are promised to be, every attempt, and a forecast of the next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from db.session import reading
from service.cli.loaded import loaded
from service.cli.output import AsJson, ProjectOption, emit, in_project, table
from service.figures.machine_labels import NextAttempt
from service.labels.certificates import NO_GOLD, Attempt, Certificates, read_certificates
from service.projects.savings import NOT_COUNTED, next_attempt


def certify(
    name: Annotated[str | None, typer.Argument(metavar="PROJECT", help="The project; left out: the only one.")] = None,
    project: ProjectOption = None,
    dry_run: Annotated[bool, typer.Option(help="Forecast the next attempt from training labels and counts.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show which labels by machine are promised to be right, every attempt, and when the next is due.

    Nothing is tried by this: the worker does so at planned sizes of the random stream.

    Example: hardcase certify animals --dry-run
    """
    if dry_run:
        from service.work.certify.forecast import forecast

        with loaded(as_json, name or project) as (parts, found):
            forecasted = forecast(parts, found.id)
        shown = msgspec.to_builtins(forecasted)
        shown.pop("at_most")  # it is no bound
        emit(as_json, shown, forecasted.words)
        return
    with in_project(as_json, name or project) as (hardcase, found), reading(hardcase.database) as session:
        state, ahead = read_certificates(session, found), next_attempt(session, found)
        document = {**msgspec.to_builtins(state), "next_attempt": msgspec.to_builtins(ahead)}
        emit(as_json, document, *_lines(state, ahead), *_attempts(state))


def _lines(state: Certificates, ahead: NextAttempt | None) -> Iterator[str]:
    if state.terms is None:
        yield "The project file names no target: no label comes from the machine. See `policy.certificate`."
    else:
        yield f"Promise: {state.promise}."
    yield state.sentence
    if state.standing is not None:
        yield state.standing.human_error.words if state.standing.human_error else NO_GOLD
    if state.due is not None:
        yield state.due.words
        if state.due.size is not None:
            yield f"Next attempt: {ahead.words if ahead else NOT_COUNTED}"


def _attempts(state: Certificates) -> Iterator[Table | str]:
    if not state.attempts:
        return
    names = ["number", "when", "version", "set", "sampled", "wrong", "accepted", "delta"]
    yield table("attempts", names, [_row(one) for one in state.attempts])
    for one in state.attempts:
        came = one.why or (one.ended and f"ended: {one.ended}") or f"stands: {one.promise}"
        yield f"Attempt {one.id}: {came}"


def _row(one: Attempt) -> tuple[str, ...]:
    counts = (one.version, one.size, one.sampled, one.errors, one.accepted)
    return (str(one.id), f"{one.at:%Y-%m-%d %H:%M}", *map(str, counts), f"{one.delta:.4f}")
