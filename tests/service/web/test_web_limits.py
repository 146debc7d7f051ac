"""Headers and bodies that come too slowly: the connection ends, the process goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from fastapi import HTTPException
from starlette.types import Message

from service.web.edge import limits
from service.web.edge.limits import BodyLimits, PatientProtocol


class Hasty(PatientProtocol):
    """As in production, with less patience."""

    headers_s = 0.3


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def served(talk: Any) -> Any:
    """Run `talk(port)` against a server with hasty headers."""
    config = uvicorn.Config(hello, port=0, http=Hasty, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        return await talk(port)
    finally:
        server.should_exit = True
        await running


def test_headers_that_never_end_close_the_connection() -> None:
    async def dribble(port: int) -> tuple[bytes, float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        started, received = time.monotonic(), b""
        try:
            for _ in range(20):
                writer.write(b"A")
                await asyncio.sleep(0.05)
            received = await reader.read()
        except ConnectionError:
            pass  # it has left, as it should
        writer.close()
        return received, time.monotonic() - started

    received, took_s = asyncio.run(served(dribble))

    assert received == b""
    assert took_s < 5


def test_a_connection_that_says_nothing_is_closed() -> None:
    async def be_silent(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        received = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return received

    assert asyncio.run(served(be_silent)) == b""


def test_a_connection_is_used_again_as_long_as_headers_come_in_time() -> None:
    async def ask_thrice(port: int) -> list[bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answers = []
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answers.append(await reader.readuntil(b"ok"))
            await asyncio.sleep(0.2)
        writer.close()
        return answers

    assert len(asyncio.run(served(ask_thrice))) == 3


def read_all(pieces: Iterator[Message], content_type: bytes = b"", upload_bytes: int = 10) -> tuple[bytes, int]:
    """What an application behind the limits sees of a body; the status if it is refused."""
    received = b""

    async def receive() -> Message:
        return next(pieces)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal received
        more = True
        while more:
            message = await receive()
            received += message.get("body", b"")
            more = message.get("more_body", False)

    scope = {"type": "http", "path": "/", "headers": [(b"content-type", content_type)]}
    try:
        asyncio.run(BodyLimits(application, upload_bytes=upload_bytes)(scope, receive, None))  # type: ignore[arg-type]
    except HTTPException as error:
        return received, error.status_code
    return received, 200


def body(*pieces: bytes) -> Iterator[Message]:
    for i, piece in enumerate(pieces):
        yield {"type": "http.request", "body": piece, "more_body": i < len(pieces) - 1}


def test_a_body_passes_up_to_the_cap_and_not_a_byte_beyond() -> None:
    assert read_all(body(b"12345", b"67890")) == (b"1234567890", 200)
    assert read_all(body(b"12345", b"678901")) == (b"12345", 413)


def test_only_an_upload_of_files_may_be_large() -> None:
    large = limits.PLAIN_BODY_BYTES + 1

    assert read_all(body(b"x" * large), b"application/json", large)[1] == 413
    assert read_all(body(b"x" * large), b"multipart/form-data; boundary=x", large)[1] == 200


def test_a_body_that_stops_coming_is_408() -> None:
    async def never() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    scope = {"type": "http", "path": "/", "headers": []}
    with pytest.raises(HTTPException) as refused:
        asyncio.run(BodyLimits(application, upload_bytes=10, idle_s=0.05)(scope, never, None))  # type: ignore[arg-type]
    assert refused.value.status_code == 408
