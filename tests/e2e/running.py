"""A whole hardcase for end-to-end tests: a home of its own, a real web process, and workers started on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from PIL import Image

from db.session import make_engine
from service.operations.up import wait_for
from service.settings import Settings, load_settings
from tests.e2e.conftest import RealLabelStudio, free_port
from tests.forking import fork


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker's process, to be asked and ended as one of `subprocess`."""

    _process: Any

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def returncode(self) -> int | None:
        """None while it runs; minus the signal that ended it."""
        code: int | None = self._process.exitcode
        return code

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout_s: float | None = None) -> int:
        """The exit status; TimeoutExpired if it does not end in time."""
        self._process.join(timeout_s)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("service.work", timeout_s or 0.0)
        return self.returncode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def _work(environment: dict[str, str], log: Path) -> None:
    """In the new process: what `python -m service.work` does there, with this environment and its output in a file."""
    import torch

    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))  # read from the environment only when it is loaded
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    from service.work.__main__ import main

    sys.exit(main())


@dataclass(frozen=True, slots=True)
class Hardcase:
    """One home with its processes' environment; `cli` types a command and must succeed."""

    home: Path
    environment: dict[str, str]
    settings: Settings
    database: sa.Engine

    def cli(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start_worker(self, failpoint: str = "") -> Worker:
        """What `python -m service.work` is: a process of its own, forked from one that has loaded its libraries."""
        environment = {**self.environment, "HARDCASE_FAILPOINT": failpoint}
        return Worker(fork(_work, environment, self.home / "worker.log"))

    def words_of_the_worker(self) -> str:
        return (self.home / "worker.log").read_text()[-3000:]


@contextmanager
def running_hardcase(label_studio: RealLabelStudio, home: Path, **settings: str) -> Iterator[Hardcase]:
    """Init a home and run its web process; workers are the test's affair."""
    home.mkdir(parents=True)
    environment = {
        **os.environ,
        "HARDCASE_HOME": str(home),
        "HARDCASE_PORT": str(free_port()),
        "HARDCASE_LABEL_STUDIO_URL": label_studio.url,
        "HARDCASE_LABEL_STUDIO_TOKEN": label_studio.token,
        "HARDCASE_SWEEP_EVERY_S": "2",
        "OMP_NUM_THREADS": "1",
        **{f"HARDCASE_{name.upper()}": value for name, value in settings.items()},
    }
    subprocess.run([sys.executable, "-m", "service.cli", "init"], env=environment, check=True, capture_output=True)
    known = load_settings(home=home, port=int(environment["HARDCASE_PORT"]), label_studio_url=label_studio.url)
    with (home / "web.log").open("ab") as log:
        web = subprocess.Popen([sys.executable, "-m", "service.web"], env=environment, stdout=log, stderr=log)
    database = make_engine(known.database)
    try:
        wait_for(f"{known.address}/health", timeout_s=60)
        yield Hardcase(home, environment, known, database)
    finally:
        web.terminate()
        web.wait(15)
        database.dispose()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


def make_pictures(folder: Path, count: int, classes: tuple[str, ...]) -> None:
    """Noise that says nothing, each beside a text that names its class: the engine must fail, people need not."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((64, 64), Image.Resampling.NEAREST).save(folder / f"{number:03d}.png")
        (folder / f"{number:03d}.txt").write_text(classes[number % len(classes)])
