"""An endpoint on loopback that answers as it is told, and counts what it was asked; and a book of calls in memory."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from labeling.errors import EndpointSilent, EndpointUnavailable
from labeling.prelabel.endpoints.endpoint import Question, Reply, Sent

__all__ = ["Answer", "MemoryBook", "ScriptedEndpoint", "answering", "called", "said"]


@dataclass(frozen=True)
class Answer:
    """What comes back: a status and a body; `cut` stops half way, `hang` sends a first half and then nothing."""

    body: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    hang: bool = False


Script = Callable[[str, dict[str, Any]], Answer]


def said(content: str | None, *, tokens: tuple[int, int] = (100, 20), refusal: str | None = None) -> Answer:
    """A chat completion with this content."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    return _completion(message, "stop", tokens)


def called(*calls: tuple[str, dict[str, Any] | str], tokens: tuple[int, int] = (100, 20)) -> Answer:
    """A chat completion that calls tools: pairs of a name and arguments."""
    listed = [
        {"id": f"call-{number}", "type": "function", "function": {"name": name, "arguments": _text(arguments)}}
        for number, (name, arguments) in enumerate(calls)
    ]
    return _completion({"role": "assistant", "content": None, "tool_calls": listed}, "tool_calls", tokens)


def _text(arguments: dict[str, Any] | str) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _completion(message: dict[str, Any], reason: str, tokens: tuple[int, int]) -> Answer:
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return Answer(
        json.dumps(
            {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        )
    )


class ScriptedEndpoint:
    """Keeps what it was asked: paths, bodies and headers, in order. `script` may be changed while it runs."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.url = ""
        self.asked: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.over = threading.Event()
        self.lock = threading.Lock()

    @property
    def count(self) -> int:
        return len(self.asked)


@contextmanager
def answering(script: Script) -> Iterator[ScriptedEndpoint]:
    """A running endpoint; `url` ends in /v1."""
    endpoint = ScriptedEndpoint(script)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            self._answer(json.loads(body or b"{}"))

        def do_GET(self) -> None:
            self._answer({})

        def _answer(self, asked: dict[str, Any]) -> None:
            path = self.path.removeprefix("/v1")
            with endpoint.lock:
                endpoint.asked.append((path, asked, {name.lower(): value for name, value in self.headers.items()}))
            answer = endpoint.script(path, asked)
            data = answer.body.encode()
            self.send_response(answer.status)
            for name, value in {"content-type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if answer.cut or answer.hang else data)
            self.wfile.flush()
            if answer.hang:
                endpoint.over.wait(30)

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # the client went away, as some of these tests want
                self.close_connection = True

        def finish(self) -> None:
            try:
                super().finish()
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    endpoint.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class MemoryBook:
    """A book of calls in memory: done calls are the cache, silent ones are never sent again."""

    def __init__(self) -> None:
        self.questions: list[Question] = []
        self._done: dict[str, Sent] = {}
        self._silent: set[str] = set()

    def ask(self, question: Question, send: Callable[[], Sent]) -> Reply:
        self.questions.append(question)
        if question.key in self._silent:
            raise EndpointSilent("It was asked before and never answered.")
        if found := self._done.get(question.key):
            return Reply(found.status, found.body, found.tokens_in, found.tokens_out, 0, 0.0, True)
        try:
            sent = send()
        except EndpointSilent:
            self._silent.add(question.key)
            raise
        except EndpointUnavailable:
            raise
        self._done[question.key] = sent
        cost = question.bound_micro if sent.cost_micro is None else sent.cost_micro
        return Reply(sent.status, sent.body, sent.tokens_in, sent.tokens_out, cost, 0.1, False)
