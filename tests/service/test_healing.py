"""A worker that gets up by itself: stops in the middle of a job, jobs that died, and a clock that meets any error."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from db.repositories.images import registrations
from db.repositories.running.heartbeats import Heartbeat
from db.session import transaction
from db.tables import ImageRow
from labeling.jobs import JobName
from labeling.project import Project
from labeling.types import Incoming
from service.work.running_jobs import Ending, RunningJobs
from service.work.schedules import GONE_AFTER_S, Beats, Clockwork
from service.work.wiring import make_parts
from service.work.worker import running_worker
from tests.conftest import NOW
from tests.service.test_workflows import POLICY, Home, home_of, jobs_of, wait_until
from tests.service.web_client import png

pytestmark = pytest.mark.timeout(240)


@contextmanager
def slow_pictures(each_s: float) -> Iterator[str]:
    """A host that takes its time for each picture."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 - the library's name
            time.sleep(each_s)
            number = int(self.path.strip("/").removesuffix(".png"))
            data = png(f"#{number:06x}")
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def home(database: sa.Engine, tmp_path: Path) -> Iterator[Home]:
    made = home_of(database, tmp_path, allow_private_addresses=True)
    yield made
    made.jobs.close()


def test_a_job_that_is_stopped_three_times_in_its_middle_has_not_failed_and_comes_to_its_end(
    home: Home, make_project: Callable[..., Project]
) -> None:
    project = make_project(home.database, policy=POLICY)
    with slow_pictures(0.2) as host:
        items = [Incoming(f"{n}.png", f"{host}/{n}.png", fingerprint=str(n)) for n in range(200)]
        with transaction(home.database) as session:
            registrations.register(session, project.id, items, NOW)
        job = home.ask(JobName.INGEST, project)
        for _ in range(3):
            with running_worker(home.settings):
                wait_until(lambda: home.state(job) == "PENDING", "it works")
                time.sleep(1.0)  # within a batch
            assert home.failures(project) == {}
            assert home.state(job) == "PENDING", "it is left as it is"
        with running_worker(home.settings):
            assert home.ended(job) == "SUCCESS"

    assert home.failures(project) == {}
    assert home.count(ImageRow) == 200


def test_a_job_that_died_and_could_not_say_so_is_taken_up_and_frees_its_kind(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    home = home_of(database, tmp_path, sweep_every_s=2.0)
    project = make_project(database, policy=POLICY)
    with running_worker(home.settings):
        wait_until(lambda: "SUCCESS" in jobs_of(home, JobName.INGEST), "the sweeps come")
        died = home.ask(JobName.GROUP, project)
        home.ended(died)
        _kill_on_paper(home, died)
        held = home.ask(JobName.GROUP, project)
        wait_until(lambda: home.state(died) == "SUCCESS", "it is taken up")
        after = home.ask(JobName.GROUP, project)

    assert held == died, "it held its deduplication id"
    assert after != died
    home.jobs.close()


def test_a_job_that_was_begun_too_often_is_taken_up_too(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    home = home_of(database, tmp_path, sweep_every_s=2.0)
    project = make_project(database, policy=POLICY)
    stuck = home.ask(JobName.GROUP, project)
    with transaction(database) as session:
        session.execute(
            sa.text("UPDATE workflow_status SET status='MAX_RECOVERY_ATTEMPTS_EXCEEDED' WHERE workflow_uuid=:id"),
            {"id": stuck},
        )

    with running_worker(home.settings):
        wait_until(lambda: home.state(stuck) == "SUCCESS", "it is taken up")
    home.jobs.close()


def _kill_on_paper(home: Home, job: str) -> None:
    """What stands in the database when a job's thread ended while nothing could be written."""
    with transaction(home.database) as session:
        session.execute(
            sa.text(
                "UPDATE workflow_status SET status='PENDING', executor_id=:us, deduplication_id=:held, output=NULL, "
                "completed_at=NULL WHERE workflow_uuid=:id"
            ),
            {"us": home.settings.executor, "id": job, "held": f"{JobName.GROUP.value}:1"},
        )


def test_the_clock_goes_on_whatever_an_action_raises_and_says_how_long_the_heart_is_silent(home: Home) -> None:
    """Without a client of Label Studio neither the heartbeat nor the look at the inbox can be done."""
    settings = home.settings.model_copy(update={"sweep_every_s": 0.5})
    whole = make_parts(settings)
    clockwork = Clockwork(replace(whole, label_studio=cast(Any, None)), RunningJobs())

    clockwork.start()
    wait_until(lambda: bool(jobs_of(home, JobName.SWEEP)), "a sweep is asked for")
    time.sleep(2.5)
    silent_s, going = clockwork.silent_s(), clockwork._thread.is_alive()
    clockwork.stop()
    whole.jobs.close()
    whole.label_studio.close()
    whole.database.dispose()

    assert going
    assert silent_s > 2.0


def test_no_step_begins_once_the_process_is_about_to_end() -> None:
    running = RunningJobs()
    with running("a"), running("a"), running("b"):
        inside = running.ids
    running.check()
    running.end()

    assert inside == {"a", "b"}
    assert not running.ids
    with pytest.raises(Ending):
        running.check()
    assert not isinstance(Ending(), Exception), "no step takes it for a failure of its own"


def test_who_is_alive_does_not_depend_on_what_time_it_is() -> None:
    elapsed = [0.0]
    beats, now = Beats(lambda: elapsed[0]), datetime(2026, 11, 21, tzinfo=UTC)

    def seen(**at: timedelta) -> set[str]:
        return beats.alive([Heartbeat(name, now, now + one, {}) for name, one in at.items()], now)

    hour, skew = timedelta(hours=1), timedelta(minutes=5)
    first = seen(gone=-hour, ahead=hour, other=skew)
    elapsed[0] = GONE_AFTER_S - 1
    second = seen(gone=-hour, ahead=hour, other=skew + timedelta(seconds=50))
    elapsed[0] = GONE_AFTER_S + 1
    third = seen(gone=-hour, ahead=hour, other=skew + timedelta(seconds=50))

    assert first == second == {"ahead", "other"}
    assert third == {"other"}, "a beat from a clock that was ahead does not keep a dead worker alive"


def test_a_worker_whose_heart_stops_ends_so_that_it_is_started_anew(home: Home, tmp_path: Path) -> None:
    """Its database is locked for longer than a heart may be silent, which is 12 s here."""
    script = textwrap.dedent(f"""
        import sqlite3, sys, threading, time
        import service.work.worker as worker
        from pydantic import SecretStr
        from service.settings import Settings
        worker.SILENT_S = 12.0
        def lock():
            time.sleep(5)
            held = sqlite3.connect({str(home.database.url.database)!r}, isolation_level=None, timeout=30)
            held.execute("BEGIN IMMEDIATE")
            time.sleep(60)
        threading.Thread(target=lock, daemon=True).start()
        settings = Settings(home={str(tmp_path)!r}, database_url={home.settings.database_url!r}, secret="{"s1" * 20}",
                            label_studio_url="http://127.0.0.1:9", label_studio_token="{"0" * 40}")
        sys.exit(worker.run_worker(settings))
    """)

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)

    assert done.returncode == 1, done.stdout[-500:] + done.stderr[-500:]
    assert "its heart does not beat" in done.stdout + done.stderr
