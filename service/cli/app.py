"""Puts the commands together; the loop's own are in `work.py`, projects in `projects.py`, processes in `run.py`."""

from __future__ import annotations

import typer

from service.cli import (
    adopt,
    backend,
    endpoints,
    engines,
    ingest,
    keys,
    messages,
    projects,
    release,
    results,
    run,
    snapshots,
    team,
    work,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="hardcase",
    help="Label images with as little human effort as possible, and prove how good the labels are.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)
app.add_typer(projects.app, name="project", help="Make, show, list and edit projects.")
app.add_typer(engines.app, name="engines", help="List, try, compare and plan engines.")
app.add_typer(endpoints.app, name="endpoint", help="List endpoints, and keep the keys that they want.")
app.add_typer(snapshots.app, name="snapshot", help="Freeze the labels under a name, and compare two states.")
app.add_typer(messages.app, name="messages", help="See who is told what; keep the secrets that it takes.")
app.add_typer(team.app, name="team", help="See how annotators do; pause them, or void their answers.")
app.add_typer(keys.app, name="key", help="Create, list and revoke API keys.")
app.add_typer(results.jobs_app, name="jobs", help="See background jobs, and revive dead letters.")
for module in (run, adopt, ingest, work, results, backend, release):
    module.add_to(app)


def main() -> None:
    """The entry point."""
    app()
