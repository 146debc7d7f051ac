"""Receivers of messages in tests: a real mail server and a real receiver of webhooks, on this machine."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.e2e.conftest import free_port

CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgxaR/obiSIKCETmdh
3obIkwlfF2cRkZ4Zhda4F72Cko6hRANCAAQum8KOwiNiur9OZuLfLY5pdITw1Vxv
P/r3Wda42+DiiJcAxBjrl4RmhIkCvsKJVNEM2LX/2iBs+wCK1zx5plEg
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBkDCCATagAwIBAgIUHT4qsqbKYdzH+bZWGymLULy6VgowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyMjA2NDc1MloYDzIxMjYxMDI5
MDY0NzUyWjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQum8KOwiNiur9OZuLfLY5pdITw1VxvP/r3Wda42+DiiJcAxBjrl4Rm
hIkCvsKJVNEM2LX/2iBs+wCK1zx5plEgo2QwYjAdBgNVHQ4EFgQUeEaIHVS2U9f0
V9k0Z/hRtkd1PRcwHwYDVR0jBBgwFoAUeEaIHVS2U9f0V9k0Z/hRtkd1PRcwDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0gAMEUC
IHoUouNUd96pcIZ0fkk2uRuXfj18hWpqWUwkCO77KLGpAiEA5rwG8NwjDKE/vGUu
jH1e+o/cTtZslmPqZohb+aNEEKg=
-----END CERTIFICATE-----
"""
"""A key and a certificate of 127.0.0.1 that it signed itself; good for nothing but tests, and for a hundred years."""

USER, PASSWORD = "hardcase", "Passw0rd-of-the-mail-server"


@dataclass
class Mails:
    """A mail server that keeps what it takes; its port, and what it was given."""

    port: int
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        self.taken.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        self.recipients += envelope.rcpt_tos
        return "250 taken"


@dataclass
class Hooks:
    """A receiver of webhooks that answers with these statuses, then 204; the requests that it was sent."""

    url: str
    statuses: list[int]
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for body in self.bodies]


@contextmanager
def mail_server(folder: Path) -> Iterator[Mails]:
    """It speaks STARTTLS and wants a login; `folder` is where its certificate lies, as `mail.pem`."""

    def may_enter(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)

    mails = Mails(free_port())
    (folder / "mail.pem").write_text(CERTIFICATE)
    secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    secure.load_cert_chain(folder / "mail.pem")
    how = {"authenticator": may_enter, "auth_required": True, "require_starttls": True, "tls_context": secure}
    controller = Controller(mails, hostname="127.0.0.1", port=mails.port, **how)
    controller.start()
    try:
        yield mails
    finally:
        controller.stop()


@contextmanager
def webhook_receiver(statuses: Sequence[int] = ()) -> Iterator[Hooks]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 - the library's name
            hooks.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            hooks.headers.append(dict(self.headers))
            status = hooks.statuses.pop(0) if hooks.statuses else 204
            self.send_response(status)
            if status in (301, 307):
                self.send_header("Location", hooks.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hooks = Hooks(f"http://127.0.0.1:{server.server_port}/hook", list(statuses))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield hooks
        server.shutdown()
        thread.join()
