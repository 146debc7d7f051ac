"""`hardcase up`: web, worker and, if wanted, an embedded Label Studio as one supervised process tree.

A child that dies is started again (with a growing pause, at most five times in five minutes); SIGTERM, SIGINT or
the end of this process stops all of them within ten seconds. Children lead process groups of their own, so a
Ctrl-C in the terminal reaches only the supervisor, which then stops them in order.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import httpx

from labeling.errors import Unavailable
from service.logs import get_logger
from service.settings import MASK, Settings

STOP_WITHIN_S = 10.0
RESTARTS = 5
RESTART_WINDOW_S = 300.0
log = get_logger(__name__)


@dataclass(slots=True)
class Child:
    """One process of the tree: how to start it, and when it was started."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log_file: Path
    started: list[float] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                umask=MASK,
            )
        self.started.append(time.monotonic())
        log.info("started", process=self.name, pid=self.process.pid)

    def may_restart(self) -> bool:
        since = time.monotonic() - RESTART_WINDOW_S
        return sum(moment > since for moment in self.started) <= RESTARTS

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)


class Supervisor:
    """Starts children, restarts those that die, and stops all of them on a signal."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._stop = threading.Event()
        self.failed: str | None = None

    def run(self, on_ready: Callable[[], None]) -> int:
        """Block until SIGTERM or SIGINT (0), or until a child will not stay up (1)."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        try:
            for child in self._children:
                child.start()
            on_ready()
            while not self._stop.wait(0.5):
                self._restart_ended()
        finally:
            self._stop_all()
        return 1 if self.failed else 0

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _restart_ended(self) -> None:
        for child in self._children:
            if child.process is None or child.process.poll() is None:
                continue
            log.warning("died", process=child.name, code=child.process.returncode, log=str(child.log_file))
            if not child.may_restart():
                self.failed = child.name
                self._stop.set()
                return
            self._stop.wait(min(2 ** (len(child.started) - 1), 30) * 0.5)
            if not self._stop.is_set():
                child.start()

    def _stop_all(self) -> None:
        for child in self._children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_WITHIN_S
        for child in self._children:
            if child.process is None:
                continue
            try:
                child.process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("killed", process=child.name, after_s=STOP_WITHIN_S)
                child.signal(signal.SIGKILL)
                child.process.wait()


def children_of(settings: Settings) -> list[Child]:
    """The web and the worker process for these settings."""
    environment = {
        **os.environ,
        "HARDCASE_HOME": str(settings.home.absolute()),
        "HARDCASE_HOST": settings.host,
        "HARDCASE_PORT": str(settings.port),
        "HARDCASE_LABEL_STUDIO_URL": settings.label_studio_url,
    }
    logs = settings.home.absolute() / "logs"
    return [
        Child("web", [sys.executable, "-m", "service.web"], environment, logs / "web.log"),
        Child("worker", [sys.executable, "-m", "service.work"], environment, logs / "worker.log"),
    ]


def wait_for(address: str, *, timeout_s: float) -> None:
    """Wait until an address answers 200; Unavailable if it does not in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.get(address, timeout=2.0).status_code == 200:
                return
        time.sleep(0.1)
    raise Unavailable(f"{address} did not answer within {timeout_s:.0f} s; the logs are in the home's `logs` folder.")
