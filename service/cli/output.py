"""What all commands share: their connections, their output, their errors, and how they follow a job.

Exit codes: 0 done, 1 failed, 2 wrong usage. With --json exactly one JSON document goes to standard output.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from db.outages import outage_of
from db.repositories.people import audit
from db.repositories.people.audit import Place
from db.repositories.projects import projects
from db.repositories.running import heartbeats
from db.session import make_engine, reading, transaction
from labeling.errors import Conflict, HardcaseError, Invalid, Unavailable
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from labeling.types import Actor
from service.settings import Settings, keep_secret, load_settings

if TYPE_CHECKING:
    from labeling.adapters.label_studio.client import LabelStudio
    from service.jobs.arguments import Arguments
    from service.jobs.jobs import Jobs, JobStatus

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Here = Annotated[bool, typer.Option("--here", help="Do the work in this process instead of asking the worker.")]
ProjectOption = Annotated[
    str | None,
    typer.Option("--project", help="The project's name or number; may be left out where there is one alone."),
]
ProjectName = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's name or number.")]

P = ParamSpec("P")
T = TypeVar("T")
WORKER_STALE_AFTER = timedelta(seconds=30)
_ENDED = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})


@dataclass(frozen=True)  # no slots: `jobs` is made when it is first asked for
class Connected:
    """What a command works with: settings, the database, and a client to ask for jobs."""

    settings: Settings
    database: sa.Engine

    @cached_property
    def jobs(self) -> Jobs:
        from service.jobs.jobs import Jobs  # the durable engine costs 0.1 s, and commands that only read go without it

        return Jobs(self.database)

    def read(self, what: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a function that reads the database."""
        with reading(self.database) as session:
            return what(session, *args, **kwargs)

    def close(self) -> None:
        if "jobs" in self.__dict__:
            self.jobs.close()
        self.database.dispose()


@contextmanager
def connected(as_json: bool, *, at_head: bool = True) -> Iterator[Connected]:
    """Open the database of this home, and print errors; Conflict if its schema is not the newest."""
    from service.schema import check_schema

    with failing_clearly(as_json):
        settings = load_settings()
        if settings.is_sqlite and not (settings.home / "hardcase.db").exists() and not settings.database_url:
            raise Conflict(f"There is no hardcase in {settings.home} yet. Run `hardcase init`, or set HARDCASE_HOME.")
        hardcase = Connected(settings, make_engine(settings.database))
        try:
            if at_head:
                check_schema(hardcase.database)
            with audit.acting_from(Place("command line")):
                yield hardcase
        finally:
            hardcase.close()


@contextmanager
def in_project(as_json: bool, name: str | None) -> Iterator[tuple[Connected, Project]]:
    """The same with a project by its name or number; None: the only one."""
    with connected(as_json) as hardcase:
        yield hardcase, hardcase.read(projects.only) if name is None else hardcase.read(projects.resolve, name)


@contextmanager
def label_studio(settings: Settings) -> Iterator[LabelStudio]:
    """A client of Label Studio."""
    from labeling.adapters.label_studio.client import LabelStudio

    token, timeout_s = settings.label_studio_token.get_secret_value(), settings.label_studio_timeout_s
    with closing(LabelStudio(settings.label_studio_url, token, timeout_s=timeout_s)) as studio:
        yield studio


@contextmanager
def failing_clearly(as_json: bool) -> Iterator[None]:
    """Turn an error of hardcase, or an outage, into a message and exit code 1; any other error keeps its traceback."""
    try:
        yield
    except (HardcaseError, OSError, SQLAlchemyError) as error:
        shown = _shown(error)
        if shown is None:
            raise
        if as_json:
            sys.stdout.write(json.dumps({"error": type(shown).__name__, "message": shown.message}) + "\n")
        else:
            Console(stderr=True).print(f"[bold red]{type(shown).__name__}[/]: ", end="")
            Console(stderr=True, highlight=False).print(shown.message, markup=False)
        raise typer.Exit(1) from error


def _shown(error: HardcaseError | OSError | SQLAlchemyError) -> HardcaseError | None:
    """What is shown to a person; None for a fault, and for a reader of our output that has gone."""
    if isinstance(error, HardcaseError):
        return error
    outage = None if isinstance(error, BrokenPipeError) else outage_of(error)
    return outage and type(outage)(f"{outage.message} {str(getattr(error, 'orig', error))[:200]}")


