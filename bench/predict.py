"""Predictions for Label Studio's ML-backend protocol, one task and fifty a request (P4).

The real web process (`python -m service.web`: token, validation, one read of the database a request) against a bare
uvicorn that answers a constant of the same length, and against Label Studio's own backend with a constant model, where
BENCH_ML_BACKEND names a checkout of it. The arms take turns; the client is a raw asyncio one over kept connections.

python -m bench.predict [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
import uvloop

from bench.report import at_least, at_most, emit
from bench.webhook import PROJECT, free_port, make_home, running, wait_for
from db.session import insert_new, make_engine, transaction
from db.tables import GroupRow, ImageRow, LabelStudioProjectRow, PushRow, QueryRow, ReviewRow
from labeling.project import LabelClass, ProjectConfig
from labeling.review.config import labelling_config
from service.label_studio.ml_backend import path_of

CONCURRENCY = (1, 8, 32)
TARGET_CONCURRENCY = 8
BATCHES = (1, 50)
REVIEWS = 2_000
LARGE_BYTES = 1_000_000
WSGI = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True)
class Arm:
    """A server that answers `/predict` under `path`."""

    name: str
    port: int
    path: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    rounds, seconds = (1, 1.0) if parser.parse_args().quick else (3, 3.0)
    with tempfile.TemporaryDirectory(prefix="bench-predict") as folder, ExitStack() as stack:
        arms = [stack.enter_context(ours(fill(make_home(Path(folder) / "ours")))), stack.enter_context(echo())]
        if os.environ.get("BENCH_ML_BACKEND"):
            arms.append(stack.enter_context(official(Path(os.environ["BENCH_ML_BACKEND"]))))
        lines = [
            measure(arm, tasks, concurrency, seconds)
            for _ in range(rounds)
            for tasks in BATCHES
            for concurrency in CONCURRENCY
            for arm in arms
        ]
        large = answer_to(arms[0], body_of(50, padding=LARGE_BYTES // 50))
    summary: list[dict[str, Any]] = [
        median(lines, arm.name, t, c) for t in BATCHES for c in CONCURRENCY for arm in arms
    ]
    if len(arms) == 2:
        summary.append({"arm": "official", "said": "not run: set BENCH_ML_BACKEND to a checkout of it"})
    floor = {f"over_echo_{tasks}": round(over(summary, "echo", tasks) or 0, 3) for tasks in BATCHES}
    summary.append({"arm": "hardcase over echo", **floor})
    emit("predict", targets(summary, large), summary)


def targets(summary: Sequence[dict[str, Any]], large: int) -> dict[str, Any]:
    """Over the official backend where it ran."""
    found = {(line["arm"], line["tasks"], line["concurrency"]): line for line in summary if "tasks" in line}
    return {
        "over_official_1": at_least(over(summary, "official", 1), 20),
        "over_official_50": at_least(over(summary, "official", 50), 20),
        "p99_ms_1": at_most(found["hardcase", 1, TARGET_CONCURRENCY]["p99_ms"], 25),
        "p99_ms_50": at_most(found["hardcase", 50, TARGET_CONCURRENCY]["p99_ms"], 25),
        "status_of_1_mb": at_most(large, 200),
    }


def over(summary: Sequence[dict[str, Any]], peer: str, tasks: int) -> float | None:
    """Our requests a second over a peer's, at the concurrency that counts."""
    at = [line for line in summary if (line.get("tasks"), line.get("concurrency")) == (tasks, TARGET_CONCURRENCY)]
    rates = {line["arm"]: line["requests_per_s"] for line in at}
    return rates["hardcase"] / rates[peer] if peer in rates else None


def measure(arm: Arm, tasks: int, concurrency: int, seconds: float) -> dict[str, Any]:
    """Requests a second and their times over so many connections."""
    times: list[float] = []
    request = request_of(arm, body_of(tasks))

    async def all_at_once() -> float:
        begun = time.perf_counter()
        end = begun + seconds
        await asyncio.gather(*(ask_until(arm, request, end, times) for _ in range(concurrency)))
        return time.perf_counter() - begun

    wall_s = uvloop.run(all_at_once())
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    rate = len(times) / wall_s
    return {
        "arm": arm.name, "tasks": tasks, "concurrency": concurrency, "requests_per_s": rate,
        "tasks_per_s": rate * tasks, "p50_ms": float(p50), "p99_ms": float(p99),
    }  # fmt: skip


