"""Takes away what hardcase needs, gives it back, and measures on real processes how long until the loop turns again.

`python -m bench.break` runs a whole `hardcase up` on a small home (without Label Studio) and plays each fault: the
store away, no room on the disk, no descriptors, the worker stopped and killed in its work. A fault has healed when an
image that is uploaded after it has its pre-label. At the end nothing that was acknowledged may be lost or doubled, and
nothing may wait for a person. `--quick` makes the faults short. Exit code 1 if anything does not hold.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import httpx
import numpy as np
import psutil
import sqlalchemy as sa
from PIL import Image

from bench.webhook import free_port
from db.repositories.running import failures
from db.session import make_engine, reading
from db.tables import FailureRow, FetchRow, ImageRow, PrelabelRow, RegistrationRow
from service.settings import load_settings

PROJECT = "name: broken\nlabels: [cat, dog]\npolicy: {engine: scripted}\n"
SWEEP_EVERY_S = 2
QUICK_S = 3.0
HEALED_WITHIN_S = 180.0
"""The longest pause of anything that tries again, twice, on a loaded machine."""


@dataclass
class System:
    """A running hardcase, and the uploads that it has acknowledged."""

    home: Path
    environment: dict[str, str]
    up: subprocess.Popen[bytes]
    client: httpx.Client
    database: sa.Engine
    acknowledged: set[str] = field(default_factory=set)

    def upload(self, count: int = 1) -> int:
        """Upload so many new images in one request; the answer's status, 0 if there was none."""
        files = [_picture() for _ in range(count)]
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


Fault = Callable[[System, float], None]


def store_away(system: System, seconds: float) -> None:
    """The folder of the images is gone, and something else stands in its place."""
    media = system.home / "media"
    away = media.rename(media.with_name("media.away"))
    media.touch()
    try:
        _play(system, seconds, {503, 0})
    finally:
        media.unlink()
        away.rename(media)


def disk_full(system: System, seconds: float) -> None:
    """No file of web and worker may grow: what a quota that is used up says."""
    with _limited(system, resource.RLIMIT_FSIZE, lambda _: 0):
        _play(system, seconds, {507, 0})


def no_descriptors(system: System, seconds: float) -> None:
    """Web and worker can open nothing more."""
    with _limited(system, resource.RLIMIT_NOFILE, lambda process: process.num_fds()):
        _play(system, seconds, {503, 0, 202})


def worker_stopped(system: System, seconds: float) -> None:
    """SIGTERM in the middle of its work, three times, or once if it is to be quick."""
    for _ in range(_times(seconds)):
        _end_worker(system, signal.SIGTERM, seconds)


def worker_killed(system: System, seconds: float) -> None:
    """SIGKILL in the middle of its work, as often."""
    for _ in range(_times(seconds)):
        _end_worker(system, signal.SIGKILL, seconds)


FAULTS: tuple[Fault, ...] = (store_away, disk_full, no_descriptors, worker_stopped, worker_killed)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.break", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short faults")
    parser.add_argument("--only", choices=[fault.__name__ for fault in FAULTS], help="one fault")
    chosen = parser.parse_args(words)
    seconds = QUICK_S if chosen.quick else 5 * SWEEP_EVERY_S + 20.0
    with running() as system:
        print(f"{'nothing':16} {system.turned():6.1f} s until the loop turned", flush=True)
        for fault in FAULTS:
            if chosen.only in (None, fault.__name__):
                fault(system, seconds)
                print(f"{fault.__name__:16} {system.turned():6.1f} s until the loop turned again", flush=True)
        wrong = examine(system)
    print("; ".join(wrong) or f"all {len(system.acknowledged)} acknowledged uploads are there once, nothing is dead")
    return int(bool(wrong))


