"""The results: `hardcase status`, `undecided`, `export`, and `jobs` with their dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from db.repositories.images import progress as so_far
from db.repositories.labels import snapshots
from db.repositories.people import audit
from db.repositories.projects import projects
from db.repositories.reviews import reviews
from db.repositories.running import failures
from db.repositories.versions import versions
from db.session import reading, transaction
from db.views import dashboard, listings
from db.views.undecided import UndecidedState
from service.cli.output import (
    AsJson,
    ProjectName,
    author,
    connected,
    copies_words,
    emit,
    fields_of,
    in_project,
    job_document,
    progress,
    table,
)

if TYPE_CHECKING:
    from service.exporting.label_set import LabelSet
    from service.jobs.jobs import JobStatus

FAILURES = 1_000
"""So many of a project's failures are listed."""
jobs_app = typer.Typer(no_args_is_help=True)
FAILURE = ("step", "subject", "reference", "count", "reason")


def status(project: ProjectName, as_json: AsJson = False) -> None:
    """Show the state of a project: images, labels, the champion, failures.

    Example: hardcase status animals
    """
    with in_project(as_json, project) as (hardcase, found):
        with reading(hardcase.database) as session:
            tally = dashboard.tally(session, found.id)
            champion = versions.champion(session, found.id)
            place = dashboard.label_studio_place(session, found.id)
            newest = versions.promotions(session, found.id)[-5:]
            document = {
                "project": found.config.name,
                "counts": tally.counts if tally else {},
                "counted_at": tally.refreshed_at if tally else None,
                "copies": so_far.copies(session, found.id),
                "open_reviews": reviews.count_open(session, found.id),
                "champion": champion.number if champion else None,
                "verdicts": [{"verdict": p.verdict.value, "reasons": p.reasons, "at": p.created_at} for p in newest],
                "failures": dashboard.failure_counts(session, found.id),
                "label_studio": f"{place.base_url}/projects/{place.ls_project_id}" if place else None,
            }
        emit(as_json, document, lambda console: _show_status(console, document))


