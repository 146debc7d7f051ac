"""The list of commands, and the entry point."""

from __future__ import annotations

from typing import ClassVar

import typer

from service.cli.lazy_group import LazyGroup


class _Commands(LazyGroup):
    """Every command: where it is in this package, and the first line of its help (a test compares them)."""

    package = "service.cli"
    entries: ClassVar = {
        "init": ("run:init", "Make or migrate the database and the signing secret of this home (HARDCASE_HOME)."),
        "up": ("run:up", "Run web, worker and schedules until Ctrl-C or SIGTERM."),
        "doctor": ("run:doctor", "Check everything that hardcase needs, and say how to correct what is wrong."),
        "demo": ("run:demo", "Play the whole loop on real images with simulated annotators in a real Label Studio."),
        "adopt": (
            "adopt:adopt",
            "Take over a Label Studio project with its tasks and answers; annotators stay in it.",
        ),
        "ingest": ("ingest:ingest", "Bring images into a project; pre-labels and questions follow by themselves."),
        "sync": ("work:sync", "Read new answers from Label Studio and push new reviews."),
        "select": ("work:select", "Choose the next images for people."),
        "learn": ("work:learn", "Fit a new version on the labels so far; whether it is promoted is judged afterwards."),
        "promote": ("work:promote", "Put a version in use by hand, whatever the gate said."),
        "rollback": ("work:rollback", "Go back to the champion before this one."),
        "stream": ("stream:stream", "Show how a project is measured: the random stream, its figures and its cost."),
        "certify": (
            "certify:certify",
            "Show which labels by machine are promised to be right, every attempt, and when the next is due.",
        ),
        "savings": (
            "savings:savings",
            "Show what choosing the images saves, what the next labels would add, and when to stop.",
        ),
        "next": (
            "next_action:next_best",
            "Show what to do next, by the wrong labels that it is expected to correct for its price.",
        ),
        "groups": ("groups:groups", "Show how many images are near-duplicates of others, or make the groups anew."),
        "status": ("results:status", "Show the state of a project: images, labels, the champion, failures."),
        "undecided": (
            "results:undecided",
            "List the images that nobody who was asked could tell: who was unsure or skipped them, and what is next.",
        ),
        "re-reviews": (
            "re_reviews:re_reviews",
            "Show the share of wrong labels and what more blind re-reviews would tell, or ask for them.",
        ),
        "why": (
            "why:why",
            "Tell the story of one image: what was said of it, why it was asked about, what its label is used for.",
        ),
        "simulate": (
            "simulate:simulate",
            "Play strategies again on labels that are there already, and compare them with a random sample.",
        ),
        "replay": ("replay:replay", "Draw a stored query again, and say whether the same images come out."),
        "export": (
            "results:export",
            "Write all labels with their sources, as csv, jsonl, parquet, imagenet, huggingface, label-studio or coco.",
        ),
        "backend": (
            "backend:backend",
            'Print the address under which Label Studio\'s "Model" settings reach a project. It is a secret.',
        ),
        "release": ("snapshots:release", "Freeze the labels with their figures into one page, under your name."),
        "project": ("projects:app", "Make, show, list and edit projects."),
        "models": ("models:app", "List, show and compare versions, and put one in use by hand."),
        "labels": ("label_set:app", "Add, rename, merge, split or retire classes; what that does is shown before."),
        "engines": ("engines:app", "List, try, compare and plan engines."),
        "endpoint": ("endpoints:app", "List endpoints, and keep their keys."),
        "snapshot": ("snapshots:app", "Freeze the labels under a name, and compare two states."),
        "messages": ("messages:app", "List the targets of notifications, test one, and keep their secrets."),
        "team": ("team:app", "Show how annotators do; pause them, or void their answers."),
        "delete": ("deletions:app", "Delete an image, a source, an annotator's data or a project for good."),
        "key": ("keys:app", "Create, list and revoke API keys."),
        "audit": ("audit:audit", "Read the audit log, newest first: who did what, when and from where."),
        "jobs": ("results:jobs_app", "List background jobs, and retry dead letters."),
    }


app = typer.Typer(
    name="hardcase", cls=_Commands, no_args_is_help=True, pretty_exceptions_show_locals=False, rich_markup_mode="rich"
)


@app.callback()
def hardcase() -> None:
    """Label images with as little human effort as possible, and prove how good the labels are."""


def main() -> None:
    """The entry point."""
    from service.settings import keep_files_private

    keep_files_private()
    app()
