"""A whole `hardcase up` on a small home, without Label Studio, that takes uploads and whose processes can be ended.

In: nothing. Out: a running system; leaving the `with` block ends everything that it started. Its clock can be moved:
then libfaketime stands before the C library in all of its processes, and reads from a file what time it is.
"""

from __future__ import annotations

import io
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import httpx
import numpy as np
import psutil
import sqlalchemy as sa
from PIL import Image

from bench.webhook import free_port
from db.session import make_engine, reading
from db.tables import ImageRow, PrelabelRow
from service.settings import load_settings

PROJECT = "name: broken\nlabels: [cat, dog]\npolicy: {engine: scripted, source_every_s: 3600}\n"
SWEEP_EVERY_S = 2
CLOCK = "clock"
HEALED_WITHIN_S = 180.0
"""The longest pause of anything that tries again, twice, on a loaded machine."""


@dataclass
class System:
    """A running hardcase, and the uploads that it has acknowledged."""

    home: Path
    up: subprocess.Popen[bytes] | None
    client: httpx.Client
    database: sa.Engine
    environment: dict[str, str]
    admin: str
    acknowledged: set[str] = field(default_factory=set)

    def key(self, name: str, role: str, *words: str) -> str:
        """Make a key on the command line, whose clock is right."""
        return _key_in(_type(self.environment, "key", "create", name, "--role", role, *words, "--json"))

    def watch(self, folder: Path) -> None:
        """Make a folder a source of the project."""
        _type(self.environment, "ingest", "broken", str(folder), "--watch")

    def set_clock(self, seconds: int) -> None:
        """Move the clock of all processes by so many seconds from what it truly is."""
        (self.home / CLOCK).write_text(f"{seconds:+d}")
        time.sleep(2.0)  # each of them reads it once a second

    def upload(self, count: int = 1) -> int:
        """Upload so many new images in one request; the answer's status, 0 if there was none."""
        files = [picture() for _ in range(count)]
        names = [sha256(one).hexdigest() for one in files]
        sent = [("files", (f"{name}.png", data, "image/png")) for name, data in zip(names, files, strict=True)]
        try:
            status = self.client.post("/api/projects/broken/images", files=sent).status_code
        except httpx.TransportError:
            return 0
        if status == 202:
            self.acknowledged.update(names)
        return status

    def process(self, module: str) -> psutil.Process | None:
        """The process of the tree that runs this module now."""
        assert self.up is not None
        for child in psutil.Process(self.up.pid).children():
            try:
                if module in child.cmdline():
                    return child
            except psutil.Error:  # it has just ended
                continue
        return None

    def ready(self) -> set[str]:
        """The hashes of the images that have a pre-label."""
        with reading(self.database) as session:
            found = sa.select(ImageRow.content_hash).join(PrelabelRow, PrelabelRow.image_id == ImageRow.id)
            return set(session.scalars(found))

    def turned(self) -> float:
        """Seconds until an image that is uploaded from now on has its pre-label; TimeoutError past the limit."""
        began = time.monotonic()
        deadline = began + HEALED_WITHIN_S
        while self.upload() != 202 and time.monotonic() < deadline:
            time.sleep(0.1)
        while not self.acknowledged <= self.ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {HEALED_WITHIN_S:.0f} s; see {self.home / 'logs'}")
            time.sleep(0.1)
        return time.monotonic() - began


@contextmanager
def running(*, movable_clock: bool = False) -> Iterator[System]:
    """A home with one project, and `hardcase up` on it; `set_clock` works if its clock is movable."""
    with prepared() as system, (system.home / "up.log").open("wb") as log:
        environment = system.environment | (_movable(system.home / CLOCK) if movable_clock else {})
        command = [sys.executable, "-m", "service.cli", "up"]
        system.up = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            yield system
        finally:
            stop(system.up)


@contextmanager
def prepared() -> Iterator[System]:
    """A home with one project, where nothing runs yet."""
    with ExitStack() as ending:
        home = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="break-"))) / "home"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HARDCASE_")},
            "HARDCASE_HOME": str(home),
            "HARDCASE_PORT": str(free_port()),
            "HARDCASE_SWEEP_EVERY_S": str(SWEEP_EVERY_S),
            "HARDCASE_LABEL_STUDIO_URL": "http://127.0.0.1:9",
            "HARDCASE_LABEL_STUDIO_TOKEN": "0" * 40,
        }
        _type(environment, "init")
        (home / "broken.yaml").write_text(PROJECT)
        _type(environment, "project", "create", str(home / "broken.yaml"))
        key = _key_in(_type(environment, "key", "create", "break", "--role", "admin", "--json"))
        database = make_engine(load_settings(home=home).database)
        ending.callback(database.dispose)
        address = f"http://127.0.0.1:{environment['HARDCASE_PORT']}"
        client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=10)
        yield System(home, None, ending.enter_context(client), database, environment, key)


def _movable(clock: Path) -> dict[str, str]:
    """What puts libfaketime before the C library, with a clock that is right for now."""
    found = find_spec("libfaketime")
    if found is None or found.origin is None:
        raise RuntimeError("A clock can be moved with the package libfaketime only: pip install '.[dev]'.")
    clock.write_text("+0")
    return {
        "LD_PRELOAD": str(Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # nobody can set that one
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # threads that wait for the lock of Python would spin
    }


def _type(environment: dict[str, str], *words: str) -> str:
    command = [sys.executable, "-m", "service.cli", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"hardcase {' '.join(words)}: {(done.stdout + done.stderr)[-500:]}")
    return done.stdout


def _key_in(said: str) -> str:
    return next(word for word in said.replace('"', " ").split() if word.startswith("hck_"))


def stop(up: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL to what does not end by it."""
    up.terminate()
    try:
        up.wait(timeout=30)
    except subprocess.TimeoutExpired:
        up.kill()
        up.wait()


def picture() -> bytes:
    """A picture that nobody has had before."""
    rng = np.random.default_rng(secrets.randbits(63))
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()
