"""The adapter against answers that are none, on loopback: every failure is one of ours and says what to do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from labeling.adapters.label_studio.client import LabelStudio
from labeling.adapters.label_studio.http import LabelStudioHttp
from labeling.errors import HardcaseError, Invalid, LabelStudioUnavailable, NotFound

LEGACY, PERSONAL = "0" * 40, "aaa.bbb.ccc"
Answer = tuple[int, str, str]


@contextmanager
def _server(answer: Callable[[str, str], Answer]) -> Iterator[str]:
    """Answers (path, Authorization) -> (status, content type, body)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 - the standard library's name
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, kind, body = answer(self.path.split("?")[0], self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if status == 301:
                self.send_header("Location", self.path)
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_PATCH = do_GET  # noqa: N815 - the standard library's names

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        ((500, "application/json", '{"detail": "oops"}'), LabelStudioUnavailable, "tried again"),
        ((429, "application/json", "{}"), LabelStudioUnavailable, "tried again"),
        ((502, "text/html", "<html>"), LabelStudioUnavailable, "tried again"),
        ((404, "text/html", "<html>"), LabelStudioUnavailable, "tried again"),
        ((200, "text/html", "<html>log in</html>"), LabelStudioUnavailable, "tried again"),
        ((301, "text/html", ""), LabelStudioUnavailable, "tried again"),
        ((200, "application/json", "{half"), LabelStudioUnavailable, "proxy"),
        ((200, "application/json", "[]"), LabelStudioUnavailable, "proxy"),
        ((401, "application/json", '{"detail": "no"}'), LabelStudioUnavailable, "HARDCASE_LABEL_STUDIO_TOKEN"),
        ((403, "application/json", '{"detail": "a reserved network address"}'), Invalid, "USER_ADDITIONAL_BANNED"),
        ((404, "application/json", '{"detail": "not found"}'), NotFound, "does not have"),
        ((400, "application/json", '{"validation_errors": {"title": ["short"]}}'), Invalid, "short"),
    ],
)  # fmt: skip
def test_every_bad_answer_becomes_an_error_of_ours(answer: Answer, kind: type[HardcaseError], says: str) -> None:
    with _server(lambda path, token: answer) as url:
        studio = LabelStudio(url, LEGACY, timeout_s=5)

        with pytest.raises(kind, match=says):  # by our own client
            studio.project(1)
        with pytest.raises(HardcaseError):  # by the SDK
            studio.find_project("marker")

        studio.close()


def test_nobody_there_and_no_token_are_told_apart() -> None:
    with pytest.raises(LabelStudioUnavailable, match="Is it running"):
        LabelStudio("http://127.0.0.1:1", LEGACY).release()
    with pytest.raises(LabelStudioUnavailable, match="no token"):
        LabelStudio("http://127.0.0.1:1", "").release()
    with pytest.raises(LabelStudioUnavailable, match="no token"):
        LabelStudio("http://127.0.0.1:1", "").users()


def test_an_answer_that_never_comes_is_given_up_in_time() -> None:
    stop = threading.Event()

    def hang(path: str, token: str) -> Answer:
        stop.wait(5)
        return 200, "application/json", "{}"

    with _server(hang) as url:
        studio = LabelStudio(url, LEGACY, timeout_s=0.2)
        with pytest.raises(LabelStudioUnavailable, match="in time"):
            studio.project(1)
        stop.set()
        studio.close()


def test_a_personal_token_is_exchanged_and_renewed_before_it_ends_and_never_sent_itself() -> None:
    seen: list[tuple[str, str]] = []
    now = [0.0]

    def answer(path: str, token: str) -> Answer:
        seen.append((path, token))
        access = f"access-{len(seen)}"
        return 200, "application/json", json.dumps({"access": access, "release": "1"})

    with _server(answer) as url:
        http = LabelStudioHttp(url, PERSONAL, timeout_s=5, clock=lambda: now[0])
        for moment in (0.0, 239.0, 241.0):
            now[0] = moment
            http.call("GET", "/api/version")
        http.close()

    assert seen == [
        ("/api/token/refresh/", ""),
        ("/api/version", "Bearer access-1"),
        ("/api/version", "Bearer access-1"),
        ("/api/token/refresh/", ""),
        ("/api/version", "Bearer access-4"),
    ]


def test_a_server_that_does_not_answer_is_left_alone_and_then_tried_once() -> None:
    asked: list[str] = []
    now, status = [0.0], [500]

    def answer(path: str, token: str) -> Answer:
        asked.append(path)
        return status[0], "application/json", "{}"

    def call(times: int) -> list[str]:
        said = []
        for _ in range(times):
            with pytest.raises(LabelStudioUnavailable) as caught:
                http.call("GET", "/api/version")
            said.append(caught.value.message)
        return said

    with _server(answer) as url:
        http = LabelStudioHttp(url, LEGACY, timeout_s=5, clock=lambda: now[0])
        first, more = call(5), call(20)
        now[0] = 2.1
        again = call(2)
        now[0], status[0] = 7.0, 200
        well = [http.call("GET", "/api/version") for _ in range(2)]
        http.close()

    assert (len(asked), well) == (5 + 1 + 2, [{}, {}])
    assert all("tried again" in words for words in first)
    assert {words.split(".")[3] for words in more} == {f"1:{url.rsplit(':', 1)[1]} has not answered 5 times in a row"}
    assert "No call is made for 4 s" in again[1]


def test_a_refusal_is_an_answer_and_opens_no_breaker() -> None:
    asked: list[str] = []

    def answer(path: str, token: str) -> Answer:
        asked.append(path)
        return 400, "application/json", '{"detail": "no"}'

    with _server(answer) as url:
        http = LabelStudioHttp(url, LEGACY, timeout_s=5)
        for _ in range(10):
            with pytest.raises(Invalid):
                http.call("GET", "/api/version")
        http.close()

    assert len(asked) == 10


def test_a_false_certificate_is_no_answer() -> None:
    with _server(lambda path, token: (200, "application/json", "{}")) as url:
        studio = LabelStudio(url.replace("http://", "https://"), LEGACY, timeout_s=5)

        with pytest.raises(LabelStudioUnavailable, match="cannot be reached"):
            studio.project(1)

        studio.close()


@pytest.mark.parametrize(
    ("answer", "maybe_done"),
    [
        ((500, "application/json", "{}"), True),
        ((200, "application/json", "{half"), True),
        ((429, "application/json", "{}"), False),
        ((401, "application/json", "{}"), False),
    ],
)
def test_an_error_says_whether_what_was_asked_may_be_done_all_the_same(answer: Answer, maybe_done: bool) -> None:
    with _server(lambda path, token: answer) as url:
        studio = LabelStudio(url, LEGACY, timeout_s=5)

        with pytest.raises(LabelStudioUnavailable) as caught:
            studio.import_tasks(1, [])

        assert bool(caught.value.facts.get("maybe_done")) is maybe_done
        studio.close()
