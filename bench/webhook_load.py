"""Sends webhook events as fast as a server takes them: raw HTTP over kept connections, each event once.

In: a server and how many connections. Out: which events it acknowledged and how long each took.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from labeling.types import ProjectId
from service.label_studio.webhook import HEADER, path_of

__all__ = ["Load", "Server", "send_for"]

annotation_ids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Server:
    """A server under test: where it keeps its files, where it listens, and for whom."""

    home: Path
    port: int
    project_id: ProjectId
    secret: str
    process: subprocess.Popen[bytes]


@dataclass
class Load:
    """What a burst of events met: the acknowledged annotation ids, their times, and how many were refused."""

    acknowledged: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    wall_s: float = 0.0

    def line(self, arm: str, concurrency: int) -> dict[str, Any]:
        p50, p99 = np.percentile(self.seconds, [50, 99]) * 1000
        rate = len(self.acknowledged) / self.wall_s
        return {
            "arm": arm,
            "concurrency": concurrency,
            "events_per_s": round(rate, 1),
            "p50_ms": round(float(p50), 2),
            "p99_ms": round(float(p99), 2),
            "refused": self.refused,
        }


def send_for(to: Server, concurrency: int, seconds: float, kill_after_s: float | None = None) -> Load:
    """Send events over this many connections for this long."""
    load = Load()

    async def all_at_once() -> None:
        begun = time.perf_counter()
        senders = [asyncio.create_task(send_one_by_one(to, load, begun + seconds)) for _ in range(concurrency)]
        if kill_after_s is not None:
            await asyncio.sleep(kill_after_s)
            to.process.kill()
        await asyncio.gather(*senders)
        load.wall_s = time.perf_counter() - begun

    uvloop.run(all_at_once())
    return load


async def send_one_by_one(to: Server, load: Load, end: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", to.port)
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while (begun := time.perf_counter()) < end:
            annotation_id = next(annotation_ids)
            writer.write(request(to, annotation_id))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            if head.startswith(b"HTTP/1.1 200"):
                load.acknowledged.append(annotation_id)
                load.seconds.append(time.perf_counter() - begun)
            else:
                load.refused += 1
    writer.close()


def request(to: Server, annotation_id: int) -> bytes:
    """One event, of the size and shape that Label Studio sends."""
    at = "2026-11-21T21:37:30.186141Z"
    choice = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": ["dog"]}}
    annotation = {"id": annotation_id, "result": [choice], "created_at": at, "updated_at": at, "task": annotation_id}
    task = {"id": annotation_id, "data": {"image": "http://127.0.0.1/" + "x" * 200}, "meta": {}, "is_labeled": True}
    project = {"id": 24, "title": "bench", "label_config": "<View>" + "x" * 1_000 + "</View>", "token": "x" * 40}
    content = {"action": "ANNOTATION_CREATED", "annotation": annotation, "task": task, "project": project}
    body = json.dumps(content).encode()
    lines = [
        f"POST {path_of(to.project_id)} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"{HEADER}: {to.secret}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
