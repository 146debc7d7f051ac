"""Anonymous memory of this process, and its peak while something runs: in MB, without what is mapped from files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["anonymous_mb", "peak"]

SAMPLE_S = 0.005


def anonymous_mb() -> float:
    """What the process holds now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not tell the anonymous memory of a process: Linux is needed")


@contextmanager
def peak() -> Iterator[list[float]]:
    """What it held, looked at every few milliseconds, from the beginning of the block on."""
    sampled, over = [anonymous_mb()], threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_S):
            sampled.append(anonymous_mb())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield sampled
    finally:
        over.set()
        thread.join()