async def ask_until(arm: Arm, request: bytes, end: float, times: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", arm.port)
    while (begun := time.perf_counter()) < end:
        writer.write(request)
        if await read_status(reader) != 200:
            raise RuntimeError(f"{arm.name} refused a request")
        times.append(time.perf_counter() - begun)
    writer.close()


async def read_status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
    return int(head.split(b" ", 2)[1])


def answer_to(arm: Arm, body: bytes) -> int:
    async def once() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", arm.port)
        writer.write(request_of(arm, body))
        status = await read_status(reader)
        writer.close()
        return status

    return uvloop.run(once())


def median(lines: Sequence[dict[str, Any]], arm: str, tasks: int, concurrency: int) -> dict[str, Any]:
    """The median of each number over the rounds."""
    same = [x for x in lines if (x["arm"], x["tasks"], x["concurrency"]) == (arm, tasks, concurrency)]
    numbers = ("requests_per_s", "tasks_per_s", "p50_ms", "p99_ms")
    medians = {name: round(statistics.median(line[name] for line in same), 2) for name in numbers}
    return {"arm": arm, "tasks": tasks, "concurrency": concurrency, **medians}


# --- the arms -------------------------------------------------------------------------------------------


@contextmanager
def ours(home: Path) -> Iterator[Arm]:
    """The web process as `hardcase up` starts it."""
    signing, port = secrets.token_urlsafe(48), free_port()
    settings = {"HARDCASE_HOME": str(home), "HARDCASE_PORT": str(port), "HARDCASE_SECRET": signing}
    with running([sys.executable, "-m", "service.web"], settings) as process:
        wait_for(port, process)
        yield Arm("hardcase", port, path_of(signing, PROJECT))


@contextmanager
def echo() -> Iterator[Arm]:
    """The floor: bench/peers/echo.py."""
    port = free_port()
    with running([sys.executable, "-m", "bench.peers.echo", str(port), "150"], {}) as process:
        wait_for(port, process)
        yield Arm("echo", port, "")


@contextmanager
def official(checkout: Path) -> Iterator[Arm]:
    """Label Studio's own backend: one gunicorn process of eight threads, as its images start it."""
    port = free_port()
    gunicorn = [str(checkout / ".venv" / "bin" / "gunicorn"), "--workers", "1", "--threads", "8"]
    where = ["--bind", f"127.0.0.1:{port}", "--chdir", str(WSGI), "official_backend:app"]
    with running([*gunicorn, *where], {"PYTHONPATH": str(checkout)}) as process:
        wait_for(port, process)
        yield Arm("official", port, "")


def fill(home: Path) -> Path:
    """As many reviews as Label Studio ever holds at once, as they stand after a push."""
    database, now = make_engine(f"sqlite:///{home / 'hardcase.db'}"), datetime.now(UTC)
    made = {"created_at": now}
    ids = range(1, REVIEWS + 1)
    with transaction(database) as session:
        place = {
            "project_id": PROJECT, "ls_project_id": 1, "base_url": "http://127.0.0.1", "config_hash": "",
            "webhook_secret": "", "queue_revision": 1, "model_version": "v0-q1", **made,
        }  # fmt: skip
        query = {
            "id": 1, "project_id": PROJECT, "number": 1, "strategy": "margin", "seed": 0, "pool_size": REVIEWS,
            "trigger": "by hand", **made,
        }  # fmt: skip
        image = {
            "project_id": PROJECT, "format": "PNG", "width": 1, "height": 1,
            "size_bytes": 1, "details": {}, "group_id": 1, "fetched_at": now,
        }  # fmt: skip
        review = {"project_id": PROJECT, "query_id": 1, "kind": "hard", "probability": 1.0, "place": 0.0, **made}
        insert_new(session, LabelStudioProjectRow, [place])
        insert_new(session, QueryRow, [query])
        insert_new(session, GroupRow, [{"id": 1, "project_id": PROJECT, "founder_hash": "0", "position": 0.9, **made}])
        insert_new(session, ImageRow, [{"id": i, "content_hash": f"{i:064x}", **image} for i in ids])
        insert_new(
            session, ReviewRow, [{"id": i, "image_id": i, "blind": i % 10 == 0, "token": key(i), **review} for i in ids]
        )
        pushed = {"ls_project_id": 1, "answer": "cat", "pushed_at": now}
        insert_new(
            session, PushRow, [{"review_id": i, "ls_task_id": i, "score": i / (REVIEWS + 1), **pushed} for i in ids]
        )
        session.execute(sa.text("ANALYZE"))
    database.dispose()
    return home


def key(number: int) -> str:
    return f"{number:032d}"


def body_of(tasks: int, padding: int = 0) -> bytes:
    """A body of the shape and size that Label Studio sends."""
    config = ProjectConfig("bench", (LabelClass("cat"), LabelClass("dog")))
    sent = [
        {
            "id": i, "data": {"image": "http://127.0.0.1/" + "x" * 200, "external_id": key(i), "text": "y" * padding},
            "meta": {}, "annotations": [], "predictions": [], "project": 1, "is_labeled": False, "overlap": 1,
        }
        for i in range(1, tasks + 1)
    ]  # fmt: skip
    params = {"login": None, "password": None, "context": None}
    content = {"tasks": sent, "project": "1.1795296930", "label_config": labelling_config(config), "params": params}
    return json.dumps(content).encode()


def request_of(arm: Arm, body: bytes) -> bytes:
    lines = [f"POST {arm.path}/predict HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


if __name__ == "__main__":
    main()
