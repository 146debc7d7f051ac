"""Web addresses that strangers wrote: only public ones are fetched, whatever they are dressed up as."""

from __future__ import annotations

import errno
import gzip
import ipaddress
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from labeling.adapters.sources.addresses import check_address, is_public
from labeling.adapters.sources.fetching import Fetcher
from labeling.errors import BadAddress, HardcaseError, Unavailable


class Site(BaseHTTPRequestHandler):
    """A site that answers, redirects, fails, drips and never ends, by path; `asked` remembers."""

    asked: list[str]

    def do_GET(self) -> None:  # noqa: N802  # the name that the base class asks for
        self.asked.append(self.path)
        name, _, rest = self.path.partition("?")[0].strip("/").partition("/")
        match name:
            case "to":
                self._answer(302, b"", {"Location": rest if "://" in rest else f"/{rest}"})
            case "status":
                self._answer(int(rest), b"")
            case "drip":
                self.send_response(200)
                self.end_headers()
                for _ in range(20):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.05)
            case "packed":
                plain = b"bytes of a picture" * 50
                packed = {
                    "gzip": gzip.compress(plain), "x-gzip": gzip.compress(plain), "deflate": zlib.compress(plain),
                    "raw": zlib.compress(plain)[2:-4], "bomb": gzip.compress(bytes(100_000)),
                    "cut": gzip.compress(plain)[:-9], "false": b"no gzip at all", "br": b"x", "identity": plain,
                }[rest]  # fmt: skip
                kind = {"raw": "deflate", "bomb": "gzip", "cut": "gzip", "false": "gzip"}.get(rest, rest)
                self._answer(200, packed, {"Content-Encoding": kind})
            case "short":
                self._answer(200, b"only this", {"Content-Length": "1000"})
            case _:
                self._answer(200, b"bytes of " + self.path.encode(), {"ETag": '"7"'})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # the client went away, as it should
            return

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def site() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Here", (Site,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def fetcher(*, private: bool = False, timeout_s: float = 5.0) -> Fetcher:
    return Fetcher(max_bytes=1_000, timeout_s=timeout_s, allow_private=private)


LOOPBACK = [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "0.0.0.0",
    "[::]",
    "2130706433",
    "0177.0.0.1",
    "0x7f000001",
    "127.1",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_no_notation_of_loopback_is_fetched_and_an_open_port_reads_like_a_closed_one(
    host: str, site: tuple[str, list[str]]
) -> None:
    open_port = site[0].rsplit(":", 1)[1]

    with pytest.raises(BadAddress) as opened:
        fetcher().fetch(f"http://{host}:{open_port}/x")
    with pytest.raises(BadAddress) as closed:
        fetcher().fetch(f"http://{host}:1/x")

    assert opened.value.message.replace(open_port, "1") == closed.value.message
    assert site[1] == []


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "192.0.0.192", "168.63.129.16"]
    + ["224.0.0.1", "255.255.255.255", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "64:ff9b::7f00:1"]
    + ["2002:7f00:1::", "::127.0.0.1", "64:ff9b:1::1", "not an address", ""],
)
def test_addresses_of_no_public_host_are_told(address: str) -> None:
    assert not is_public(address)


# fmt: off
SPECIAL = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32", "192.0.0.170/31", "192.0.2.0/24",
    "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32", "224.0.0.0/4", "::1/128", "::/128",
    "::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001::/32", "2001:1::1/128",
    "2001:1::2/128", "2001:1::3/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28",
    "2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16",
    "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
]
# fmt: on
"""The IANA registries of special-purpose addresses, with multicast and the deprecated blocks."""


@pytest.mark.parametrize("block", SPECIAL)
def test_no_address_of_a_special_purpose_is_public_at_either_end_plain_or_wrapped(block: str) -> None:
    network = ipaddress.ip_network(block)

    for address in (network[0], network[-1], network[network.num_addresses // 2]):
        assert not is_public(str(address))
        if address.version == 4:
            assert not is_public(f"::ffff:{address}") and not is_public(f"64:ff9b::{address}")


@pytest.mark.parametrize("address", ["4000::1", "8000::1", "e000::1", "1::1", "2002:808:808::1"])
def test_what_is_given_out_to_no_host_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["::ffff:8.8.8.8", "64:ff9b::808:808", "2a00:1450::1", "192.88.98.1", "192.89.0.1"])
def test_neighbours_and_wrapped_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
def test_addresses_of_public_hosts_are_told(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://example.org/",
        "ftp://example.org/x",
        "//example.org/x",
        "example.org/x",
        "http://",
        "http:///x",
        "http://user@example.org/",
        "http://user:pass@127.0.0.1/",
        "http://example.org\\@127.0.0.1/",
        "http://example.org/\r\nHost: inside",
        "http://exa mple.org/",
        "http://example.org:99999/",
        "http://example.org:0/",
        "http://[::1/",
        "http://example.org/" + "x" * 3_000,
    ],
)
def test_what_is_no_plain_web_address_is_refused_without_touching_the_network(url: str) -> None:
    with pytest.raises(BadAddress):
        check_address(url)