def undecided(
    project: ProjectName,
    state: Annotated[UndecidedState | None, typer.Option(help="Only those that wait for this.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the images that nobody who was asked could tell: who was unsure or skipped them, and what is next.

    Example: hardcase undecided animals --state lead
    """
    from service.labels.undecided import listed

    with in_project(as_json, project) as (hardcase, found):
        images = hardcase.read(listed, found, state=state)
        rows = ([one.image_id, one.reference, one.kind or "", one.words] for one in images)
        shown = table("undecided", ["image", "name", "kind", "who could not tell, and what is next"], rows)
        emit(as_json, {"images": [asdict(one) for one in images]}, shown)


def export(
    project: ProjectName,
    to: Annotated[Path, typer.Argument(metavar="TO", help="Where to write it: a file or a new folder.")],
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="Default: what TO ends in.")] = "",
    snapshot: Annotated[str, typer.Option(help="The labels of this snapshot; default: the current ones.")] = "",
    predictions: Annotated[
        Literal["rest", "all", "with"] | None,
        typer.Option(
            help="What the champion says, as machine labels: of the images without a label alone (`rest`), of every "
            "image (`all`), or labels and, of the other images, machine labels (`with`). Left out: labels alone."
        ),
    ] = None,
    at_least: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Machine labels with this score or more; the page shows thresholds.")
    ] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Write all labels with their sources, as csv, jsonl, parquet, imagenet, huggingface, label-studio or coco.

    Example: hardcase export animals birds/ --format imagenet --snapshot v1
    """
    from labeling.adapters.storage.image_store import ImageStore
    from service.exporting import registry
    from service.exporting.label_set import Wanted, open_label_set, with_machine_labels
    from service.labels.snapshots import verify

    if at_least and predictions is None:
        raise typer.BadParameter("it chooses machine labels: give --predictions too", param_hint="--at-least")
    with in_project(as_json, project) as (hardcase, found):
        chosen, frozen = registry.format_for(to, form), None
        if snapshot:
            frozen = hardcase.read(snapshots.by_name, found.id, snapshot)
            frozen = verify(hardcase.database, hardcase.settings.home, found, frozen)
        images = ImageStore(hardcase.settings.storage)
        with progress("labels", as_json) as bar:
            labels = open_label_set(hardcase.database, found, images, frozen, bar.tick)
            if predictions is not None:
                labels = with_machine_labels(labels, hardcase.settings.home, Wanted(predictions), at_least)
            bar.expect(len(labels))
            count = registry.export(labels, to, chosen)
        with transaction(hardcase.database) as session:
            detail = {
                "labels": count,
                "format": form or to.suffix.removeprefix("."),
                "snapshot": snapshot or None,
                "machine": predictions,
            }
            audit.record(session, author(), "export", found.config.name, detail, datetime.now(UTC), found.id)
        machine = _machine_part(labels, at_least)
        document = {"to": to.absolute(), "labels": count, "snapshot": snapshot or None, "machine": machine}
        emit(as_json, document, f"{count} {_WRITTEN[predictions]} in {to}", *_machine_words(machine))


@jobs_app.command("list")
def list_(as_json: AsJson = False, limit: Annotated[int, typer.Option(min=1, max=1000)] = 20) -> None:
    """List the newest jobs, and what has failed.

    Example: hardcase jobs list
    """
    with connected(as_json) as hardcase:
        jobs = hardcase.jobs.list(limit=limit)
        failed = [
            one
            for project in hardcase.read(projects.everyone)
            for one in hardcase.read(listings.failures, project.id, after=None, limit=FAILURES).items
        ]
        rows = ([_time(j.created_at_ms), j.job, j.state, _came(j)] for j in jobs)
        tables = [table("jobs", ["asked at", "job", "state", "result"], rows)]
        if failed:
            letters = ([f.step, f.reference or f.subject, f.count, f.reason] for f in failed)
            tables.append(table("failures", ["step", "file or subject", "times", "reason"], letters))
        listed = [{**fields_of(one, FAILURE), "dead": one.final or one.count >= failures.TRIES} for one in failed]
        emit(as_json, {"jobs": [job_document(job) for job in jobs], "failures": listed}, *tables)


def _came(job: JobStatus) -> str:
    """What came of a job: what it counted, without zeros, or why it failed."""
    if job.result is None:
        return job.error or ""
    counts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in job.result.items() if value)
    return counts or "nothing to do"


@jobs_app.command()
def retry(
    project: ProjectName,
    step: Annotated[str, typer.Option(help="Only failures of this step (fetch, prelabel, job:learn, ...).")] = "",
    as_json: AsJson = False,
) -> None:
    """Give everything that failed another three tries: quarantined images and dead jobs.

    Example: hardcase jobs retry animals --step fetch
    """
    with in_project(as_json, project) as (hardcase, found):
        with transaction(hardcase.database) as session:
            count, now = failures.retry(session, found.id, step or None), datetime.now(UTC)
            detail = {"step": step or None, "count": count}
            audit.record(session, author(), "retry", found.config.name, detail, now, found.id)
        emit(as_json, {"retried": count}, f"{count} will be tried again.")


_WRITTEN = {
    None: "labels",
    "rest": "machine labels, of images without a label,",
    "all": "machine labels, of labelled images too,",
    "with": "labels, and machine labels of the other images,",
}
"""What was written, by `--predictions`."""


def _machine_part(labels: LabelSet, at_least: float) -> dict[str, Any] | None:
    """What an export says of its machine labels; null without any."""
    if labels.machine is None:
        return None
    waiting, first = labels.without_any()
    named = [{"image": name, "why": why} for name, why in first]
    version = labels.machine.said.version.number
    return {"version": version, "at_least": at_least, "without_any_label": waiting, "first_without": named}


def _machine_words(machine: dict[str, Any] | None) -> Iterator[str]:
    if machine is None:
        return
    score = f", with a score of {machine['at_least']} or more" if machine["at_least"] else ""
    yield f"machine labels are those of version {machine['version']}{score}"
    if machine["without_any_label"]:
        yield f"{machine['without_any_label']} images have no label of any kind, for example:"
    for one in machine["first_without"]:
        yield f"  {one['image']}: {one['why']}"


_OF_REVIEWS = ("asked", "open", "answered", "skipped")
"""Counts of questions to people; the others count images and groups."""


def _show_status(console: Console, document: dict[str, Any]) -> None:
    counts = {
        f"reviews {name}" if name in _OF_REVIEWS else name.replace("_", " "): (
            ", ".join(f"{number} {part}" for part, number in value.items()) if isinstance(value, dict) else value
        )
        for name, value in document["counts"].items()
    }
    console.print(table(document["project"], ["counted", ""], counts.items()))
    for line in copies_words(document["copies"]):
        console.print(line)
    if document["counted_at"]:
        console.print(f"counted at {document['counted_at']:%Y-%m-%d %H:%M:%S} UTC; the worker counts with its sweep")
    champion = document["champion"]
    console.print(f"champion: {'none yet' if champion is None else f'version {champion}'}")
    console.print(f"open reviews: {document['open_reviews']}")
    for verdict in document["verdicts"]:
        console.print(
            f"{verdict['at']:%Y-%m-%d %H:%M} {verdict['verdict']}: {' '.join(verdict['reasons'])}", markup=False
        )
    for step, count in document["failures"].items():
        console.print(f"failed in {step}: {count} (`hardcase jobs list` says why)", markup=False)
    if document["label_studio"]:
        console.print(f"label here: {document['label_studio']}", markup=False)


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}"
