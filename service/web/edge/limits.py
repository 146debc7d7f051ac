"""Limits of a request: the size of its body, the time for the body to arrive, and the time for its headers.

In: an ASGI application. Out: the same; it answers 413 to a body that is too large (one that is sent in chunks too)
and 408 to a body that arrives too slowly.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

PLAIN_BODY_BYTES = 8 * 2**20
"""Largest body that is not an upload of files."""
WEBHOOK_BODY_BYTES = 16 * 2**20
"""Largest event of Label Studio: one about thousands of tasks lists all of them, and it is sent only once."""
BODY_IDLE_S = 20.0
"""Longest wait for the next piece of a body."""
BODY_TOTAL_S = 600.0
"""Longest time for a whole body."""


class BodyLimits:
    """Counts a body as it arrives; the routes never receive more than the cap."""

    def __init__(self, app: ASGIApp, *, upload_bytes: int, idle_s: float = BODY_IDLE_S) -> None:
        self.app = app
        self.upload_bytes = upload_bytes
        self.idle_s = idle_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            announced = Headers(scope=scope).get("content-length", "")
            receive = _Counted(receive, self._cap(scope), announced, self.idle_s).receive
        await self.app(scope, receive, send)

    def _cap(self, scope: Scope) -> int:
        is_upload = Headers(scope=scope).get("content-type", "").startswith("multipart/form-data")
        plain = WEBHOOK_BODY_BYTES if scope["path"].startswith("/webhooks/") else PLAIN_BODY_BYTES
        return self.upload_bytes if is_upload else min(plain, self.upload_bytes)


class _Counted:
    def __init__(self, receive: Receive, cap: int, announced: str, idle_s: float) -> None:
        self._receive, self._cap, self._idle_s = receive, cap, idle_s
        self._too_large = announced.isascii() and announced.isdigit() and (len(announced) > 15 or int(announced) > cap)
        self._received = 0
        self._more = True
        self._deadline: float | None = None

    async def receive(self) -> Message:
        if not self._more:  # the body is complete: the next message says that the client disconnected
            return await self._receive()
        if self._too_large:
            raise _too_large(self._cap)
        message = await self._next()
        self._more = bool(message.get("more_body", False))
        self._received += len(message.get("body", b""))
        if self._received > self._cap:
            raise _too_large(self._cap)
        return message

    async def _next(self) -> Message:
        loop = asyncio.get_running_loop()
        self._deadline = self._deadline or loop.time() + BODY_TOTAL_S
        wait_s = min(self._idle_s, self._deadline - loop.time())
        try:
            return await asyncio.wait_for(self._receive(), wait_s)
        except TimeoutError as error:
            raise HTTPException(408, "The body did not arrive in time.", {"Connection": "close"}) from error


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with a time limit: a connection whose headers do not arrive is closed."""

    headers_s = 10.0
    """Longest time from a connection's opening, or a request's first byte, to the end of the headers."""
    headers_bytes = 128 * 2**10
    """Longest headers that are waited for."""
    _headers_timer: asyncio.TimerHandle | None = None
    _headers_so_far = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._headers_timer is None:  # this piece ended the headers
            return
        self._headers_so_far += len(data)
        if self._headers_so_far > self.headers_bytes and not self.transport.is_closing():
            self.send_400_response("The headers are too long.")

    def on_message_begin(self) -> None:
        self._wait_for_headers()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        if self._headers_timer is None:
            self._headers_timer = self.loop.call_later(self.headers_s, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None
            self._headers_so_far = 0


def _too_large(cap: int) -> HTTPException:
    detail = f"The body is larger than {cap:,} bytes. Send it in several requests, or give addresses instead."
    return HTTPException(413, detail, {"Connection": "close"})