@pytest.mark.parametrize("flips_to", ["93.184.216.34", "169.254.169.254"])
def test_a_name_that_flips_is_resolved_once_and_the_judged_address_is_the_one_used(
    flips_to: str, site: tuple[str, list[str]]
) -> None:
    port = site[0].rsplit(":", 1)[1]
    asked: list[str] = []

    def flips(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else [flips_to]

    got = Fetcher(max_bytes=1_000, allow_private=True, resolve=flips).fetch(f"http://flip.example:{port}/x")

    assert got.data == b"bytes of /x"
    assert asked == ["flip.example"]


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(BadAddress):
        Fetcher(max_bytes=10, resolve=lambda *_: ["8.8.8.8", "127.0.0.1"]).fetch("http://both.example/")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no"), BadAddress),
        (socket.gaierror(socket.EAI_AGAIN, "no"), Unavailable),
        (socket.gaierror(socket.EAI_MEMORY, "no"), Unavailable),
        (OSError(errno.EMFILE, "no"), Unavailable),
    ],
)
def test_an_unknown_name_is_final_and_one_that_cannot_be_resolved_now_is_not(
    error: OSError, kind: type[HardcaseError]
) -> None:
    def fails(*_: object) -> list[str]:
        raise error

    with pytest.raises(kind, match="could not be fetched"):
        Fetcher(max_bytes=10, resolve=fails).fetch("http://nowhere.example/")


def test_bytes_come_back_with_their_fingerprint(site: tuple[str, list[str]]) -> None:
    got = fetcher(private=True).fetch(site[0] + "/a ä.png".replace(" ", "%20"))

    assert got.data == b"bytes of /a%20%C3%A4.png"
    assert got.fingerprint == '"7"'


def test_three_redirects_are_followed_and_four_are_not(site: tuple[str, list[str]]) -> None:
    assert fetcher(private=True).fetch(site[0] + "/to/to/to/x").data == b"bytes of /x"
    with pytest.raises(BadAddress, match="redirects"):
        fetcher(private=True).fetch(site[0] + "/to/to/to/to/x")


def test_each_redirect_is_judged_anew(site: tuple[str, list[str]]) -> None:
    """The site stands for a public one: the resolver calls it public, and only the first hop is let through."""
    port = site[0].rsplit(":", 1)[1]

    for target in ("file:///etc/passwd", "gopher://x/", f"http://a@127.0.0.1:{port}/"):
        with pytest.raises(BadAddress):
            fetcher(private=True).fetch(f"{site[0]}/to/{target}")
    assert len(site[1]) == 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, BadAddress), (403, BadAddress), (204, BadAddress), (500, Unavailable), (429, Unavailable)],
)
def test_answers_are_final_or_worth_another_try(
    status: int, kind: type[HardcaseError], site: tuple[str, list[str]]
) -> None:
    with pytest.raises(kind, match=str(status)):
        fetcher(private=True).fetch(f"{site[0]}/status/{status}?token=secret")


def test_too_many_bytes_too_few_and_too_slow_are_cut(site: tuple[str, list[str]]) -> None:
    with pytest.raises(BadAddress, match="larger"):
        Fetcher(max_bytes=5, allow_private=True).fetch(site[0] + "/x")
    with pytest.raises(Unavailable, match="before the end"):
        fetcher(private=True).fetch(site[0] + "/short")
    started = time.monotonic()
    with pytest.raises(Unavailable):
        fetcher(private=True, timeout_s=0.3).fetch(site[0] + "/drip")
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("kind", ["gzip", "x-gzip", "deflate", "raw", "identity"])
def test_b44_what_a_server_compresses_is_unpacked(site: tuple[str, list[str]], kind: str) -> None:
    """B44: a server that sends `Content-Encoding: gzip`; the image was "not an image that we know"."""
    assert fetcher(private=True).fetch(f"{site[0]}/packed/{kind}").data == b"bytes of a picture" * 50


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [("bomb", BadAddress, "unpacks to over"), ("false", BadAddress, "broken"), ("br", BadAddress, "'br'")]
    + [("cut", Unavailable, "before the end")],
)
def test_b44_what_cannot_be_unpacked_is_named_and_a_bomb_is_cut(
    site: tuple[str, list[str]], kind: str, error: type[HardcaseError], words: str
) -> None:
    with pytest.raises(error, match=words):
        fetcher(private=True).fetch(f"{site[0]}/packed/{kind}")


def test_messages_hold_no_query(site: tuple[str, list[str]]) -> None:
    with pytest.raises(BadAddress) as refused:
        fetcher(private=True).fetch(site[0] + "/status/404?signature=secret")

    assert "secret" not in refused.value.message
