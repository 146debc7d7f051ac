"""Which commands there are, where each of them is, and how the program is called."""

from __future__ import annotations

from typing import ClassVar

import typer

from service.cli.lazy_group import Entry, LazyGroup


class _Commands(LazyGroup):
    """Every command; a help line is the first one of the command's own help (a test compares them)."""

    entries: ClassVar = {
        "init": Entry(
            "service.cli.run:init", "Make or migrate the database and the signing secret of this home (HARDCASE_HOME)."
        ),
        "up": Entry("service.cli.run:up", "Run web, worker and schedules until Ctrl-C or SIGTERM."),
        "doctor": Entry(
            "service.cli.run:doctor", "Check everything that must be right for the loop to turn, each with the way out."
        ),
        "demo": Entry(
            "service.cli.run:demo",
            "Play the whole loop on real images with simulated annotators in a real Label Studio.",
        ),
        "adopt": Entry(
            "service.cli.adopt:adopt",
            "Take over a Label Studio project with its tasks and answers; annotators go on in it.",
        ),
        "ingest": Entry(
            "service.cli.ingest:ingest", "Bring images into a project; pre-labels and questions follow by themselves."
        ),
        "sync": Entry("service.cli.work:sync", "Bring Label Studio and hardcase into step: answers in, questions out."),
        "select": Entry("service.cli.work:select", "Choose the next images for people."),
        "learn": Entry(
            "service.cli.work:learn",
            "Fit a new version on the labels so far; whether it is promoted is judged afterwards.",
        ),
        "promote": Entry("service.cli.work:promote", "Put a version in use by hand, whatever the gate said."),
        "rollback": Entry("service.cli.work:rollback", "Go back to the champion before this one."),
        "status": Entry(
            "service.cli.results:status",
            "Show where a project stands: images by state, labels, the champion, what failed.",
        ),
        "export": Entry(
            "service.cli.results:export",
            "Write all labels with where each comes from, "
            "as csv, jsonl, parquet, imagenet, huggingface, label-studio or coco.",
        ),
        "backend": Entry(
            "service.cli.backend:backend",
            'Print the address under which Label Studio\'s "Model" settings reach a project. It is a secret.',
        ),
        "release": Entry(
            "service.cli.release:release", "Freeze the labels with their figures into one page, under your name."
        ),
        "project": Entry("service.cli.projects:app", "Make, show, list and edit projects."),
        "engines": Entry("service.cli.engines:app", "List, try, compare and plan engines."),
        "endpoint": Entry("service.cli.endpoints:app", "List endpoints, and keep the keys that they want."),
        "snapshot": Entry("service.cli.snapshots:app", "Freeze the labels under a name, and compare two states."),
        "messages": Entry("service.cli.messages:app", "See who is told what; keep the secrets that it takes."),
        "team": Entry("service.cli.team:app", "See how annotators do; pause them, or void their answers."),
        "key": Entry("service.cli.keys:app", "Create, list and revoke API keys."),
        "jobs": Entry("service.cli.results:jobs_app", "See background jobs, and revive dead letters."),
    }


app = typer.Typer(
    name="hardcase", cls=_Commands, no_args_is_help=True, pretty_exceptions_show_locals=False, rich_markup_mode="rich"
)


@app.callback()
def hardcase() -> None:
    """Label images with as little human effort as possible, and prove how good the labels are."""


def main() -> None:
    """The entry point."""
    app()
