"""The web process as a process of its own, as `hardcase up` starts it, on a free port of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import sqlalchemy as sa

from tests.service.web_client import SECRET


@dataclass
class WebProcess:
    """A running one: where it answers, and its process."""

    address: str
    port: int
    process: subprocess.Popen[bytes]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def web_process(database: sa.Engine, home: Path, **settings: str) -> Iterator[WebProcess]:
    """Started and answering; killed at the end if it still runs."""
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HARDCASE_")},
        "HARDCASE_HOME": str(home),
        "HARDCASE_DATABASE_URL": database.url.render_as_string(hide_password=False),
        "HARDCASE_SECRET": SECRET,
        "HARDCASE_PORT": str(port),
        **{f"HARDCASE_{name.upper()}": value for name, value in settings.items()},
    }
    with (home / "web.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "service.web"], env=environment, stdout=log, stderr=log)
    running = WebProcess(f"http://127.0.0.1:{port}", port, process)
    try:
        _wait(running, home / "web.log")
        yield running
    finally:
        process.kill()
        process.wait()


def _wait(running: WebProcess, log: Path) -> None:
    deadline = time.monotonic() + 60
    with httpx.Client(timeout=5) as client:  # one for all tries: to make it takes longer than to ask
        while time.monotonic() < deadline and running.process.poll() is None:
            try:
                client.get(f"{running.address}/health")
                return
            except httpx.TransportError:
                time.sleep(0.05)
    raise AssertionError(f"the web process did not start:\n{log.read_text()}")
