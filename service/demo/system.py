"""The system that the demo runs: `hardcase up --label-studio` as a child process, and the commands given to it.

In: a home folder. Out: a running system with its addresses. The end of the `with` block stops it, also after an error.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from labeling.errors import Unavailable

SWEEP_EVERY_S = 20
"""The demo plays a week's work in minutes: what the sweep asks for, such as re-reviews, must not wait for a minute."""
_READY_WITHIN_S = 240
_STOP_WITHIN_S = 40


@dataclass(frozen=True, slots=True)
class System:
    """A running hardcase with its Label Studio."""

    web: str
    label_studio: str
    environment: dict[str, str]
    process: subprocess.Popen[str]

    def command(self, *words: str) -> Any:
        """Run a hardcase command and return what it printed as JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", *words, "--json"],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise Unavailable(f"`hardcase {' '.join(words)}` failed: {(done.stdout + done.stderr)[-600:].strip()}")
        return json.loads(done.stdout)

    def check(self) -> None:
        """Unavailable if the system has ended."""
        if self.process.poll() is not None:
            raise Unavailable(f"`hardcase up` ended with code {self.process.returncode}; see the logs in its home.")


@contextmanager
def running_system(home: Path, *, keep: bool) -> Iterator[System]:
    """Start everything, and stop it at the end; with `keep` it goes on after a run without an error."""
    environment, log_file = _environment(home), home / "logs" / "up.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "up", "--label-studio", "--json"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    stay = False
    try:
        ready = _wait_until_ready(process, log_file)
        yield System(ready["web"], ready["label_studio"], environment, process)
        stay = keep
    finally:
        if not stay:
            _stop(process)


def _environment(home: Path) -> dict[str, str]:
    """The environment without the settings of the user's own hardcase and Label Studio."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HARDCASE_", "LABEL_STUDIO_"))}
    return {
        **kept,
        "HARDCASE_HOME": str(home.absolute()),
        "HARDCASE_SWEEP_EVERY_S": str(SWEEP_EVERY_S),
        "HARDCASE_PORT": str(_free_port(8320)),
        "HARDCASE_LABEL_STUDIO_URL": f"http://127.0.0.1:{_free_port(8321)}",
    }


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Unavailable("There is no free port on 127.0.0.1.")


def _wait_until_ready(process: subprocess.Popen[str], log: Path) -> dict[str, str]:
    """The line of JSON that `hardcase up` prints when all its processes answer."""
    assert process.stdout is not None
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        line = _line_within(process.stdout, 0.5)
        if line.startswith("{"):
            ready: dict[str, str] = json.loads(line)
            if "web" not in ready:
                raise Unavailable(f"`hardcase up` did not start: {ready.get('message', line)}")
            return ready
        if process.poll() is not None:
            raise Unavailable(f"`hardcase up` ended with code {process.returncode}; {log} says why.")
    raise Unavailable(f"`hardcase up` was not ready within {_READY_WITHIN_S} s; {log} says why.")


def _line_within(stream: IO[str], seconds: float) -> str:
    readable, _, _ = select.select([stream], [], [], seconds)
    return stream.readline() if readable else ""


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
