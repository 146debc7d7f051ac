"""`hardcase stream`: what measures a project, and the end of measuring."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from db.session import transaction
from service.cli.output import AsJson, ProjectName, actor, emit, in_project
from service.figures.estimates import Known
from service.figures.figures import stored
from service.figures.random_stream import RandomStream
from service.projects.measuring import cost_of_measuring, release_reserve


def stream(
    project: ProjectName,
    release: Annotated[
        bool, typer.Option(help="End measuring for good: the reserve may be asked and learnt from.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why measuring ends; it is kept.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show how a project is measured: the random stream, its figures and its cost.

    Example: hardcase stream animals
    """
    with in_project(as_json, project) as (hardcase, found):
        if release:
            with transaction(hardcase.database) as session:
                freed = release_reserve(session, found, actor(reason))
            emit(as_json, {"released": freed}, f"Measuring has ended: {freed} groups may be asked and learnt from.")
            return
        figure = hardcase.read(stored, found.id, RandomStream)
        document = {"measuring": cost_of_measuring(found), "stream": msgspec.to_builtins(figure)}
        emit(
            as_json, document, *(_lines(figure) if figure else ["Not counted yet: the worker does it with its sweep."])
        )


def _lines(figure: RandomStream) -> list[str]:
    as_of = datetime.fromisoformat(figure.as_of).astimezone(UTC).strftime("%d %B %Y") if figure.as_of else "today"
    lines = [
        f"Reserved: {figure.reserved} groups ({figure.share:.1%}); {figure.answered} answered, "
        f"{figure.waiting} waiting, {figure.left} to draw.",
        f"Figures rest on {figure.rests_on} of them and speak of the {figure.groups} groups of {as_of}.",
        f"Accuracy on the collection: {_words(figure.on_collection)}.",
        f"Accuracy on what is left ({figure.left_over} groups): {_words(figure.on_what_is_left)}; hard images were "
        "asked about, so what is left is easier, and only sampled images that are like it count here.",
        f"Answers that went into measuring: {figure.answers} of {figure.answers_in_all}.",
    ]
    if figure.undecided:
        lines.append(f"{figure.undecided} that nobody could tell count as errors.")
    if figure.newcomers:
        lines.append(f"On the {figure.newcomers} groups that came later: {_words(figure.on_newcomers)}.")
        lines.append(f"On all of them, each part weighed by its numbers: {_words(figure.on_everything)}.")
    if figure.reserved and not figure.left and not figure.waiting:
        lines.append("The reserve is used up: measuring has ended.")
    return lines


def _words(one: Known) -> str:
    if one.value is None or one.lower is None or one.upper is None:
        return f"not yet known ({one.n} answers; 30 are needed)"
    return f"{one.value:.3f} [{one.lower:.3f}, {one.upper:.3f}] on {one.n}"
