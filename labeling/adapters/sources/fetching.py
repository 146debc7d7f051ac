"""Bytes from an untrusted web address, without giving access to our own network.

In: an http or https address. Out: its bytes. The name is resolved once and every address that it has must be public;
the socket goes to one of exactly these, and TLS still checks the name. Each redirect is judged anew, at most three;
size and total time are capped. A refused address and a closed port get the same message: the network cannot be mapped.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin

from labeling.adapters.sources.addresses import UNREADABLE, check_address, is_public
from labeling.errors import SPENT, BadAddress, Unavailable

__all__ = ["Fetched", "Fetcher", "resolve_name"]

MAX_REDIRECTS = 3
_CHUNK = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"User-Agent": "hardcase", "Accept": "image/*", "Connection": "close"}
_PASSES = SPENT | {socket.EAI_AGAIN, socket.EAI_MEMORY}
"""What a system says that cannot look up a name now; anything else is about the name."""
_LEFT_ALONE = "%/:=&?~+!$,;'@()*[]|"
Resolver = Callable[[str, int], list[str]]
"""From a host name and a port to its addresses; raises `socket.gaierror`."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address answered with. `fingerprint` is its ETag or Last-Modified, if it gave one."""

    data: bytes
    fingerprint: str | None


def resolve_name(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system knows them; numbers in any notation come back as plain addresses."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Fetcher:
    """How images are fetched from the web. `allow_private` is for tests and closed networks."""

    max_bytes: int
    timeout_s: float = 30.0
    allow_private: bool = False
    resolve: Resolver = resolve_name

    def fetch(self, url: str) -> Fetched:
        """The bytes behind an address.

        Raises
        ------
        BadAddress
            It may not be fetched, does not exist, or answers with what cannot be used (for good).
        Unavailable
            It did not answer, or said to come back later.
        """
        for _ in range(MAX_REDIRECTS + 1):
            parts = check_address(url)
            answer = self._ask(parts)
            if isinstance(answer, Fetched):
                return answer
            url = urljoin(url, answer)
        raise BadAddress(f"{_shown(parts)} redirects more than {MAX_REDIRECTS} times. Use the final address.")

    def _ask(self, parts: SplitResult) -> Fetched | str:
        """One request: what it answered, or where it redirects to."""
        with self._connected(parts) as connection:
            target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_LEFT_ALONE)
            connection.request("GET", target, headers=_HEADERS)
            with connection.getresponse() as answer:
                if answer.status in _REDIRECTS and answer.headers.get("Location"):
                    return str(answer.headers["Location"])
                _check_status(answer.status, parts)
                fingerprint = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
                return Fetched(self._body(answer, parts), fingerprint)

    def _body(self, answer: http.client.HTTPResponse, parts: SplitResult) -> bytes:
        body = bytearray()
        while chunk := answer.read(_CHUNK):
            body += chunk
            if len(body) > self.max_bytes:
                raise BadAddress(f"{_shown(parts)} is larger than {self.max_bytes:,} bytes. Make the image smaller.")
        if answer.length:
            raise Unavailable(f"{_shown(parts)} stopped before the end. It will be tried again.")
        return self._unpacked(bytes(body), answer.headers.get("Content-Encoding", ""), parts)

    def _unpacked(self, body: bytes, encoding: str, parts: SplitResult) -> bytes:
        """The bytes of an answer that the server compressed, though it was asked not to."""
        kind = encoding.strip().lower()
        if kind in ("", "identity"):
            return body
        if kind not in ("gzip", "x-gzip", "deflate"):
            raise BadAddress(f"{_shown(parts)} sends its image compressed by {kind[:20]!r}. Fetch it by hand.")
        unpacking = zlib.decompressobj(zlib.MAX_WBITS + 32 if body[:1] in (b"\x1f", b"\x78") else -zlib.MAX_WBITS)
        try:
            data = unpacking.decompress(body, self.max_bytes + 1)
        except zlib.error as error:
            raise BadAddress(
                f"{_shown(parts)} sends an image whose compression is broken. Fetch it by hand."
            ) from error
        if len(data) > self.max_bytes:
            raise BadAddress(f"{_shown(parts)} unpacks to over {self.max_bytes:,} bytes. Make the image smaller.")
        if not unpacking.eof:
            raise Unavailable(f"{_shown(parts)} stopped before the end. It will be tried again.")
        return data

    @contextmanager
    def _connected(self, parts: SplitResult) -> Iterator[http.client.HTTPConnection]:
        """A connection to an address that was judged, cut when the time is over, however slowly it drips."""
        host = _host(parts)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = self._judged(host, port, parts)
        held: list[socket.socket] = []  # http.client forgets its socket once it knows that no second answer comes
        over = threading.Event()
        cut = threading.Timer(self.timeout_s, _cut, [held, over])
        cut.daemon = True
        try:
            held.append(_connect(addresses, port, self.timeout_s))
            cut.start()
            if parts.scheme == "https":
                tls = ssl.create_default_context()
                secured = tls.wrap_socket(held[0], server_hostname=host, do_handshake_on_connect=False)
                held.append(secured)
                secured.do_handshake()
            connection = http.client.HTTPConnection(host, port)
            connection.sock = held[-1]
            yield connection
            if over.is_set():  # what was cut may look like an ordinary end
                raise Unavailable(_words(parts))
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(_words(parts)) from error
        finally:
            cut.cancel()
            for one in held:
                one.close()

    def _judged(self, host: str, port: int, parts: SplitResult) -> list[str]:
        try:
            addresses = self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            passes = isinstance(error, OSError) and error.errno in _PASSES
            raise (Unavailable if passes else BadAddress)(_words(parts)) from error
        if not addresses or not (self.allow_private or all(is_public(address) for address in addresses)):
            raise BadAddress(_words(parts))
        return addresses


def _host(parts: SplitResult) -> str:
    try:
        return str(parts.hostname).encode("idna").decode("ascii")
    except UnicodeError as error:
        raise BadAddress(UNREADABLE) from error


def _connect(addresses: list[str], port: int, timeout_s: float) -> socket.socket:
    last: OSError = OSError("no address")
    for address in addresses[:2]:
        try:
            return socket.create_connection((address, port), timeout=timeout_s)
        except OSError as error:
            last = error
    raise last


def _cut(held: list[socket.socket], over: threading.Event) -> None:
    over.set()
    try:
        held[-1].shutdown(socket.SHUT_RDWR)
    except OSError:  # it was closed in the meantime
        return


def _check_status(status: int, parts: SplitResult) -> None:
    if status in (408, 425, 429) or status >= 500:
        raise Unavailable(f"{_shown(parts)} answered {status}. It will be tried again.")
    if status != 200:
        raise BadAddress(f"{_shown(parts)} answered {status}. Check the address in a browser.")


def _words(parts: SplitResult) -> str:
    return f"{_shown(parts)} could not be fetched. Only addresses that the public internet answers are."


def _shown(parts: SplitResult) -> str:
    """An address without its query, where signatures and tokens stand."""
    return f"{parts.scheme}://{parts.netloc}{parts.path}"[:200]
