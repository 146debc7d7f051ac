"""`hardcase release`: freeze the labels with their figures into one page under your name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from labeling.adapters.storage.image_store import ImageStore
from service.cli.output import AsJson, ProjectName, author, emit, fields_of, in_project, progress
from service.release.files import PAGE, folder_of


def release(
    project: ProjectName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The release's name; a snapshot of that name is taken.")],
    note: Annotated[str, typer.Option(help="What the labels may be used for, their licence, what to know.")] = "",
    as_json: AsJson = False,
) -> None:
    """Freeze the labels with their figures into one page, under your name.

    Example: hardcase release animals v1 --note "For internal use. Night images are missing."
    """
    from service.release import release as making

    with in_project(as_json, project) as (hardcase, found):
        home = hardcase.settings.home
        order = making.Order(name, author(), note, datetime.now(UTC))
        with progress("labels", as_json) as bar:
            images = ImageStore(hardcase.settings.storage)
            made = making.release(hardcase.database, home, images, found, order, bar.tick)
        page = folder_of(home, found, made.name).absolute() / PAGE
        document = {**fields_of(made, ("name", "labels", "hash")), "page": page}
        emit(as_json, document, f"{made.labels} labels released: {page}")
