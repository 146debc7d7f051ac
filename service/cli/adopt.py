"""`hardcase adopt`: take over an existing Label Studio project, in place."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from service.cli.output import AsJson, author, connected, emit, label_studio, progress
from service.cli.projects import config_in


def adopt(
    ls_project: Annotated[int, typer.Argument(metavar="LS_PROJECT", help="The project's number in Label Studio.")],
    project: Annotated[
        Path | None, typer.Option("--project", exists=True, dir_okay=False, help="A project file for it.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Its name here; without one, its title there.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take over a Label Studio project with its tasks and answers; annotators stay in it.

    Example: hardcase adopt 7 --name animals
    """
    if project is not None and name is not None:
        raise typer.BadParameter("the project file says the name: use --project or --name, not both")
    with connected(as_json) as hardcase:
        from service.label_studio.takeover import TakingOver

        config = None if project is None else config_in(project)
        with label_studio(hardcase.settings) as studio:
            taking = TakingOver(hardcase.database, hardcase.jobs, studio, author(), lambda: datetime.now(UTC))
            made, people = taking.begin(ls_project, config, name)
            with progress("reading tasks", as_json) as bar:
                bar.expect(studio.count_tasks(ls_project))
                done = taking.tasks(made, people, bar.tick)
        document = {"project": done.project.config.name, "tasks": done.tasks, "new": done.new, "refused": done.refused}
        lines = [f"{done.project.config.name}: read {done.tasks} tasks, {done.new} of them new here."]
        if done.refused:
            lines.append(f"{done.refused} were left out: no usable image address. `hardcase jobs list` says why.")
        lines.append("The worker fetches their images, then every task gets its review and its answers are recorded.")
        emit(as_json, document, *lines)
