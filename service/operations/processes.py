"""The one supervisor of a home: whether it may start, and what it knows of its processes, for pages and doctor.

In: the home, its port. Out: a lock, or Conflict; one state for each process, in a small file of the home. The file says
nothing once its supervisor is gone.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
import psutil
from filelock import FileLock, Timeout

from labeling.adapters.storage.atomic_files import write_whole
from labeling.errors import Conflict, Invalid

FILE = "processes.json"
LOCK = "up.lock"


class ProcessState(msgspec.Struct, frozen=True):
    """One process: whether it stays up, and how it last ended."""

    name: str
    stays_up: bool
    since: datetime
    deaths: int
    code: int | None
    log: str

    @property
    def words(self) -> str:
        """For a person who reads a page."""
        return (
            f"The process {self.name} will not stay up: it ended {self.deaths} times, last with code {self.code}. "
            f"It is started again once a minute. {self.log} says why it ends."
        )


class _File(msgspec.Struct, frozen=True):
    supervisor: int
    processes: list[ProcessState]


def write_processes(home: Path, supervisor: int, states: Sequence[ProcessState]) -> None:
    """Say how the processes are; OSError or StorageFull where the home cannot be written."""
    write_whole(home / FILE, msgspec.json.encode(_File(supervisor, list(states))))


def forget_processes(home: Path) -> None:
    """The supervisor ends."""
    (home / FILE).unlink(missing_ok=True)


def read_processes(home: Path) -> list[ProcessState]:
    """How the processes are; none where no supervisor runs."""
    try:
        found = msgspec.json.decode((home / FILE).read_bytes(), type=_File)
    except (OSError, msgspec.DecodeError):  # no supervisor has written it, or none can
        return []
    return found.processes if psutil.pid_exists(found.supervisor) else []


@contextmanager
def only_one(home: Path, pid: int) -> Iterator[None]:
    """Hold the lock of the one supervisor of a home; Conflict says which process holds it."""
    lock, note = FileLock(home / LOCK), home / f"{LOCK}.pid"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        holder = note.read_text().strip() if note.exists() else "another one"
        raise Conflict(
            f"hardcase already runs on {home.absolute()} (process {holder}). Stop it first (`kill {holder}`), or set "
            "HARDCASE_HOME to another folder."
        ) from None
    try:
        note.write_text(f"{pid}\n")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def check_port(host: str, port: int) -> None:
    """Whether we can listen there; Conflict if somebody else does, Invalid if it cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except PermissionError as error:
            raise Invalid(f"Port {port} is not for this user. Set HARDCASE_PORT to one above 1023.") from error
        except (OSError, OverflowError) as error:
            way_out = "Stop what listens there, or set HARDCASE_PORT (and HARDCASE_HOST) to another address."
            raise Conflict(f"{host}:{port} cannot be listened on ({_said(error)}). {way_out}") from error


def _said(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
