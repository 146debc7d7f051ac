"""The embedded Label Studio of `hardcase up --label-studio`, run from its own environment (`.venv-ls`) on loopback.

In: its program, a folder, a port. Out: the command, its whole environment, and the first account. The environment
is made from nothing, because Label Studio would take a HOST, PORT or PASSWORD of ours for a setting of its own. A
settings module beside its data has its SQLite wait for a lock where it would lose predictions
(docs/decisions/0018-label-studio-sqlite.md).
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from labeling.errors import Conflict, Invalid, NotFound
from service.operations.up import Child
from service.settings import Settings, keep_secret

ADMIN_EMAIL = "admin@example.com"
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
_MODULE = "settings_by_hardcase"
_MODULE_TEXT = """\
\"\"\"Label Studio's own settings, with a SQLite that waits. Written by hardcase at every start.\"\"\"

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "label_studio.core.settings.label_studio"  # it asks for itself while it loads

from label_studio.core.settings.label_studio import *

DATABASES["default"]["OPTIONS"] |= {
    "init_command": "PRAGMA journal_mode=WAL",  # who reads waits for nobody
    "transaction_mode": "IMMEDIATE",  # a transaction that reads first and writes later would fail at once, not wait
    "timeout": 20,  # less than hardcase waits for an answer, so it does not take a slow import for a lost one
}
"""


@dataclass(frozen=True, slots=True)
class Account:
    """Who may log in: `token` is a legacy token of that account."""

    email: str
    password: str
    token: str


def label_studio_child(settings: Settings) -> tuple[Child, Settings]:
    """How to start Label Studio at the address of the settings, with its token kept for worker and web."""
    address = urlsplit(settings.label_studio_url)
    if address.hostname not in ("127.0.0.1", "localhost") or address.port is None:
        raise Invalid(
            f"An embedded Label Studio listens on loopback, not on {settings.label_studio_url}. "
            "Set HARDCASE_LABEL_STUDIO_URL to http://127.0.0.1:PORT, or leave out --label-studio."
        )
    if _taken(address.port):
        raise Conflict(f"Port {address.port} is in use. Set HARDCASE_LABEL_STUDIO_URL to another one.")
    folder = settings.home.absolute() / "label-studio"
    try:
        program = find_program()
    except NotFound:
        program = find_program(Path(__file__).parents[2])  # the checkout that this code runs from
    admin, command, environment = recipe(program, folder, address.port)
    settings = keep_secret(settings, "label_studio_token", admin.token)
    return Child("label-studio", command, environment, settings.home.absolute() / "logs/label-studio.log"), settings


def find_program(root: Path | None = None) -> Path:
    """The `label-studio` program in `.venv-ls` below `root` (default: here); NotFound says how to make it."""
    program = (root or Path.cwd()) / ".venv-ls" / "bin" / "label-studio"
    if not program.exists():
        raise NotFound(f"There is no {program}. Make it with: make .venv-ls/ready")
    return program


def recipe(program: Path, folder: Path, port: int, public_url: str = "") -> tuple[Account, list[str], dict[str, str]]:
    """The first account, the command to run, and its whole environment."""
    folder.mkdir(parents=True, exist_ok=True)
    admin = _admin(folder)
    modules = _write_settings(folder)
    environment = {
        **_SETTINGS,
        "PATH": f"{program.absolute().parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder.absolute()),
        "LANG": "C.UTF-8",
        "DJANGO_SETTINGS_MODULE": _MODULE,
        "PYTHONPATH": str(modules),
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder.absolute()),
        "LABEL_STUDIO_HOST": public_url or f"http://127.0.0.1:{port}",
        "LABEL_STUDIO_USERNAME": admin.email,
        "LABEL_STUDIO_PASSWORD": admin.password,
        "LABEL_STUDIO_USER_TOKEN": admin.token,
    }
    internal = ["--internal-host", "127.0.0.1", "--port", str(port)]
    return admin, [str(program.absolute()), "start", "--no-browser", *internal], environment


def _write_settings(folder: Path) -> Path:
    """Write the settings module that Label Studio is started with; the folder to import it from."""
    modules = folder.absolute() / "settings"
    modules.mkdir(exist_ok=True)
    (modules / f"{_MODULE}.py").write_text(_MODULE_TEXT, encoding="utf-8")
    return modules


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _admin(folder: Path) -> Account:
    """The first account's password and token, made once and kept beside the data."""
    path = folder / "hardcase.secret"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{secrets.token_urlsafe(18)} {secrets.token_hex(20)}")
    password, token = path.read_text().split()
    return Account(ADMIN_EMAIL, password, token)


def post_form(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Send a form of Label Studio's pages, with its CSRF token."""
    page = browser.get(path)
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    token = found[1] if found else browser.cookies.get("csrftoken", "")
    return browser.post(path, data={**fields, "csrfmiddlewaretoken": token}, headers={"Referer": str(page.url)})
