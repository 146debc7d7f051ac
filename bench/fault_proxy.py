"""A proxy that does to HTTP what networks and busy servers do: loses, doubles, delays, cuts and falsifies.

In: where to pass requests on to, and how often each fault is to happen. Out: an address to use instead, and counts of
what was done. Which fault meets which request is drawn from a seed; `calm` makes it an honest proxy.
"""

from __future__ import annotations

import http.client
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import numpy as np

__all__ = ["API", "WEBHOOKS", "Fault", "FaultProxy", "running_proxy"]


class Fault(StrEnum):
    """What may happen to one request."""

    DROP = "drop"  # not passed on; the connection breaks
    LOSE_ANSWER = "lose answer"  # passed on; the connection breaks before its answer
    DOUBLE = "double"  # passed on twice
    LATER = "later"  # answered at once, passed on after others
    STALL = "stall"  # passed on a second late
    ERROR_500 = "500"
    TOO_MANY = "429"
    GARBAGE = "garbage"  # passed on; the answer is no JSON
    HALF_BODY = "half body"  # passed on; the answer is cut in the middle


WEBHOOKS: Mapping[Fault, float] = {Fault.DROP: 0.3, Fault.DOUBLE: 0.3, Fault.LATER: 0.15, Fault.STALL: 0.1}
"""Between Label Studio and us."""
API: Mapping[Fault, float] = {
    Fault.DROP: 0.02,
    Fault.LOSE_ANSWER: 0.03,
    Fault.STALL: 0.03,
    Fault.ERROR_500: 0.02,
    Fault.TOO_MANY: 0.02,
    Fault.GARBAGE: 0.02,
    Fault.HALF_BODY: 0.02,
}
"""Between our worker and Label Studio."""

STALL_S = 1.0
LATER_S = 3.0
TIMEOUT_S = 60.0
_NOT_PASSED = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class FaultProxy:
    """Passes requests on to `target`; those for which `is_meant` holds meet a fault as often as `faults` says."""

    def __init__(
        self, target: str, faults: Mapping[Fault, float], *, seed: int, is_meant: Callable[[str], bool] = lambda _: True
    ) -> None:
        self.target, self._faults, self._is_meant = target, dict(faults), is_meant
        self.counts: Counter[str] = Counter()
        self._rng, self._lock = np.random.default_rng(seed), threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="fault-proxy", daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def calm(self) -> None:
        """No more faults from here on."""
        self._faults.clear()

    def draw(self, path: str) -> Fault | None:
        """What happens to the next request; None: nothing."""
        if not self._is_meant(path):
            return None
        with self._lock:
            chance = self._rng.random()
            self.counts["requests"] += 1
            for fault, share in self._faults.items():
                if chance < share:
                    self.counts[fault.value] += 1
                    return fault
                chance -= share
        return None

    def wait_s(self) -> float:
        """How long what comes later is held back."""
        with self._lock:
            return float(self._rng.uniform(0.2, LATER_S))

    def pass_on(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Answer:
        """What the target answers; 502 where it does not."""
        parts = urlsplit(self.target)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        wanted = {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED}
        try:
            connection.request(method, path, body, {**wanted, "Host": parts.netloc})
            answer = connection.getresponse()
            return _Answer(answer.status, answer.getheaders(), answer.read())
        except (OSError, http.client.HTTPException):
            return _Answer(502, [("Content-Type", "text/html")], b"<html>no answer</html>")
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    """Says nothing of connections that were broken by those who are killed."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def running_proxy(
    target: str, faults: Mapping[Fault, float], *, seed: int, is_meant: Callable[[str], bool] = lambda _: True
) -> Iterator[FaultProxy]:
    """A proxy for as long as the block lasts."""
    proxy = FaultProxy(target, faults, seed=seed, is_meant=is_meant)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


def _handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # noqa: N802 - the standard library's name
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with suppress(OSError):
                self._meet(proxy.draw(self.path), (self.command, self.path, dict(self.headers), body))

        do_POST = do_PATCH = do_PUT = do_DELETE = do_OPTIONS = do_HEAD = do_GET  # noqa: N815

        def _meet(self, fault: Fault | None, request: tuple[str, str, dict[str, str], bytes]) -> None:
            match fault:
                case Fault.DROP:
                    self._break()
                case Fault.ERROR_500:
                    self._tell(_Answer(500, [("Content-Type", "application/json")], b'{"detail": "oops"}'))
                case Fault.TOO_MANY:
                    self._tell(_Answer(429, [("Content-Type", "application/json")], b'{"detail": "slow down"}'))
                case Fault.LATER:
                    threading.Thread(target=self._pass_on_later, args=(request,), daemon=True).start()
                    self._tell(_Answer(200, [("Content-Type", "application/json")], b"{}"))
                case Fault.LOSE_ANSWER:
                    proxy.pass_on(*request)
                    self._break()
                case Fault.GARBAGE:
                    proxy.pass_on(*request)
                    self._tell(_Answer(200, [("Content-Type", "application/json")], b"\x00<!garbage"))
                case Fault.HALF_BODY:
                    self._tell(proxy.pass_on(*request), cut=True)
                case Fault.STALL:
                    time.sleep(STALL_S)
                    self._tell(proxy.pass_on(*request))
                case Fault.DOUBLE:
                    proxy.pass_on(*request)
                    self._tell(proxy.pass_on(*request))
                case None:
                    self._tell(proxy.pass_on(*request))

        def _pass_on_later(self, request: tuple[str, str, dict[str, str], bytes]) -> None:
            time.sleep(proxy.wait_s())
            proxy.pass_on(*request)

        def _tell(self, answer: _Answer, *, cut: bool = False) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers:
                if name.lower() not in _NOT_PASSED | {"server", "date"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)
            if cut:
                self._break()

        def _break(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *_: Any) -> None:
            return

    return Handler
