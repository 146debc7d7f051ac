"""A few decoding processes, each with one image at a time.

In: the bytes of a file. Out: what is kept of the image, its shown form as a stream. An image that takes too long, or
that ended its process twice, is a BadImage; whatever happens to a process, the next image gets a sound one.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Condition

from labeling.adapters.decoders.messages import Answer, Findings, Order, framed, parsed_answer, read_head
from labeling.errors import BadImage
from labeling.ingest.headers import Limits

__all__ = ["Decoders", "Picture"]

TRIES = 2
CPU_S, CPU_S_A_MEGAPIXEL = 2.0, 0.5
_WAIT = 10
"""How many times the processor time an answer may take on the clock, on a busy machine."""
_START_S = 60
_PIECE = 2**20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """What is kept of an image, and its shown form in pieces, to be read to the end once."""

    findings: Findings
    shown: Iterator[bytes]


class Decoders:
    """Starts a process when it is wanted and none is free, up to `most`; safe to use from several threads."""

    def __init__(self, max_decoding_bytes: int, most: int) -> None:
        self._max_bytes, self._most = max_decoding_bytes, most
        self._free: list[_Child] = []
        self._busy = 0
        self._changed = Condition()
        weakref.finalize(self, _end_all, self._free)  # whoever forgets `rest` leaves no process behind

    @contextmanager
    def decode(self, data: bytes, limits: Limits, pixels: int) -> Iterator[Picture]:
        """Decode one file of about so many pixels; for as long as the block lasts its process is held.

        Raises
        ------
        BadImage
            As `labeling.ingest.decoding.decode`, and for a file that took too long or ended its process twice.
        """
        with self._held():
            child, answer = self._answered(data, limits, pixels)
            if answer.findings is None:
                self._keep(child, answer)
                if answer.fault:
                    _log.error("decoding failed by a mistake of hardcase: %s", answer.fault)
                raise BadImage(answer.reason)
            try:
                yield Picture(answer.findings, child.pieces(answer.findings.shown_bytes))
            except BaseException:
                child.end()  # its answer was not read to the end
                raise
            self._keep(child, answer)

    def rest(self) -> None:
        """End the processes that are free: nothing is left to decode for now."""
        with self._changed:
            free = list(self._free)
            self._free.clear()
        _end_all(free)

    def _answered(self, data: bytes, limits: Limits, pixels: int) -> tuple[_Child, Answer]:
        cpu_s = CPU_S + CPU_S_A_MEGAPIXEL * pixels / 1e6
        order = framed(Order(len(data), limits, cpu_s))
        how = ""
        for _ in range(TRIES):
            child = self._taken()
            try:
                return child, child.ask(order, data, _WAIT * cpu_s + _START_S)
            except _Died:
                how = child.end()
            except BaseException:
                child.end()
                raise
            if how == _TIME:
                raise BadImage(f"Decoding this image takes more than {cpu_s:.0f} s. Save it again as PNG or JPEG.")
        raise BadImage(f"Decoding this image ended its process {TRIES} times ({how}). Save it again as PNG or JPEG.")

    def _taken(self) -> _Child:
        with self._changed:
            while self._free:
                child = self._free.pop()
                if child.is_alive():
                    return child
                child.end()
        return _Child(self._max_bytes)

    def _keep(self, child: _Child, answer: Answer) -> None:
        if answer.retire:
            child.end()
            return
        with self._changed:
            self._free.append(child)

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._busy < self._most)
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify()


def _end_all(children: list[_Child]) -> None:
    while children:
        children.pop().end()


class _Died(Exception):
    """The process ended, or gave no answer in time."""


_TIME = "time"


class _Child:
    """One process and its pipes."""

    def __init__(self, max_bytes: int) -> None:
        command = [sys.executable, "-m", "labeling.adapters.decoders.child", str(max_bytes)]
        root = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is the worker's to handle
        )
        assert self._process.stdin and self._process.stdout
        self._orders, self._answers = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._poll, self._until = select.poll(), 0.0
        self._poll.register(self._answers, select.POLLIN)

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, order: bytes, data: bytes, wait_s: float) -> Answer:
        """Send an order; `_Died` when no answer comes."""
        self._until = time.monotonic() + wait_s
        try:
            for part in (order, data):
                view = memoryview(part)
                while view:
                    view = view[os.write(self._orders, view) :]
        except OSError as error:
            raise _Died from error
        head = read_head(self._read)
        if head is None:
            raise _Died
        return parsed_answer(head)

    def pieces(self, count: int) -> Iterator[bytes]:
        """The bytes that follow an answer; BadImage, which no store is blamed for, where they stop before the end."""
        while count:
            self._until = time.monotonic() + _START_S  # however long the last piece took to be stored
            try:
                piece = self._read(min(count, _PIECE))
            except (_Died, OSError):
                piece = b""
            if not piece:
                raise BadImage("The process that decoded this image ended before its answer did. Retry it.")
            count -= len(piece)
            yield piece

    def end(self) -> str:
        """End the process and say how it ended: by its time, or by what."""
        with suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)
        if self._process.poll() is None:
            self._process.kill()
        code = self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        if code == -signal.SIGPROF or time.monotonic() >= self._until > 0:
            return _TIME
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def _read(self, count: int) -> bytes:
        """Exactly so many bytes, unless the process ends first; `_Died` past the time."""
        parts: list[bytes] = []
        while count:
            waiting_ms = max(0, round(1_000 * (self._until - time.monotonic())))
            if not self._poll.poll(waiting_ms):
                raise _Died
            part = os.read(self._answers, count)
            if not part:
                break
            parts.append(part)
            count -= len(part)
        return b"".join(parts)
