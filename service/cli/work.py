"""The loop by hand: ask for a stage's job and follow it, or do it here."""

from __future__ import annotations

from typing import Annotated

import typer

from db.repositories.versions import versions
from labeling.errors import Conflict
from labeling.jobs import JobName
from service.cli.output import AsJson, Here, ProjectName, author, do_job, in_project
from service.jobs.arguments import DecisionByHand, LearnArguments, PromoteArguments, ReviewArguments, SelectArguments

Reason = Annotated[str, typer.Option(help="Why, for the history.")]


def sync(
    project: ProjectName,
    full: Annotated[bool, typer.Option(help="Also look for deletions, over all tasks.")] = False,
    as_json: AsJson = False,
    here: Here = False,
) -> None:
    """Read new answers from Label Studio and push new reviews.

    Example: hardcase sync animals --full
    """
    do_job(JobName.REVIEW, project, ReviewArguments(full=full), as_json=as_json, here=here)


def select(
    project: ProjectName,
    force: Annotated[bool, typer.Option(help="Even if enough reviews are still open.")] = False,
    as_json: AsJson = False,
    here: Here = False,
) -> None:
    """Choose the next images for people.

    Example: hardcase select animals --force
    """
    do_job(JobName.SELECT, project, SelectArguments(force=force), as_json=as_json, here=here)


def learn(project: ProjectName, as_json: AsJson = False, here: Here = False) -> None:
    """Fit a new version on the labels so far; whether it is promoted is judged afterwards.

    Example: hardcase learn animals
    """
    do_job(JobName.LEARN, project, LearnArguments(now=True), as_json=as_json, here=here)


def promote(
    project: ProjectName,
    version: Annotated[int, typer.Argument(help="The version's number, as `hardcase status` shows it.")],
    reason: Reason = "",
    as_json: AsJson = False,
    here: Here = False,
) -> None:
    """Put a version in use by hand, whatever the gate said.

    Example: hardcase promote animals 3 --reason "new camera"
    """
    with in_project(as_json, project) as (hardcase, found):
        hardcase.read(versions.by_number, found.id, version)  # one that is not there is refused at once
    decision = DecisionByHand("promote", version, author(), reason)
    do_job(JobName.PROMOTE, project, PromoteArguments(decision), as_json=as_json, here=here)


def rollback(project: ProjectName, reason: Reason = "", as_json: AsJson = False, here: Here = False) -> None:
    """Go back to the champion before this one.

    Example: hardcase rollback animals --reason "worse on night images"
    """
    with in_project(as_json, project) as (hardcase, found):
        champion = hardcase.read(versions.champion, found.id)
        if champion is None:
            raise Conflict("No version is in use yet, so there is none to go back from.")
    # the version's number makes a second request go back only once
    decision = DecisionByHand("rollback", champion.number, author(), reason)
    do_job(JobName.PROMOTE, project, PromoteArguments(decision), as_json=as_json, here=here)