def author() -> str:
    """The user's name, for the history; the number where a container's user has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def actor(reason: str) -> Actor:
    """The user, their reason, and the time."""
    return Actor(author(), reason, datetime.now(UTC))


def keep_typed_secret(hardcase: Connected, name: str, what: str, action: str, subject: str) -> str:
    """Read a secret and keep it under this name; returns where it is kept.

    It is typed without display or comes from standard input; other users of the machine could read an argument.
    """
    prompt = f"{what} of {subject}"
    typed = str(typer.prompt(prompt, hide_input=True, err=True)) if sys.stdin.isatty() else sys.stdin.readline()
    found = typed.strip()
    if not found or not found.isascii() or not found.isprintable() or " " in found:
        raise Invalid("This is no key. Give one line of letters, digits and signs, without spaces.")
    keep_secret(hardcase.settings, name, found)
    with transaction(hardcase.database) as session:
        audit.record(session, author(), action, subject, {}, datetime.now(UTC))
    return f"The {what.lower()} of {subject} is kept in {hardcase.settings.home / 'secrets.json'}."


def emit(as_json: bool, document: Any, *human: Callable[[Console], None] | Table | str) -> None:
    """Print a result: the document as JSON; else lines and tables as they are, or what `human` prints."""
    if as_json:
        sys.stdout.write(json.dumps(document, default=str, ensure_ascii=False) + "\n")
        return
    for part in human:
        if callable(part):
            part(Console())
        else:
            Console().print(part, markup=False, emoji=False)


def fields_of(value: object, names: Iterable[str]) -> dict[str, Any]:
    """These attributes, for JSON."""
    return {name: getattr(value, name) for name in names}


def table(title: str, columns: Sequence[str], rows: Iterable[Iterable[object] | Mapping[str, object]]) -> Table:
    """A table; a mapping gives the cells of the columns. Cells are data, never markup, and nothing is cut off."""
    from rich.table import Column
    from rich.text import Text

    made = Table(*(Column(one, overflow="fold") for one in columns), title=title, title_justify="left")
    made.header_style = "bold"
    for row in rows:
        cells = [row[name] for name in columns] if isinstance(row, Mapping) else row
        made.add_row(*[Text("" if cell is None else str(cell)) for cell in cells])
    return made


@dataclass(frozen=True, slots=True)
class Bar:
    """The progress of long work."""

    expect: Callable[[int], None]
    tick: Callable[..., None]


def bars(as_json: bool, *, counting: bool = True) -> Progress:
    """Progress on standard error, hidden with --json and where standard error is not a terminal."""
    words = TextColumn("{task.description}", markup=False)
    columns = (words, BarColumn(), MofNCompleteColumn()) if counting else (SpinnerColumn(), words)
    quiet = as_json or not sys.stderr.isatty()
    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), disable=quiet, transient=True)


@contextmanager
def progress(what: str, as_json: bool) -> Iterator[Bar]:
    """A progress bar while the block works."""
    with bars(as_json) as shown:
        line = shown.add_task(what, total=None)
        yield Bar(lambda total: shown.update(line, total=total), lambda done=1: shown.advance(line, done))


def do_job(
    job: JobName,
    project_name: str,
    arguments: Arguments | None = None,
    *,
    as_json: bool,
    here: bool = False,
    watch: Callable[[Connected, Project], str] = lambda hardcase, project: "",
    first: Callable[[Connected, Session, Project], object] = lambda hardcase, session, project: None,
) -> None:
    """Ask for a job and follow it to its end; `watch` says how far it is. Ctrl-C stops following only.

    `first` is done in the transaction that asks for the job.
    """
    from service.jobs.arguments import stored_arguments

    with in_project(as_json, project_name) as (hardcase, project), _worker_here(hardcase) if here else nullcontext():
        with transaction(hardcase.database) as session:
            first(hardcase, session, project)
            detail, now = {"args": list(stored_arguments(job, arguments))}, datetime.now(UTC)
            audit.record(session, author(), f"job.{job.value}", project.config.name, detail, now, project.id)
            job_id = hardcase.jobs.ask(session, job, project.id, Trigger.HAND, arguments)
        status = _follow(hardcase, job_id, lambda: watch(hardcase, project), as_json, worker_expected=not here)
    _report(status, as_json)


@contextmanager
def _worker_here(hardcase: Connected) -> Iterator[None]:
    """Run a worker in this process."""
    from service.logs import set_up_logs
    from service.work.worker import running_worker, worker_lock

    set_up_logs(level=hardcase.settings.log_level, as_json=hardcase.settings.log_json)
    with worker_lock(hardcase.settings), running_worker(hardcase.settings):
        yield


def _follow(
    hardcase: Connected, job_id: str, watch: Callable[[], str], as_json: bool, *, worker_expected: bool
) -> JobStatus:
    from service.logs import get_logger

    with bars(as_json, counting=False) as progress:
        line = progress.add_task("asked for", total=None)
        status = _status(hardcase, job_id)
        try:
            while status.state not in _ENDED and (not worker_expected or _worker_alive(hardcase)):
                progress.update(line, description=f"{status.job} {status.state.lower()} {watch()}")
                time.sleep(0.3)
                status = _status(hardcase, job_id)
        except KeyboardInterrupt:  # following stops; the job goes on
            get_logger(__name__).debug("stopped following", job=job_id)
        return status


def _status(hardcase: Connected, job_id: str) -> JobStatus:
    status = hardcase.jobs.status(job_id)
    if status is None:
        raise Unavailable(f"The job {job_id} is not known any more.")
    return status


def _worker_alive(hardcase: Connected) -> bool:
    newest = hardcase.read(heartbeats.newest)
    return newest is not None and datetime.now(UTC) - newest < WORKER_STALE_AFTER


def _report(status: JobStatus, as_json: bool) -> None:
    if status.state == "SUCCESS":
        counts = ", ".join(f"{name} {value}" for name, value in (status.result or {}).items())
        words = f"{status.job} done: {counts or 'nothing to do'}"
    elif status.state in _ENDED:
        words = f"{status.job} failed: {(status.error or '').rstrip('.')}. `hardcase jobs list` shows more."
    else:
        words = (
            f"{status.job} is {status.state.lower()} (job {status.id}) and goes on without this command. "
            "If nothing happens, start the worker with `hardcase up`."
        )
    emit(as_json, job_document(status), words)
    if status.state in _ENDED and status.state != "SUCCESS":
        raise typer.Exit(1)


def copies_words(copies: int) -> list[str]:
    """A line on names that lead to the same image, where there are any."""
    return [f"{copies:,} of the names are byte-identical copies: the same bytes are one image."] if copies else []


def job_document(status: JobStatus) -> dict[str, Any]:
    """A job as JSON."""
    return fields_of(status, ("id", "job", "state", "result", "error"))
