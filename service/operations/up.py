"""`hardcase up`: web, worker and, if wanted, an embedded Label Studio as one supervised process tree.

A child that dies is started again at once, one that dies again and again after a growing pause. One that will not stay
up (five times in five minutes) is left alone for a minute each time, the others go on, and the pages say so; where none
stays up, all ends. SIGTERM, SIGINT or the end of this process stops all of them within ten seconds. Children lead
process groups of their own, so a Ctrl-C in the terminal reaches only the supervisor, which then stops them in order.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import FrameType
from typing import IO

import httpx

from labeling.errors import StorageFull, Unavailable
from service.logs import get_logger
from service.operations.processes import ProcessState, forget_processes, write_processes
from service.settings import MASK, Settings

STOP_WITHIN_S = 10.0
RESTARTS = 5
RESTART_WINDOW_S = 300.0
READY_WITHIN_S = 60.0
CHECKED_EVERY_S = 0.1
REST_S = 60.0
"""How long a child that will not stay up is left alone before it is started again."""
log = get_logger(__name__)


@dataclass(slots=True)
class Child:
    """One process of the tree: how to start it, when it was started, and when it is to be started again."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log_file: Path
    started: list[float] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    due: float = 0.0
    ended: bool = False
    code: int | None = None

    def start(self) -> None:
        """Start it; OSError if the system cannot now."""
        with self._log() as out:
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
        self.ended = False
        log.info("started", process=self.name, pid=self.process.pid)

    def note_end(self) -> None:
        """It ended: from now on it waits for its next start."""
        assert self.process is not None
        self.ended, self.code = True, self.process.returncode
        self.due = time.monotonic() + self.pause_s()
        log.warning("died", process=self.name, code=self.code, log=str(self.log_file), again_in_s=self.pause_s())

    def pause_s(self) -> float:
        """How long it rests after an end: not at all where it is the first for some time."""
        if not self.stays_up():
            return REST_S
        return 0.5 * 2 ** (self.lately() - 2) if self.lately() > 1 else 0.0

    def lately(self) -> int:
        """How often it was started within the window."""
        since = time.monotonic() - RESTART_WINDOW_S
        return sum(moment > since for moment in self.started)

    def stays_up(self) -> bool:
        return self.lately() <= RESTARTS

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def _log(self) -> IO[bytes]:
        """Its log; a full disk must not keep it from being started."""
        try:
            self.log_file.parent.mkdir(parents=True, exist_ok=True)
            return self.log_file.open("ab")
        except OSError as error:
            log.warning("no log", process=self.name, log=str(self.log_file), reason=error.strerror)
            return Path(os.devnull).open("ab")


class Supervisor:
    """Starts children, restarts those that die, and stops all of them on a signal.

    `notify` is called with the children whenever one of them was started or has ended, and with none at the end.
    """

    def __init__(self, children: Sequence[Child], notify: Callable[[Sequence[Child]], None] = lambda _: None) -> None:
        self._children = children
        self._notify = notify
        self._stop = threading.Event()

    def run(self, on_ready: Callable[[], None], is_ready: Callable[[], bool] = lambda: True) -> int:
        """Block until SIGTERM or SIGINT (0), or until no child stays up (1).

        `on_ready` is called once `is_ready` says so; Unavailable where that takes longer than a minute, or where a
        child cannot be started or does not stay up until then.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        try:
            self._start_all()
            self._wait_until(is_ready)
            if not self._stop.is_set():
                on_ready()
            while not self._stop.wait(CHECKED_EVERY_S):
                self._look_after()
                if not any(child.stays_up() for child in self._children):
                    return 1
        finally:
            self._stop_all()
        return 0

    def _start_all(self) -> None:
        for child in self._children:
            try:
                child.start()
            except OSError as error:
                raise Unavailable(
                    f"{child.name} cannot be started ({error.strerror}: {error.filename}). Mend that first."
                ) from error
        self._notify(self._children)

    def _wait_until(self, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._stop.is_set() and not is_ready():
            self._look_after()
            away = next((child for child in self._children if not child.stays_up()), None)
            if away is not None:
                raise Unavailable(
                    f"{away.name} will not stay up (it ended with code {away.code}). See {away.log_file}."
                )
            if time.monotonic() > deadline:
                logs = ", ".join(str(child.log_file) for child in self._children)
                raise Unavailable(f"The web process did not answer within {READY_WITHIN_S:.0f} s. See {logs}.")
            self._stop.wait(0.2)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _look_after(self) -> None:
        """Note who ended, and start those whose pause is over: no child waits for another."""
        changed = False
        for child in self._children:
            if child.process is not None and child.process.poll() is not None and not child.ended:
                child.note_end()
                changed = True
            if child.ended and time.monotonic() >= child.due:
                changed |= self._start_again(child)
        if changed:
            self._notify(self._children)

    def _start_again(self, child: Child) -> bool:
        try:
            child.start()
        except OSError as error:
            child.due = time.monotonic() + child.pause_s()
            log.warning("cannot start", process=child.name, reason=error.strerror)
            return False
        return True

    def _stop_all(self) -> None:
        self._notify(())
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


def telling(settings: Settings) -> Callable[[Sequence[Child]], None]:
    """Writes how the children are into the home, for the pages and the doctor."""

    def tell(children: Sequence[Child]) -> None:
        if not children:
            forget_processes(settings.home)
            return
        now = datetime.now(UTC)
        states = [
            ProcessState(one.name, one.stays_up(), now, one.lately() - (not one.ended), one.code, str(one.log_file))
            for one in children
        ]
        try:
            write_processes(settings.home, os.getpid(), states)
        except (OSError, StorageFull) as error:  # the pages know less, and the children run
            log.warning("processes.json", reason=str(error))

    return tell


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


def answers(address: str) -> bool:
    """Whether an address answers 200 now."""
    try:
        return _client().get(address).status_code == 200
    except httpx.TransportError:
        return False


@cache
def _client() -> httpx.Client:
    """One for all tries: to make it takes 23 ms, and what is waited for needs the processor."""
    return httpx.Client(timeout=2.0)


def wait_for(address: str, *, timeout_s: float) -> None:
    """Wait until an address answers 200; Unavailable if it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not answers(address):
        if time.monotonic() > deadline:
            raise Unavailable(f"{address} did not answer within {timeout_s:.0f} s. See the logs in the home's `logs`.")
        time.sleep(0.1)
