"""`hardcase engines`: list engines, try one on an image, compare them, and plan what a run will cost.

The work is done in this process, with progress; Ctrl-C stops it, and what was paid for is in the call ledger and is not
paid for again. Modules that load models are imported inside the functions.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from db.repositories.people import audit
from db.repositories.projects import projects
from db.session import transaction
from labeling.errors import Conflict, Invalid
from labeling.project import LabelClass, Project, ProjectConfig
from labeling.types import ProjectId
from service.cli import engine_tables as shown
from service.cli.loaded import loaded
from service.cli.output import AsJson, ProjectName, author, bars, connected, emit, failing_clearly
from service.jobs.engine_requests import MOST_IMAGES, MOST_PILOT, EngineRequest, ReportKind
from service.settings import Settings, load_settings

if TYPE_CHECKING:
    from service.figures.engine_reports import Trial
    from service.work.engine_reports.dry_run import Progress as Watcher
    from service.work.wiring import Parts

app = typer.Typer(no_args_is_help=True)
Engines = Annotated[
    list[str] | None, typer.Option("--engine", help="An engine, `name` or `name:model`; again for another.")
]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List every kind of engine, whether it can be used here, and which projects use it.

    Example: hardcase engines list
    """
    from service.work.engine_reports.listing import list_engines

    with connected(as_json) as hardcase:
        document = list_engines(hardcase.settings, hardcase.read(projects.everyone))
        emit(as_json, document, lambda console: shown.kinds(console, document))


@app.command()
def show(
    project: ProjectName,
    engine: Annotated[str, typer.Argument(metavar="ENGINE", help="`name` or `name:model`.")],
    as_json: AsJson = False,
) -> None:
    """Show one engine as a project uses it: its revision, prompts, calibration, counts and cost.

    Example: hardcase engines show animals bundled
    """
    from service.work.engine_reports import listing

    with loaded(as_json, project) as (parts, found):
        document = listing.show(parts, found, engine)
        emit(as_json, document, lambda console: shown.engine(console, document))


@app.command("try")
def try_(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="A file, or the number of an image of the project.")],
    engine: Annotated[str, typer.Option(help="The engine, `name` or `name:model`.")] = "bundled",
    project: Annotated[str, typer.Option(help="The project whose labels, guidelines and budget are used.")] = "",
    labels: Annotated[str, typer.Option(help="Without a project: labels, with commas between them.")] = "",
    text: Annotated[str, typer.Option(help="Text that goes with a file.")] = "",
    as_json: AsJson = False,
) -> None:
    """Run one engine on one image, and print its whole answer.

    Example: hardcase engines try cat.jpg --engine bundled --labels cat,dog
    """
    if bool(project) == bool(labels):
        raise typer.BadParameter("say either --project or --labels")
    if labels:
        with failing_clearly(as_json):
            tried = _try_alone(load_settings(), _project_of(labels), engine, image, text)
    else:
        with loaded(as_json, project) as (parts, found), _watched(as_json) as progress:
            tried = _try_in(parts, found, engine, image, text, progress)
    document = msgspec.to_builtins(tried)
    emit(as_json, document, lambda console: shown.tried(console, document))


