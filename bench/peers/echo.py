"""The least that a Python server can do with a body: read it, answer a constant. What it answers a second is the floor.

python -m bench.peers.echo PORT BYTES
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

Message = dict[str, Any]


def make_app(answer: bytes) -> Any:
    async def app(_scope: Any, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]) -> None:
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


if __name__ == "__main__":
    answer = b"x" * int(sys.argv[2])
    uvicorn.run(make_app(answer), port=int(sys.argv[1]), lifespan="off", access_log=False, log_level="warning")
