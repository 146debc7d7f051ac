"""The real thing under the demo: `hardcase up --label-studio` as a child process, and commands typed at it.

In: a home folder. Out: a running system with its addresses. Whatever happens, leaving the `with` block ends it all.
"""

from __future__ import annotations

import json
import os
import re
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

import httpx

from labeling.errors import Unavailable
from service.demo.annotators import Account

_READY_WITHIN_S = 240
_STOP_WITHIN_S = 40
_CSRF = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class System:
    """A running hardcase with its Label Studio."""

    web: str
    label_studio: str
    environment: dict[str, str]
    process: subprocess.Popen[str]

    def command(self, *words: str) -> Any:
        """Type a hardcase command and return what it printed as JSON."""
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
        """Raise when the system has gone down."""
        if self.process.poll() is not None:
            raise Unavailable(f"`hardcase up` ended with code {self.process.returncode}; see the logs in its home.")


@contextmanager
def running_system(home: Path, *, keep: bool) -> Iterator[System]:
    """Bring everything up, and down again at the end; with `keep` it stays up after a run that went well."""
    environment = _environment(home)
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "up.log").open("ab") as log:
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
        ready = _wait_until_ready(process, logs / "up.log")
        yield System(ready["web"], ready["label_studio"], environment, process)
        stay = keep
    finally:
        if not stay:
            _stop(process)


def invite(label_studio: str, token: str, accounts: list[Account]) -> None:
    """Give each simulated annotator an account of its own, as an invited person would make it."""
    with httpx.Client(base_url=label_studio, timeout=60.0, headers={"Authorization": f"Token {token}"}) as admin:
        address = admin.get("/api/invite").raise_for_status().json()["invite_url"]
    for account in accounts:
        with httpx.Client(base_url=label_studio, timeout=60.0) as visitor:
            found = _CSRF.search(visitor.get(address).text)
            form = {"email": account.email, "password": account.password, "allow_newsletters": "false"}
            form["csrfmiddlewaretoken"] = found[1] if found else ""
            answer = visitor.post(address, data=form, headers={"Referer": label_studio})
        if answer.status_code not in (200, 302):
            raise Unavailable(f"Label Studio made no account for {account.email} ({answer.status_code}).")


def _environment(home: Path) -> dict[str, str]:
    """A clean environment: nothing of the user's own hardcase or Label Studio leaks into the demo."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HARDCASE_", "LABEL_STUDIO_"))}
    return {
        **kept,
        "HARDCASE_HOME": str(home.absolute()),
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
    """Read the line of JSON that `hardcase up` prints once everything answers."""
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