@app.command()
def compare(
    project: ProjectName,
    engine: Engines = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_IMAGES, help="At most so many labelled images.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Compare engines on gold and blind evaluation labels: accuracy, calibration, cost, speed, agreement.

    Example: hardcase engines compare animals --engine bundled --engine dual-encoder:openai/clip-vit-base-patch32
    """
    request = EngineRequest(kind=ReportKind.COMPARE, engines=tuple(engine or ()), limit=limit)
    _report(project, request, as_json, shown.comparison)


@app.command()
def plan(
    project: ProjectName,
    engine: Engines = None,
    pilot: Annotated[int, typer.Option(min=0, max=MOST_PILOT, help="Pay for so many images to measure more.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Forecast what a run over the project will cost in money and hours, with intervals.

    Example: hardcase engines plan animals --pilot 5
    """
    request = EngineRequest(kind=ReportKind.PLAN, engines=tuple(engine or ()), pilot=pilot)
    _report(project, request, as_json, shown.plan)


def _report(project: str, request: EngineRequest, as_json: bool, human: Any) -> None:
    """Make a report, store it for the pages, and print it."""
    from service.work.engine_reports.report import keep, make

    with loaded(as_json, project) as (parts, found):
        with _watched(as_json) as progress:
            document = make(parts, found, request, progress)
        kept = keep(parts, found, request, document, author())
        with transaction(parts.database) as session:
            name, now = found.config.name, datetime.now(UTC)
            audit.record(session, author(), f"engines.{request.kind.value}", name, {"report": kept}, now, found.id)
        emit(as_json, {"report": kept, **document}, lambda console: human(console, document))


def _try_in(parts: Parts, project: Project, engine: str, image: str, text: str, progress: Watcher) -> Trial:
    """In a project: one of its images by its number, else a file."""
    from service.work.engine_reports.dry_run import load
    from service.work.engine_reports.report import try_engine, try_image

    if image.isdigit() and not Path(image).exists():
        return try_image(parts, project, (engine,), int(image), progress).answers[0]
    item = _item(parts.settings, image, text)
    return try_engine(load(parts, project, engine), project, engine, item)


def _try_alone(settings: Settings, project: Project, engine: str, image: str, text: str) -> Trial:
    """Without a project: nothing is stored, and no endpoint can be called, because there is no call ledger."""
    from labeling.project import EngineUse
    from service.work.engine_reports.report import try_engine
    from service.work.engines.factory import make_engine

    item = _item(settings, image, text)
    use = EngineUse(engine, below_margin=1.0)
    return try_engine(make_engine(project, settings, use), project, engine, item)


def _item(settings: Settings, image: str, text: str) -> Any:
    """A file as engines get images of a project: checked, upright, without metadata."""
    from hashlib import sha256

    from labeling.ingest.decoding import decode
    from labeling.prelabel.engine import Item
    from service.ingest.register import limits_of

    path = Path(image)
    if not path.is_file():
        raise Invalid(f"There is no file {image}. Name an image file, or with --project the number of an image.")
    data = path.read_bytes()
    return Item(decode(data, limits_of(settings)).image, text or None, key=sha256(data).hexdigest())


@app.command()
def probe(
    model: Annotated[str, typer.Argument(metavar="ENDPOINT/MODEL", help="An endpoint of endpoints.yaml, and a model.")],
    as_json: AsJson = False,
) -> None:
    """Test what a model at an endpoint can do: images, schemas, log-probabilities, tools, usage.

    Example: hardcase engines probe local/qwen3-vl
    """
    from service.work.engines.endpoint_engines import probe_endpoint

    with connected(as_json) as hardcase:
        found = probe_endpoint(hardcase.settings, hardcase.database, model)
        document = {"endpoint": found.endpoint, "model": found.model, "url": found.url, "at": found.created_at}
        result = {**document, "abilities": found.result}
        emit(as_json, result, lambda console: shown.probe(console, result))


def _project_of(labels: str) -> Project:
    """A project that exists for one image only."""
    names = list(dict.fromkeys(name.strip() for name in labels.split(",") if name.strip()))
    if len(names) < 2:
        raise Invalid("Give at least two labels: --labels cat,dog")
    config = ProjectConfig("try", tuple(LabelClass(name) for name in names))
    return Project(ProjectId(0), config, 0, secrets.token_hex(8), datetime.now(UTC))


@contextmanager
def _watched(as_json: bool) -> Iterator[Watcher]:
    """A bar for each engine; Conflict on Ctrl-C."""
    with bars(as_json) as display:
        lines: dict[str, Any] = {}

        def progress(what: str, done: int, of: int) -> None:
            if what not in lines:
                lines[what] = display.add_task(what, total=of)
            display.update(lines[what], completed=done, total=of)

        try:
            yield progress
        except KeyboardInterrupt as stopped:
            raise Conflict(
                "Stopped; no report was made. What was asked of an endpoint is kept, and is not paid for again."
            ) from stopped
