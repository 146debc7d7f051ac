"""A real Label Studio on loopback for tests and benchmarks, started from its own environment and stopped again.

In: its program, a folder, a port. Out: a `LabelStudioServer` with its address and token. The first start migrates a
database (about a minute); with `template` the migrated database is kept and later starts take seconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from labeling.errors import LabelStudioUnavailable
from service.operations.label_studio_server import Account, post_form, recipe

_KEPT = ("label_studio.sqlite3", ".env")


@dataclass(frozen=True, slots=True)
class LabelStudioServer:
    """A running Label Studio; `admin` is its first account."""

    url: str
    folder: Path
    admin: Account
    process: subprocess.Popen[bytes]

    @property
    def token(self) -> str:
        return self.admin.token

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the process and its children; harmless when it has ended already."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with suppress(subprocess.TimeoutExpired):
                with suppress(ProcessLookupError):
                    os.killpg(self.process.pid, sign)
                self.process.wait(timeout_s)
                return

    def add_annotator(self, email: str, password: str) -> Account:
        """Make an account by invitation, as a person would, and give its token; an existing one is logged in."""
        with httpx.Client(base_url=self.url, timeout=30, follow_redirects=False) as browser:
            invited = httpx.get(f"{self.url}/api/invite", headers=self._headers(), timeout=30)
            path = invited.raise_for_status().json()["invite_url"]
            post_form(browser, path, email=email, password=password, allow_newsletters="false")
            found = browser.get("/api/current-user/token")
            if found.status_code != httpx.codes.OK:  # the account is there already
                post_form(browser, "/user/login/", email=email, password=password)
                found = browser.get("/api/current-user/token")
            if found.status_code != httpx.codes.OK:
                raise LabelStudioUnavailable(f"Label Studio made no account for {email}; is the password long enough?")
            return Account(email, password, str(found.json()["token"]))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"}


def start(
    program: Path,
    folder: Path,
    port: int,
    *,
    template: Path | None = None,
    timeout_s: float = 300.0,
    progress: Callable[[float], None] = lambda seconds: None,
    public_url: str = "",
    as_delivered: bool = False,
) -> LabelStudioServer:
    """Start Label Studio with its data in `folder` and wait until it answers.

    `progress` is called about twice a second with the seconds waited. With `template`, a folder, the migrated
    database of the first start is kept there and copied by later ones. `as_delivered`: with the SQLite settings of its
    makers instead of ours.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cached = None if template is None else template / _fingerprint(program)
    fresh = not (folder / _KEPT[0]).exists()
    if fresh and cached is not None:
        _prepare(program, cached, port, timeout_s, progress)
        for name in (*_KEPT, "hardcase.secret"):
            shutil.copy2(cached / name, folder / name)
    return _launch(program, folder, port, timeout_s, progress, public_url, as_delivered)


def _prepare(program: Path, cached: Path, port: int, timeout_s: float, progress: Callable[[float], None]) -> None:
    """Fill the template folder by one start, whole or not at all."""
    if cached.exists():
        return
    making = cached.with_name(f"{cached.name}.{os.getpid()}")
    making.mkdir(parents=True)
    _launch(program, making, port, timeout_s, progress, "").stop()
    with closing(sqlite3.connect(making / _KEPT[0])) as database:
        database.execute("PRAGMA journal_mode=DELETE")  # it was killed: what its log holds goes into the file
    if cached.exists():
        shutil.rmtree(making)
    else:
        making.rename(cached)


def _launch(
    program: Path,
    folder: Path,
    port: int,
    timeout_s: float,
    progress: Callable[[float], None],
    public_url: str,
    as_delivered: bool = False,
) -> LabelStudioServer:
    url = f"http://127.0.0.1:{port}"
    admin, command, environment = recipe(program, folder, port, public_url)
    if as_delivered:
        del environment["DJANGO_SETTINGS_MODULE"], environment["PYTHONPATH"]
    with (folder / "label-studio.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = LabelStudioServer(url, folder, admin, process)
    try:
        _wait(server, timeout_s, progress)
    except BaseException:
        server.stop()
        raise
    return server


def _wait(server: LabelStudioServer, timeout_s: float, progress: Callable[[float], None]) -> None:
    """Until it answers with our token: on a busy port it would silently take the next one."""
    began = time.monotonic()
    log = server.folder / "label-studio.log"
    while (waited := time.monotonic() - began) < timeout_s:
        if not server.alive:
            raise LabelStudioUnavailable(f"Label Studio ended while starting. Its output is in {log}.")
        progress(waited)
        if _answers(server):
            return
        time.sleep(0.5)
    raise LabelStudioUnavailable(
        f"Label Studio did not answer at {server.url} within {timeout_s:.0f} s. Is the port free? Its output: {log}."
    )


def _answers(server: LabelStudioServer) -> bool:
    headers = {"Authorization": f"Token {server.token}"}
    try:
        answer = httpx.get(f"{server.url}/api/current-user/whoami", headers=headers, timeout=5)
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK


def _fingerprint(program: Path) -> str:
    """Names the template by what made it: another Label Studio gets another template."""
    versions = sorted(path.name for path in program.parent.parent.glob("lib/*/site-packages/label_studio-*.dist-info"))
    return hashlib.sha256(" ".join(versions).encode()).hexdigest()[:12]
