"""`hardcase next`: what to do next, by the wrong labels that it is expected to correct for its price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from service.cli.output import AsJson, ProjectName, emit, in_project, table
from service.figures.next_action import NextAction, NextImage, OneAction
from service.projects.next_action import MEASURED, MOST, next_action

if TYPE_CHECKING:
    from rich.table import Table


def next_best(
    project: ProjectName,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="So many images at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what to do next, by the wrong labels that it is expected to correct for its price.

    Example: hardcase next animals --limit 10
    """
    with in_project(as_json, project) as (hardcase, found):
        ranked = hardcase.read(next_action, found, limit)
        if ranked is None:
            emit(as_json, None, "Not counted yet: the worker ranks with its next sweep, once images are pre-labelled.")
            return
        emit(as_json, msgspec.to_builtins(ranked), *_lines(ranked), _actions(ranked), _images(ranked))


def _lines(found: NextAction) -> list[str]:
    timed = f"median of {found.timed} timed answers" if found.timed >= 30 else "assumed, too few answers were timed"
    return [
        MEASURED,
        f"{found.expected_wrong:.0f} labels are expected to be wrong now.",
        f"{found.accept} of {found.pool} images are best left as they are.",
        f"An answer takes {found.seconds:.1f} s ({timed}).",
        f"People are held to err in {100 * found.used_error:.0f} % of their answers, by the assumption of one error in "
        f"ten and {found.pairs} images that two of them answered.",
        f"The ranking is {_by(found)}.",
    ]


def _by(found: NextAction) -> str:
    if found.wage > 0:
        return f"by money: {found.wage:g} {found.currency} an hour of people's work, and what engines cost"
    return "by seconds of people; `policy.stop.wage` counts money too"


def _actions(found: NextAction) -> Table:
    columns = ["action", "images", "seconds", f"{found.currency} each", "the best correct", "and teach", "an hour"]
    columns += [f"per {found.currency}", ""]
    rows = [_action(one) for one in found.actions]
    filled = [at for at in range(len(columns)) if any(row[at] for row in rows)]  # no column without a number
    return table("What could be done", [columns[at] for at in filled], [[row[at] for at in filled] for row in rows])


def _action(one: OneAction) -> list[str]:
    best = "" if one.corrects is None else f"{one.corrects:.1f} of {one.best}"
    cells = [one.engine or one.action, str(one.images), _number(one.seconds, 1), _number(one.money, 4), best]
    return [*cells, _number(one.teaches, 1), _number(one.per_hour, 0), _number(one.per_money, 1), one.note]


def _images(found: NextAction) -> Table:
    columns = ["image", "do", "wrong now, after", "corrects", "seconds", "why"]
    return table("First", columns, [_image(one) for one in found.first])


def _image(one: NextImage) -> list[str]:
    wrong = f"{100 * one.wrong_now:.0f} %, {100 * one.wrong_after:.0f} %"
    do = one.engine or one.action
    return [str(one.image_id), do, wrong, f"{one.corrects:.2f}", f"{one.seconds:.0f}", one.reason]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