def examine(system: System) -> list[str]:
    """What does not hold: acknowledged uploads that are lost or doubled, dead letters, a damaged database."""
    with reading(system.database) as session:
        images = list(session.scalars(sa.select(ImageRow.content_hash)))
        twice = session.scalar(
            sa.select(sa.func.count()).select_from(
                sa.select(PrelabelRow.image_id).group_by(PrelabelRow.image_id).having(sa.func.count() > 1).subquery()
            )
        )
        fetched = session.scalar(sa.select(sa.func.count()).select_from(FetchRow)) or 0
        registered = session.scalar(sa.select(sa.func.count()).select_from(RegistrationRow)) or 0
        dead = list(session.scalars(sa.select(FailureRow.reason).where(failures.has_no_tries_left())))
        sound = session.connection().exec_driver_sql("PRAGMA integrity_check").scalar()
    lost = system.acknowledged - set(images)
    found = {
        f"{len(lost)} acknowledged uploads are lost": bool(lost),
        f"{len(images) - len(set(images))} images and {twice} pre-labels are doubled": bool(
            twice or len(images) != len(set(images))
        ),
        f"{registered - fetched} registrations were not fetched": registered != fetched,
        f"dead letters: {dead}": bool(dead),
        f"the database: {sound}": sound != "ok",
    }
    return [words for words, holds in found.items() if holds]


@contextmanager
def running() -> Iterator[System]:
    """A home with one project, and `hardcase up` on it."""
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
        key = _type(environment, "key", "create", "break", "--role", "admin", "--json")
        command = [sys.executable, "-m", "service.cli", "up"]
        with (home / "up.log").open("wb") as log:
            up = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        ending.callback(_stop, up)
        settings = load_settings(home=home)
        database = make_engine(settings.database)
        ending.callback(database.dispose)
        address = f"http://127.0.0.1:{environment['HARDCASE_PORT']}"
        client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {_key_in(key)}"}, timeout=10)
        yield System(home, environment, up, ending.enter_context(client), database)


def _play(system: System, seconds: float, expected: set[int]) -> None:
    """Upload again and again while the fault lasts; what is answered must be among `expected`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status = system.upload()
        if status not in expected:
            raise RuntimeError(f"an upload was answered {status}, not one of {sorted(expected)}")
        time.sleep(0.5)


def _times(seconds: float) -> int:
    return 3 if seconds > QUICK_S else 1


def _end_worker(system: System, number: int, seconds: float) -> None:
    """Give the worker much to do, and end it while it does that; the supervisor starts the next."""
    while (worker := system.process("service.work")) is None:
        time.sleep(0.1)
    system.upload(60 if seconds > QUICK_S else 20)
    time.sleep(min(seconds, 2.0))
    worker.send_signal(number)
    worker.wait(timeout=20)


@contextmanager
def _limited(system: System, what: int, soft: Callable[[psutil.Process], int]) -> Iterator[None]:
    """A lower limit of web and worker, for as long as the block lasts."""
    processes = [one for one in map(system.process, ("service.web", "service.work")) if one is not None]
    before = {one: resource.prlimit(one.pid, what) for one in processes}
    try:
        for one in processes:
            resource.prlimit(one.pid, what, (soft(one), before[one][1]))
        yield
    finally:
        for one in processes:
            if one.is_running():
                resource.prlimit(one.pid, what, before[one])


def _type(environment: dict[str, str], *words: str) -> str:
    command = [sys.executable, "-m", "service.cli", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"hardcase {' '.join(words)}: {(done.stdout + done.stderr)[-500:]}")
    return done.stdout


def _key_in(said: str) -> str:
    return next(word for word in said.replace('"', " ").split() if word.startswith("hck_"))


def _stop(up: subprocess.Popen[bytes]) -> None:
    up.terminate()
    try:
        up.wait(timeout=30)
    except subprocess.TimeoutExpired:
        up.kill()
        up.wait()


def _picture() -> bytes:
    """A picture that nobody has had before."""
    rng = np.random.default_rng(secrets.randbits(63))
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
