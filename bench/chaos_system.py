"""A whole hardcase with its Label Studio behind fault proxies, of which each part can be killed and started again.

In: an empty folder. Out: a running system; leaving the `with` block ends everything that it started.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import sqlalchemy as sa
from PIL import Image

from bench.fault_proxy import API, WEBHOOKS, FaultProxy, running_proxy
from bench.webhook import free_port
from db.repositories.projects import projects
from db.repositories.reviews import label_studio
from db.repositories.running import heartbeats
from db.session import make_engine, reading
from labeling.errors import Unavailable
from service.operations.label_studio_server import Account, find_program
from service.operations.up import wait_for
from service.settings import load_settings
from tests.label_studio_server import LabelStudioServer, start

__all__ = ["CLASSES", "NAME", "System", "running_system"]

NAME, CLASSES = "chaos", ("cat", "dog", "bird")
PROJECT = f"""
name: {NAME}
labels: [{", ".join(CLASSES)}]
policy:
  engine: scripted
  query_size: 40
  low_water: 20
  learn_after_labels: 60
  gate: {{min_labels: 2, margin: 0.5}}
  shares: {{evaluation_until_target: 0.2, control: 0.1, calibration: 0.1}}
"""
PEOPLE = 2
STOP_WITHIN_S = 20


@dataclass
class System:
    """What runs, and what was done to it."""

    home: Path
    program: Path
    environment: dict[str, str]
    studio: LabelStudioServer
    webhooks: FaultProxy
    api: FaultProxy
    database: sa.Engine
    accounts: list[Account]
    web: subprocess.Popen[bytes]
    worker: subprocess.Popen[bytes]
    worker_since: datetime = field(default_factory=lambda: datetime.now(UTC))
    kills: dict[str, int] = field(default_factory=lambda: {"worker": 0, "web": 0, "label studio": 0})

    def cli(self, *words: str) -> None:
        """Type a command; Unavailable if it fails."""
        command = [sys.executable, "-m", "service.cli", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise Unavailable(f"`hardcase {' '.join(words)}` failed: {(done.stdout + done.stderr)[-800:]}")

    def kill_worker(self) -> None:
        """SIGKILL, and a new one at once."""
        _kill(self.worker)
        self.worker, self.worker_since = _spawn(self.home, self.environment, "service.work"), datetime.now(UTC)
        self.kills["worker"] += 1

    def kill_web(self) -> None:
        """SIGKILL, and a new one at once."""
        _kill(self.web)
        self.web = _spawn(self.home, self.environment, "service.web")
        self.kills["web"] += 1

    def kill_label_studio(self) -> None:
        """SIGKILL, and a start on the same data and port."""
        os.killpg(self.studio.process.pid, 9)
        self.studio.process.wait()
        self.studio = start(self.program, self.studio.folder, int(self.studio.url.rsplit(":", 1)[1]))
        self.kills["label studio"] += 1

    def is_up(self) -> bool:
        """Whether the web process answers and the worker that runs now has told that it lives."""
        try:
            answers = httpx.get(f"{self.webhooks.target}/health", timeout=2.0).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
        with reading(self.database) as session:
            return answers and any(beat.started_at > self.worker_since for beat in heartbeats.everyone(session))

    def where(self) -> tuple[str, int]:
        """Label Studio's address and which project of it is ours."""
        return self.studio.url, self.ls_project() or 0

    def ls_project(self) -> int | None:
        """Which project of Label Studio is ours; None before the first push."""
        with reading(self.database) as session:
            place = label_studio.get(session, projects.by_name(session, NAME).id)
        return None if place is None else place.ls_project_id


@contextmanager
def running_system(folder: Path, *, images: int, seed: int, template: Path | None = None) -> Iterator[System]:
    """Label Studio, the proxies, a home with a project whose images are being fetched, a web process, a worker."""
    program = find_program(Path(__file__).parents[1])
    studio = start(program, folder / "label-studio", free_port(), template=template)
    port = free_port()
    ours = f"http://127.0.0.1:{port}"
    try:
        with (
            running_proxy(ours, WEBHOOKS, seed=seed, is_meant=lambda path: path.startswith("/webhooks/")) as webhooks,
            running_proxy(studio.url, API, seed=seed + 1) as api,
            _home(folder, port, studio, webhooks, api) as (environment, database),
        ):
            system = System(
                folder / "home", program, environment, studio, webhooks, api, database,
                [studio.add_annotator(f"person-{n}@example.com", "Passw0rd-of-chaos") for n in range(PEOPLE)],
                _spawn(folder / "home", environment, "service.web"),
                _spawn(folder / "home", environment, "service.work"),
            )  # fmt: skip
            try:
                _make_project(system, folder, images, ours)
                yield system
            finally:
                studio = system.studio
                for process in (system.web, system.worker):
                    _stop(process)
    finally:
        studio.stop()


@contextmanager
def _home(
    folder: Path, port: int, studio: LabelStudioServer, webhooks: FaultProxy, api: FaultProxy
) -> Iterator[tuple[dict[str, str], sa.Engine]]:
    home = folder / "home"
    home.mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HARDCASE_", "LABEL_STUDIO_"))}
    environment = {
        **kept,
        "HARDCASE_HOME": str(home),
        "HARDCASE_PORT": str(port),
        "HARDCASE_PUBLIC_URL": webhooks.url,
        "HARDCASE_LABEL_STUDIO_URL": api.url,
        "HARDCASE_LABEL_STUDIO_TOKEN": studio.token,
        "HARDCASE_LABEL_STUDIO_TIMEOUT_S": "10",
        "HARDCASE_SWEEP_EVERY_S": "3",
        "OMP_NUM_THREADS": "1",
    }
    subprocess.run([sys.executable, "-m", "service.cli", "init"], env=environment, check=True, capture_output=True)
    database = make_engine(load_settings(home=home).database)
    try:
        yield environment, database
    finally:
        database.dispose()


def _make_project(system: System, folder: Path, images: int, ours: str) -> None:
    _make_pictures(folder / "pictures", images)
    (folder / "project.yaml").write_text(PROJECT)
    system.cli("project", "create", str(folder / "project.yaml"))
    system.cli("ingest", NAME, str(folder / "pictures"), "--no-wait")
    wait_for(f"{ours}/health", timeout_s=120)


def _make_pictures(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((64, 64), Image.Resampling.NEAREST).save(folder / f"{number:05d}.png")


def _spawn(home: Path, environment: dict[str, str], module: str) -> subprocess.Popen[bytes]:
    with (home / f"{module}.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=log, stderr=log)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    deadline = time.monotonic() + STOP_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    _kill(process)
