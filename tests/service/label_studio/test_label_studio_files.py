"""Files that Label Studio keeps are read with our token, from there alone, and never without an end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from labeling.adapters.label_studio.client import LabelStudio
from labeling.errors import BadAddress, LabelStudioUnavailable

TOKEN = "0123456789" * 4
ELSEWHERE = "https://bucket.example.org/a.png?signed=1"


@pytest.fixture
def studio() -> Iterator[LabelStudio]:
    with _server() as url:
        made = LabelStudio(url, TOKEN)
        yield made
        made.close()


@contextmanager
def _server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 - the library's name
            body = self.headers.get("Authorization", "").encode()
            status = {"/gone": 404, "/secret": 403, "/busy": 503, "/elsewhere": 302}.get(self.path, 200)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", ELSEWHERE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_file_is_read_with_our_token(studio: LabelStudio) -> None:
    found = studio.read_file("/data/upload/7/a.png", 1_000)

    assert (found.data, found.elsewhere) == (f"Token {TOKEN}".encode(), "")


def test_where_it_lies_elsewhere_is_said_and_not_followed_with_our_token(studio: LabelStudio) -> None:
    found = studio.read_file("/elsewhere", 1_000)

    assert (found.data, found.elsewhere) == (b"", ELSEWHERE)


@pytest.mark.parametrize(("path", "words"), [("/gone", "404"), ("/secret", "403"), ("/a.png", "larger than 5 bytes")])
def test_what_cannot_be_had_is_final(studio: LabelStudio, path: str, words: str) -> None:
    with pytest.raises(BadAddress, match=words):
        studio.read_file(path, 5)


def test_what_may_come_later_is_tried_again(studio: LabelStudio) -> None:
    with pytest.raises(LabelStudioUnavailable):
        studio.read_file("/busy", 1_000)
