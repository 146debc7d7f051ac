"""Webhooks a second, durable before they are answered, while something else computes (P6).

The real web process (`python -m service.web`: uvicorn, all middleware, the drain running) against a naive one that
commits each request to the same kind of table, and against the disk: one-row commits a second in one thread. The
arms take turns, a CPU-bound process runs beside them, and the client is a raw asyncio one. Then the web process is
killed under load, and every acknowledged event is looked for.

python -m bench.webhook [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.report import at_least, at_most, emit
from bench.webhook_load import Server, send_for
from db.repositories.projects import projects
from db.session import make_engine, transaction
from labeling.project import LabelClass, ProjectConfig
from labeling.types import ProjectId
from service.label_studio.webhook import secret_of
from service.schema import bring_to_head

CONCURRENCY = (1, 16, 64)
TARGET_CONCURRENCY = 16
PROJECT = ProjectId(1)
BURN = "while True: sum(range(10_000))"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    quick = parser.parse_args().quick
    rounds, seconds, kills = (1, 1.0, 2) if quick else (3, 3.0, 10)
    with tempfile.TemporaryDirectory(prefix="bench-webhook") as folder:
        with burning(), naive(Path(folder) / "naive") as slow, ours(make_home(Path(folder) / "ours")) as web:
            lines = [line for _ in range(rounds) for line in one_round(web, slow, Path(folder), seconds)]
        lost, acknowledged = kill_under_load(make_home(Path(folder) / "killed"), kills)
    summary = [median(lines, arm, c) for c in CONCURRENCY for arm in ("hardcase", "naive")]
    floor = statistics.median(line["commits_per_s"] for line in lines if line["arm"] == "disk")
    report = {(line["arm"], line["concurrency"]): line for line in summary}
    mine, busy = report["hardcase", TARGET_CONCURRENCY], report["hardcase", CONCURRENCY[-1]]
    targets = {
        "events_per_s": at_least(mine["events_per_s"], 300),
        "p99_ms": at_most(mine["p99_ms"], 50),
        "over_naive_16": at_least(mine["events_per_s"] / report["naive", TARGET_CONCURRENCY]["events_per_s"], 1),
        "over_naive_64": at_least(busy["events_per_s"] / report["naive", CONCURRENCY[-1]]["events_per_s"], 1),
        "over_one_commit_each": at_least(busy["events_per_s"] / floor, 1),
        "lost_under_sigkill": at_most(lost, 0),
    }
    killed = {"arm": "killed", "kills": kills, "acknowledged": acknowledged, "lost": lost}
    emit("webhook", targets, [*summary, {"arm": "disk", "commits_per_s": floor}, killed])


def one_round(web: Server, slow: Server, folder: Path, seconds: float) -> Iterator[dict[str, Any]]:
    """Every arm once at every concurrency, the disk between them."""
    for concurrency in CONCURRENCY:
        yield send_for(web, concurrency, seconds).line("hardcase", concurrency)
        until_drained(web.home)
        yield send_for(slow, concurrency, seconds).line("naive", concurrency)
        yield {"arm": "disk", "commits_per_s": commits_per_s(folder / "disk.db", seconds / 2)}


def median(lines: list[dict[str, Any]], arm: str, concurrency: int) -> dict[str, Any]:
    """The median of each number over the rounds."""
    same = [line for line in lines if line["arm"] == arm and line["concurrency"] == concurrency]
    numbers = ("events_per_s", "p50_ms", "p99_ms")
    medians = {name: statistics.median(line[name] for line in same) for name in numbers}
    return {"arm": arm, "concurrency": concurrency, **medians, "refused": sum(line["refused"] for line in same)}


# --- the arms -------------------------------------------------------------------------------------------


def make_home(home: Path) -> Path:
    """A migrated database with one project."""
    home.mkdir(parents=True)
    database = make_engine(f"sqlite:///{home / 'hardcase.db'}")
    bring_to_head(database)
    config = ProjectConfig("bench", (LabelClass("cat"), LabelClass("dog")))
    with transaction(database) as session:
        projects.create(session, config, salt="salt", author="bench", now=datetime.now(UTC))
    database.dispose()
    return home


@contextmanager
def ours(home: Path) -> Iterator[Server]:
    """The web process as `hardcase up` starts it."""
    signing, port = secrets.token_urlsafe(48), free_port()
    settings = {"HARDCASE_HOME": str(home), "HARDCASE_PORT": str(port), "HARDCASE_SECRET": signing}
    with running([sys.executable, "-m", "service.web"], settings) as process:
        wait_for(port, process)
        yield Server(home, port, PROJECT, secret_of(signing, PROJECT), process)


@contextmanager
def naive(home: Path) -> Iterator[Server]:
    """The peer: bench/peers/naive_webhook.py."""
    home.mkdir(parents=True)
    secret, port = secrets.token_urlsafe(32), free_port()
    command = [sys.executable, "-m", "bench.peers.naive_webhook", str(home / "naive.db"), str(port), secret]
    with running(command, {}) as process:
        wait_for(port, process)
        yield Server(home, port, PROJECT, secret, process)


def burning() -> Any:
    """Something that computes all the time, as a trainer does."""
    return running([sys.executable, "-c", BURN], {})


@contextmanager
def running(command: list[str], settings: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def commits_per_s(path: Path, seconds: float) -> float:
    """The disk alone: one row a commit, one thread, the same pragmas."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA synchronous=FULL")
        file.execute("CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, hint TEXT)")
        begun, n = time.perf_counter(), 0
        while (passed := time.perf_counter() - begun) < seconds:
            file.execute("INSERT INTO event (hint) VALUES ('{}')")
            n += 1
        return n / passed


# --- what was lost --------------------------------------------------------------------------------------


def kill_under_load(home: Path, kills: int) -> tuple[int, int]:
    """Kill the web process in the middle of its work; (acknowledged events that are nowhere, all acknowledged)."""
    acknowledged: list[int] = []
    for i in range(kills):
        with ours(home) as web:
            acknowledged += send_for(web, CONCURRENCY[-1], 30.0, kill_after_s=0.3 + 0.1 * i).acknowledged
    return len(set(acknowledged) - kept_in(home / "hardcase.db", "inbox") - kept_in(home / "spool.db", "spool")), len(
        acknowledged
    )


def kept_in(path: Path, table: str) -> set[int]:
    with closing(sqlite3.connect(path)) as file:
        rows = file.execute(f"SELECT hint FROM {table}").fetchall()
    return {annotation_id for (hint,) in rows for annotation_id in json.loads(hint)["annotations"]}


def until_drained(home: Path) -> None:
    """Let the drain end, so that the next arm has the machine as this one had it."""
    deadline = time.monotonic() + 120
    with closing(sqlite3.connect(home / "spool.db")) as file:
        while file.execute("SELECT 1 FROM spool LIMIT 1").fetchone() and time.monotonic() < deadline:
            time.sleep(0.1)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until the server listens; RuntimeError if it ended instead."""
    while process.poll() is None:
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
            return
        time.sleep(0.05)
    raise RuntimeError(f"a server ended with {process.returncode} before it listened")


if __name__ == "__main__":
    main()
