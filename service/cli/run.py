"""`hardcase init`, `up`, `doctor` and `demo`: setting up and running the processes."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import sqlalchemy as sa
import typer
from rich.table import Table

from db.session import make_engine, transaction
from service.cli.output import AsJson, Connected, connected, emit, failing_clearly, label_studio, progress, table
from service.settings import Settings, ensure_secret, load_settings, prepare_home

if TYPE_CHECKING:
    from service.operations.deep import Deep


def init(as_json: AsJson = False) -> None:
    """Make or migrate the database and the signing secret of this home (HARDCASE_HOME).

    Example: hardcase init
    """
    with failing_clearly(as_json):
        settings = _set_up(load_settings())
        database = sa.make_url(settings.database).render_as_string(hide_password=True)
        document = {"home": settings.home.absolute(), "database": database}
        emit(as_json, document, f"Ready: {settings.home.absolute()}")


def up(
    label_studio: Annotated[bool, typer.Option("--label-studio", help="Run an embedded Label Studio too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run web, worker and schedules until Ctrl-C or SIGTERM.

    Example: hardcase up --label-studio
    """
    from service.logs import set_up_logs
    from service.operations.label_studio_server import label_studio_child
    from service.operations.processes import check_port, only_one
    from service.operations.up import Supervisor, answers, children_of, telling

    with failing_clearly(as_json):
        settings = load_settings()
        set_up_logs(level=settings.log_level, as_json=settings.log_json)
        prepare_home(settings)
        with only_one(settings.home, os.getpid()):
            check_port(settings.host, settings.port)
            settings = _set_up(settings)
            children = []
            if label_studio:
                child, settings = label_studio_child(settings)
                children.append(child)
            children += children_of(settings)

            def ready() -> None:
                document = {"web": settings.address, "label_studio": settings.label_studio_url, "home": settings.home}
                emit(as_json, document, f"Up: {settings.address} (Ctrl-C stops it)")

            run = Supervisor(children, telling(settings)).run
            code = run(ready, lambda: answers(f"http://{settings.host}:{settings.port}/health"))
    raise typer.Exit(code)


def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Read everything that is kept, and look for damage.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="The same, and make anew what was made of something else.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check everything that hardcase needs, and say how to correct what is wrong.

    Example: hardcase doctor --deep
    """
    from service.operations.doctor import examine

    with connected(as_json, at_head=False) as hardcase:
        logging.getLogger().setLevel(logging.ERROR)
        with label_studio(hardcase.settings) as studio:
            checks = examine(hardcase.settings, hardcase.database, studio)
        well = all(check.ok for check in checks)
        rows = (["ok" if c.ok else "NOT OK", c.name, c.detail if c.ok else f"{c.detail}. {c.way_out}"] for c in checks)
        document: dict[str, Any] = {"ok": well, "checks": [asdict(check) for check in checks]}
        shown = [table("doctor", ["", "check", "result"], rows)]
        if deep or repair:
            found = _examine_deep(hardcase, repair, as_json)
            well = well and found.well
            document |= {"ok": well, "deep": asdict(found)}
            shown += _deep_tables(found)
        emit(as_json, document, *shown)
    raise typer.Exit(0 if well else 1)


def _examine_deep(hardcase: Connected, repair: bool, as_json: bool) -> Deep:
    """Examine everything that is kept; Ctrl-C ends it with what was found so far."""
    from service.operations.deep import Deep, examine_deep
    from service.operations.kept import Ground

    found, ground = Deep(), Ground(hardcase.settings, hardcase.database)
    try:
        with progress("reading what is kept", as_json) as bar:
            examine_deep(ground, found, repair=repair, expect=bar.expect, tick=bar.tick)
    except KeyboardInterrupt:
        logging.getLogger(__name__).info("interrupted")
    finally:
        ground.close()
    return found


def _deep_tables(found: Deep) -> list[Table]:
    kinds = [[kind, count, sum(one.kind == kind for one in found.damages)] for kind, count in found.counts.items()]
    title = "kept" if found.complete else "kept (interrupted: the rest was not examined)"
    rows = [[d.kind, d.name, d.wrong, "made anew" if d.mended else d.way_out] for d in found.damages]
    damages = [table("damaged", ["kind", "which", "what is wrong", "what to do"], rows)] if rows else []
    return [table(title, ["kind", "examined", "damaged"], kinds), *damages]


def demo(
    images: Annotated[str, typer.Option(help="`small`, or a folder of class subfolders; default: all.")] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running and print how to log in.")] = False,
    rounds: Annotated[int, typer.Option(min=0, help="End after so many; 0: when every image is labelled.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Which answers are wrong, and what is drawn.")] = 0,
    home: Annotated[Path, typer.Option(help="Where the demo keeps its files.")] = Path("var/demo"),
    as_json: AsJson = False,
) -> None:
    """Play the whole loop on real images with simulated annotators in a real Label Studio.

    Example: hardcase demo --images small
    """
    from service.demo.play import run_demo

    with failing_clearly(as_json):
        code = run_demo(images=images or None, keep=keep, rounds=rounds, seed=seed, home=home, as_json=as_json)
    raise typer.Exit(code)


def _set_up(settings: Settings) -> Settings:
    """Make what is missing and keep what exists. Running it twice changes nothing."""
    from db.repositories.people import audit
    from service.logs import get_logger
    from service.operations.private_files import close_to_others
    from service.operations.soundness import lost_of_database, refuse_damaged
    from service.schema import bring_to_head

    prepare_home(settings)
    for path in close_to_others(settings):
        get_logger(__name__).warning("others can read a file of the home", path=str(path))
    settings = ensure_secret(settings)
    database = make_engine(settings.database)
    lost = lost_of_database(settings)
    try:
        refuse_damaged(database)
        bring_to_head(database)
        if lost is not None:
            get_logger(__name__).warning("the newest rows of the database are lost", reason=lost)
            with transaction(database) as session:
                audit.record(session, "hardcase", "database.log_lost", "", {"reason": lost}, datetime.now(UTC))
    finally:
        database.dispose()
    return settings
