"""The outermost layer of the web process: an id for every request, headers that every answer has, one log line.

In: an ASGI application. Out: the same. The log names the route's template, never the path itself, because paths
carry signatures and tokens; who called, by the name and the prefix of the key, and from which network address. Of a
key that is not in force the prefix stands there too; never a key.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.logs import get_logger
from service.web.edge.network_address import Network, address_of

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": PAGE_POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_QUIET = frozenset(
    {"/health", "/ready", "/metrics", "/style.css", "/ml/{token}/health", "/ml/{token}/setup", "/ml/{token}/predict"}
)
log = get_logger(__name__)


class Edge:
    """Adds the headers that every answer has; an answer's own headers win."""

    def __init__(self, app: ASGIApp, proxies: Sequence[Network] = ()) -> None:
        self.app = app
        self.proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        given = Headers(scope=scope).get("x-request-id", "")
        scope.setdefault("state", {})["request_id"] = given if _SAFE_ID.fullmatch(given) else uuid.uuid4().hex
        scope["state"]["address"] = address_of(scope, self.proxies)
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _complete(MutableHeaders(scope=message), scope["state"]["request_id"])
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            _log(scope, status, time.perf_counter() - started)


def request_id(scope: Any) -> str:
    """The id of the request, as answered in `X-Request-ID`."""
    return str(scope.get("state", {}).get("request_id", ""))


def _complete(headers: MutableHeaders, request: str) -> None:
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers["X-Request-ID"] = request


def _log(scope: Scope, status: int, duration_s: float) -> None:
    route = getattr(scope.get("route"), "path", "unknown")
    write = log.debug if route in _QUIET or route.startswith("/media/") else log.info
    state = scope["state"]
    caller = state.get("caller")
    facts = {"method": scope["method"], "route": route, "status": status, "ms": round(duration_s * 1000, 1)}
    facts |= {"caller": caller.name if caller else None, "key": caller.prefix if caller else state.get("key") or None}
    facts["address"] = state["address"] or None
    write("request", **facts, request_id=request_id(scope))
