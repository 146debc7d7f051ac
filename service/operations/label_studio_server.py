"""A real Label Studio on loopback, started unattended from its own environment (`.venv-ls`) and stopped again.

In: its program, a folder, a port. Out: a `LabelStudioServer` with its address and token. It sees a clean
environment, because it would take a stray HOST, PORT or PASSWORD for a setting of its own. The first start
migrates a database (about a minute); with `template` the migrated database is kept and later starts take seconds.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from labeling.errors import LabelStudioUnavailable, NotFound

ADMIN_EMAIL = "admin@example.com"
_KEPT = ("label_studio.sqlite3", ".env")
_SETTINGS = {
    "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
    "COLLECT_ANALYTICS": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "LATEST_VERSION_CHECK": "false",
    # its webhook must reach us on loopback, and nothing else that is private
    "USE_DEFAULT_BANNED_SUBNETS": "false",
    "USER_ADDITIONAL_BANNED_SUBNETS": "169.254.0.0/16,10.0.0.0/8",
    "TASK_LOCK_TTL": "1800",
    "DEBUG": "false",
    "LOG_LEVEL": "WARNING",
}


@dataclass(frozen=True, slots=True)
class Account:
    """Who may log in: `token` is a legacy token of that account."""

    email: str
    password: str
    token: str


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
            try:
                os.killpg(self.process.pid, sign)
                self.process.wait(timeout_s)
                return
            except ProcessLookupError:
                self.process.wait(timeout_s)
                return
            except subprocess.TimeoutExpired:
                continue

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


def find_program(root: Path | None = None) -> Path:
    """The `label-studio` program in `.venv-ls` below `root` (default: here); NotFound says how to make it."""
    program = (root or Path.cwd()) / ".venv-ls" / "bin" / "label-studio"
    if not program.exists():
        raise NotFound(f"There is no {program}. Make it with: make .venv-ls/ready")
    return program


def start(
    program: Path,
    folder: Path,
    port: int,
    *,
    template: Path | None = None,
    timeout_s: float = 300.0,
    progress: Callable[[float], None] = lambda seconds: None,
    public_url: str = "",
) -> LabelStudioServer:
    """Start Label Studio with its data in `folder` and wait until it answers.

    `progress` is called about twice a second with the seconds waited. With `template`, a folder, the migrated
    database of the first start is kept there and copied by later ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cached = None if template is None else template / _fingerprint(program)
    fresh = not (folder / _KEPT[0]).exists()
    if fresh and cached is not None:
        _prepare(program, cached, port, timeout_s, progress)
        for name in (*_KEPT, "hardcase.secret"):
            shutil.copy2(cached / name, folder / name)
    return _launch(program, folder, port, timeout_s, progress, public_url)


def _prepare(program: Path, cached: Path, port: int, timeout_s: float, progress: Callable[[float], None]) -> None:
    """Fill the template folder by one start, whole or not at all."""
    if cached.exists():
        return
    making = cached.with_name(f"{cached.name}.{os.getpid()}")
    making.mkdir(parents=True)
    _launch(program, making, port, timeout_s, progress, "").stop()
    if cached.exists():
        shutil.rmtree(making)
    else:
        making.rename(cached)


def _launch(
    program: Path, folder: Path, port: int, timeout_s: float, progress: Callable[[float], None], public_url: str
) -> LabelStudioServer:
    url = f"http://127.0.0.1:{port}"
    admin, command, environment = recipe(program, folder, port, public_url)
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


def recipe(program: Path, folder: Path, port: int, public_url: str = "") -> tuple[Account, list[str], dict[str, str]]:
    """Who may log in, what to run and its whole environment, for whoever looks after the process itself."""
    folder.mkdir(parents=True, exist_ok=True)
    admin = _admin(folder)
    environment = {
        **_SETTINGS,
        "PATH": f"{program.absolute().parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder.absolute()),
        "LANG": "C.UTF-8",
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder.absolute()),
        "LABEL_STUDIO_HOST": public_url or f"http://127.0.0.1:{port}",
        "LABEL_STUDIO_USERNAME": admin.email,
        "LABEL_STUDIO_PASSWORD": admin.password,
        "LABEL_STUDIO_USER_TOKEN": admin.token,
    }
    internal = ["--internal-host", "127.0.0.1", "--port", str(port)]
    return admin, [str(program.absolute()), "start", "--no-browser", *internal], environment


def _wait(server: LabelStudioServer, timeout_s: float, progress: Callable[[float], None]) -> None:
    """Until it answers with our token: on a busy port it would silently take the next one."""
    began = time.monotonic()
    log = server.folder / "label-studio.log"
    while (waited := time.monotonic() - began) < timeout_s:
        if not server.alive:
            raise LabelStudioUnavailable(f"Label Studio ended while starting. Its words are in {log}.")
        progress(waited)
        if _answers(server):
            return
        time.sleep(0.5)
    raise LabelStudioUnavailable(
        f"Label Studio did not answer at {server.url} within {timeout_s:.0f} s. Is the port free? Its words: {log}."
    )


def _answers(server: LabelStudioServer) -> bool:
    headers = {"Authorization": f"Token {server.token}"}
    try:
        answer = httpx.get(f"{server.url}/api/current-user/whoami", headers=headers, timeout=5)
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK


def _admin(folder: Path) -> Account:
    """The first account's password and token, made once and kept beside the data."""
    path = folder / "hardcase.secret"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{secrets.token_urlsafe(18)} {secrets.token_hex(20)}")
    password, token = path.read_text().split()
    return Account(ADMIN_EMAIL, password, token)


def _fingerprint(program: Path) -> str:
    """Names the template by what made it: another Label Studio gets another template."""
    versions = sorted(path.name for path in program.parent.parent.glob("lib/*/site-packages/label_studio-*.dist-info"))
    return hashlib.sha256(" ".join(versions).encode()).hexdigest()[:12]


def post_form(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Send a form of Label Studio's pages, with its CSRF token."""
    page = browser.get(path)
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    token = found[1] if found else browser.cookies.get("csrftoken", "")
    return browser.post(path, data={**fields, "csrfmiddlewaretoken": token}, headers={"Referer": str(page.url)})
