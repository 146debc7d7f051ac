"""What a client gets while a bucket is away, a disk full or descriptors gone, and that all heals by itself."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import psutil
import pytest
import sqlalchemy as sa

from labeling.project import Project
from service import auth
from service.auth import SESSION_AGE_S, SKEW_S
from service.operations.processes import ProcessState, write_processes
from tests.service.adapters.away_store import bucket
from tests.service.web_client import SECRET, Clock, bearer, make_key, png, web
from tests.service.web_process import WebProcess, web_process

FILES = {"files": ("a.png", png("red"), "image/png")}


@pytest.fixture
def project(database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    return make_project(database)


def test_a_bucket_that_is_away_or_silent_is_503_within_three_seconds(
    database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    headers = bearer(make_key(database))
    with bucket() as s3, web(database, tmp_path, storage_url="s3://media", source_roots="s3://photos") as client:
        s3.away = RuntimeError("Session is closed")
        away = client.post("/api/projects/animals/images", files=FILES, headers=headers)
        s3.away, s3.slow_s = None, 4.0
        started = time.monotonic()
        silent = client.post("/api/projects/animals/images", files=FILES, headers=headers)
        waited = time.monotonic() - started
        source = client.post("/api/projects/animals/sources", json={"address": "s3://photos"}, headers=headers)
        waited_for_a_source = time.monotonic() - started - waited
        s3.slow_s = 0.0
        healed = client.post("/api/projects/animals/images", files=FILES, headers=headers)

    assert [answer.status_code for answer in (away, silent, source, healed)] == [503, 503, 503, 202]
    assert max(waited, waited_for_a_source) < 3.5
    assert silent.headers["retry-after"]
    assert "does not answer" in silent.json()["detail"]


@contextmanager
def limited(process: psutil.Process, what: int, soft: int) -> Iterator[None]:
    """A lower limit of a running process, for a while."""
    before = resource.prlimit(process.pid, what)
    resource.prlimit(process.pid, what, (soft, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process.pid, what, before)


@pytest.fixture
def running(database: sa.Engine, project: Project, tmp_path: Path) -> Iterator[WebProcess]:
    with web_process(database, tmp_path) as started:
        yield started


def test_a_full_disk_is_507_reads_go_on_and_all_heals(database: sa.Engine, running: WebProcess, tmp_path: Path) -> None:
    """A limit on the size of files gives the errors of a quota that is used up."""
    with httpx.Client(base_url=running.address, headers=bearer(make_key(database)), timeout=20) as client:
        with limited(psutil.Process(running.process.pid), resource.RLIMIT_FSIZE, 0):
            upload = client.post("/api/projects/animals/images", files=FILES)
            named = client.post(
                "/api/projects/animals/images/by-address", json={"items": [{"url": "https://example.org/1.png"}]}
            )
            reads = [
                client.get(path).status_code for path in ("/health", "/api/projects", "/api/projects/animals/jobs")
            ]
        healed = client.post("/api/projects/animals/images", files=FILES)

    assert [upload.status_code, named.status_code] == [507, 507]
    assert upload.headers["content-type"] == "application/problem+json"
    assert reads == [200, 200, 200]
    assert healed.status_code == 202
    with database.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_descriptors_that_are_gone_and_come_back_leave_the_web_process_well(
    database: sa.Engine, running: WebProcess
) -> None:
    headers, process = bearer(make_key(database)), psutil.Process(running.process.pid)
    with (
        limited(process, resource.RLIMIT_NOFILE, process.num_fds()),
        httpx.Client(headers=headers, timeout=3) as client,
    ):
        codes = [_code(client, f"{running.address}/api/projects") for _ in range(5)]
    deadline = time.monotonic() + 20
    with httpx.Client(headers=headers, timeout=5) as client:
        while _code(client, f"{running.address}/api/projects") != 200:
            assert time.monotonic() < deadline, "it does not heal"

    assert not set(codes) - {0, 200, 503}, "no fault of ours"
    assert running.process.poll() is None


def _code(client: httpx.Client, address: str) -> int:
    """What is answered; 0 for nothing."""
    try:
        return client.get(address).status_code
    except httpx.TransportError:
        return 0


def test_a_process_that_will_not_stay_up_is_named_on_the_pages_and_in_the_metrics(
    database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    key = make_key(database)
    with web(database, tmp_path) as client:
        form = client.get("/login").text
        token = form.split('name="form_token" value="')[1].split('"')[0]
        client.post("/login", data={"key": key, "form_token": token, "following": "/"})
        before = client.get("/").text
        state = ProcessState("worker", False, Clock()(), 6, 1, "/logs/worker.log")
        write_processes(tmp_path, os.getpid(), [state])
        pages = [client.get(path).text for path in ("/", f"/projects/{project.id}/jobs")]
        metrics = client.get("/metrics", headers=bearer(key)).text

    assert "will not stay up" not in before
    assert all("The process worker will not stay up: it ended 6 times" in page for page in pages)
    assert 'hardcase_process_stays_up{name="worker"} 0.0' in metrics


def test_a_session_from_a_clock_that_is_a_little_ahead_counts_and_one_from_another_decade_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, mine = time.time(), auth.open_session(None)

    def made(at: float) -> bool:
        monkeypatch.setattr("time.time", lambda: at)
        cookie = auth.seal_session((SECRET,), mine)
        monkeypatch.setattr("time.time", lambda: now)
        return auth.read_session((SECRET,), cookie) == mine

    ten_years = timedelta(days=3_650).total_seconds()

    assert made(now) and made(now - SESSION_AGE_S + 60) and made(now + SKEW_S - 60)
    assert not (made(now - SESSION_AGE_S - 60) or made(now + 3_600) or made(now + ten_years))
