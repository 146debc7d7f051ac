"""A bucket in memory that a test takes away: every call then raises what a library raises when nothing answers."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec
from fsspec.implementations.memory import MemoryFileSystem

_CALLS = ("info", "ls", "cat_file", "pipe_file", "rm_file", "makedirs", "mv", "modified", "_open", "find")


class AwayStore(MemoryFileSystem):  # type: ignore[misc]
    """`s3://` for as long as a test wants. `away` is raised by every call, `slow_s` passes before it answers."""

    protocol = ("s3", "s3a")
    store: dict[str, Any] = {}
    pseudo_dirs: list[str] = [""]
    cachable = False
    away: Exception | None = None
    slow_s = 0.0
    half = False
    calls = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("s3://", "memory://")))


def _answering(name: str) -> Any:
    def call(self: AwayStore, *args: Any, **options: Any) -> Any:
        AwayStore.calls += 1
        time.sleep(AwayStore.slow_s)
        if AwayStore.away is not None:
            raise AwayStore.away
        if name == "_open" and AwayStore.half:
            return HalfFile(b"01234")
        return getattr(MemoryFileSystem, name)(self, *args, **options)

    return call


class HalfFile(io.BytesIO):
    """A file that ends before the end that was announced."""

    size = 10


for _name in _CALLS:
    setattr(AwayStore, _name, _answering(_name))


@contextmanager
def bucket() -> Iterator[type[AwayStore]]:
    """`s3://` is this store within the block; it begins empty and there."""
    known = fsspec.registry.get("s3")
    AwayStore.store, AwayStore.pseudo_dirs = {}, [""]
    AwayStore.away, AwayStore.slow_s, AwayStore.half, AwayStore.calls = None, 0.0, False, 0
    fsspec.register_implementation("s3", AwayStore, clobber=True)
    try:
        yield AwayStore
    finally:
        AwayStore.away, AwayStore.slow_s, AwayStore.half = None, 0.0, False
        if known is not None:
            fsspec.register_implementation("s3", known, clobber=True)
