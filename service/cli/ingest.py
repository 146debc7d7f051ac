"""`hardcase ingest`: bring images in once, or register a source that is read on a schedule.

Modules that decode and fetch are imported inside the functions: other commands would wait for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from db.repositories.images import progress as so_far
from db.repositories.people import audit
from db.session import transaction
from labeling.jobs import JobName
from labeling.project import Project
from service.cli.output import (
    AsJson,
    Connected,
    Here,
    ProjectName,
    author,
    copies_words,
    do_job,
    emit,
    in_project,
    progress,
)

if TYPE_CHECKING:
    from service.ingest.bulk import Ingested


SHOWN = 20
"""So many of what was refused are shown; JSON has more."""


def ingest(
    project: ProjectName,
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Folder, fsspec address, archive, manifest, or an image's URL.")
    ],
    watch: Annotated[bool, typer.Option("--watch", help="Keep looking there for new images, on a schedule.")] = False,
    label_from_folder: Annotated[bool, typer.Option(help="A class subfolder's name is its images' label.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; store nothing.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until the images are fetched.")] = False,
    as_json: AsJson = False,
    here: Here = False,
) -> None:
    """Bring images into a project; pre-labels and questions follow by themselves.

    Example: hardcase ingest animals photos/ --watch
    """
    from service.ingest.allowed_places import outside_home
    from service.ingest.register import add_source, checked_source

    if watch and dry_run:
        raise typer.BadParameter("a source is only noted, so there is nothing to try: use --dry-run without --watch")
    with in_project(as_json, project) as (hardcase, found):
        if not address.startswith(("http://", "https://")):
            address = outside_home(hardcase.settings, address)
        if watch:
            place = checked_source(address)
            with transaction(hardcase.database) as session:
                now = datetime.now(UTC)
                source = add_source(session, hardcase.jobs, found, place, now)
                detail = {"address": source.address}
                audit.record(session, author(), "source.add", found.config.name, detail, now, found.id)
            emit(as_json, {"source": source.address}, f"Watching {source.address}; new images come in by themselves.")
            return
        done = _register(hardcase, found, address, label_from_folder, dry_run, as_json)
        if not dry_run:
            with transaction(hardcase.database) as session:
                counts = {"new": done.new, "changed": done.changed, "same": done.same, "refused": done.refused_count}
                audit.record(session, author(), "images.add", found.config.name, counts, datetime.now(UTC), found.id)
        emit(as_json, msgspec.to_builtins(done), *_lines(done))
    if not (dry_run or no_wait or as_json):
        do_job(JobName.INGEST, project, as_json=as_json, here=here, watch=_how_far)
        with in_project(as_json, project) as (hardcase, found):
            emit(as_json, None, *copies_words(hardcase.read(so_far.copies, found.id)))


def _register(
    hardcase: Connected, project: Project, address: str, label_from_folder: bool, dry_run: bool, as_json: bool
) -> Ingested:
    from labeling.adapters.storage.image_store import ImageStore
    from service.ingest.bulk import Ingesting

    images = ImageStore(hardcase.settings.storage)
    parts = (hardcase.settings, hardcase.database, hardcase.jobs, images, lambda: datetime.now(UTC))
    with progress("registering", as_json) as bar:
        return Ingesting(*parts, label_from_folder, dry_run, bar.tick).path(project, address)


def _how_far(hardcase: Connected, project: Project) -> str:
    counts = hardcase.read(so_far.fetching, project.id)
    return f"{counts.fetched} of {counts.registered} fetched, {counts.failed} in quarantine"


def _lines(done: Ingested) -> Iterator[str]:
    would = "would be " if done.dry_run else ""
    yield f"{done.found} found in this {done.kind}, {done.with_text} with text, {done.with_label} with a label"
    if not done.dry_run:
        yield f"{done.new} new, {done.changed} changed, {done.same} known already"
    if done.refused_count:
        yield f"{done.refused_count} {would}refused:"
        yield from (f"  {reference}: {reason}" for reference, reason in done.refused[:SHOWN])
        if done.refused_count > SHOWN:
            yield f"  and {done.refused_count - SHOWN} more: `--json` lists them"
    yield from (f"{count} ignored: {kind}" for kind, count in done.ignored.items())
