"""The embedded Label Studio of `hardcase up --label-studio`: a child process, and the token to talk to it."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

from labeling.errors import Conflict, Invalid, NotFound
from service.operations.label_studio_server import find_program, recipe
from service.operations.up import Child
from service.settings import Settings, keep_secret


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
    admin, command, environment = recipe(_program(), folder, address.port)
    settings = keep_secret(settings, "label_studio_token", admin.token)
    return Child("label-studio", command, environment, settings.home.absolute() / "logs/label-studio.log"), settings


def _program() -> Path:
    """Label Studio's program: below the working folder, or below the checkout that this code runs from."""
    try:
        return find_program()
    except NotFound:
        return find_program(Path(__file__).parents[2])


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
