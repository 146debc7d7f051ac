"""The clock of a running hardcase is set an hour back, and ten years forward, and put right again.

In: a running system whose clock can be moved. Out: nothing, or AssertionError with what does not hold. While it is
wrong and after it: a key that never ends is served, uploads get their pre-labels, each schedule fires once, and
whatever has an end (a key, a session of the pages, the address of an image) is over when that is past, and only then.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import httpx
import sqlalchemy as sa

from bench.break_faults import play
from bench.break_system import SWEEP_EVERY_S, System, picture
from db.repositories.projects import projects
from db.session import reading
from db.tables import SourceRow
from service.label_studio.signed_urls import sign_picture
from service.settings import load_settings

__all__ = ["hour_back", "ten_years_forward"]

HOUR = 3_600
TEN_YEARS = 3_652 * 24 * HOUR


def hour_back(system: System, seconds: float) -> None:
    """The clock is set an hour back for a while, as by a wrong time server."""
    _moved(system, seconds, -HOUR)


def ten_years_forward(system: System, seconds: float) -> None:
    """The clock is ten years ahead for a while."""
    _moved(system, seconds, TEN_YEARS)


@dataclass(frozen=True, slots=True)
class _Ending:
    """What has an end: a key for a day, a session of the pages and the address of an image for hours."""

    day_key: str
    session: dict[str, str]
    image: str

    def still_good(self, system: System) -> dict[str, bool]:
        """What of it is served now."""
        with httpx.Client(base_url=system.client.base_url, timeout=30) as anyone:
            key = anyone.get("/api/projects", headers={"Authorization": f"Bearer {self.day_key}"})
            page = anyone.get("/projects/broken", cookies=self.session)
            return {
                "key": key.status_code == httpx.codes.OK,
                "session": page.status_code == httpx.codes.OK,
                "image": anyone.get(self.image).status_code == httpx.codes.OK,
            }


def _moved(system: System, seconds: float, by: int) -> None:
    folder, ending, past = _source(system), _issued(system), by > 0
    _holds(ending.still_good(system), {"key": True, "session": True, "image": True}, "before the clock was set")
    # a session that says it was made in the future is nobody's until the clock is right again
    wrong = {"key": not past, "session": False, "image": not past}
    opened = _lived(system, seconds, by, folder, ending, wrong)
    # one that had ended by the clock of its day is forgotten when somebody logs in, and stays so
    _lived(system, seconds, 0, folder, ending, {"key": True, "session": not past, "image": True})
    if past:
        of_then = replace(ending, session=opened)
        _holds(of_then.still_good(system), {"key": True, "session": False, "image": True}, "for what was made then")


def _lived(
    system: System, seconds: float, offset: int, folder: Path, ending: _Ending, good: dict[str, bool]
) -> dict[str, str]:
    """Let the loop turn with the clock so many seconds away; a session that was opened meanwhile."""
    waiting = _put(folder)
    with _fired(system) as fired:
        system.set_clock(offset)
        play(system, seconds, {202})
        _holds(ending.still_good(system), good, f"with the clock {offset:+d} s away")
        opened = _log_in(system, system.admin)
        system.turned()
        _wait(lambda: waiting in system.ready(), "the new image of the source")
    fired.check()
    return opened


def _issued(system: System) -> _Ending:
    with reading(system.database) as session:
        project = projects.by_name(session, "broken")
    now, shown = datetime.now(UTC), sorted(system.ready())[0]
    secret = load_settings(home=system.home).secret.get_secret_value()
    image = sign_picture(
        secret, project_id=project.id, content_hash=shown, expires_at=now + timedelta(hours=8), now=now
    )
    return _Ending(system.key("day", "read", "--days", "1"), _log_in(system, system.admin), image)


def _log_in(system: System, key: str) -> dict[str, str]:
    """The cookies of a session of the pages, opened now; AssertionError where it cannot be."""
    with httpx.Client(base_url=system.client.base_url, timeout=30) as browser:
        form = browser.get("/login").text
        token = re.search(r'name="form_token" value="([^"]+)"', form)
        assert token, "the login page has no form"
        browser.post("/login", data={"key": key, "form_token": token[1]})
        assert browser.get("/projects/broken").status_code == httpx.codes.OK, "nobody can log in"
        return dict(browser.cookies)


def _source(system: System) -> Path:
    """A folder that is looked into once an hour, and has been."""
    folder = system.home.parent / "source"
    if not folder.exists():
        folder.mkdir()
        first = _put(folder)
        system.watch(folder)
        _wait(lambda: first in system.ready(), "the first image of the source")
    return folder


def _put(folder: Path) -> str:
    data = picture()
    name = sha256(data).hexdigest()
    (folder / f"{name}.png").write_bytes(data)
    return name


@dataclass
class _Fired:
    """Which sweeps there were, and when the source was looked into, while it was watched."""

    system: System
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    sweeps: set[str] = field(default_factory=set)
    looks: set[datetime] = field(default_factory=set)

    def note(self) -> None:
        with reading(self.system.database) as session:
            found = sa.text("SELECT workflow_uuid FROM workflow_status WHERE name = 'sweep'")
            self.sweeps.update(session.scalars(found))
            self.looks.update(session.scalars(sa.select(SourceRow.looked_at).where(SourceRow.looked_at.is_not(None))))

    def check(self) -> None:
        """AssertionError where the sweep stood still or ran wild, or the source was not looked into exactly once."""
        most = (self.ended - self.began) / SWEEP_EVERY_S + 2
        assert 0 < len(self.sweeps) <= most, f"{len(self.sweeps)} sweeps where {most:.0f} are the most"
        assert len(self.looks) == 1, f"the source was looked into {len(self.looks)} times, not once"


@contextmanager
def _fired(system: System) -> Iterator[_Fired]:
    """Watch the schedules for as long as the block lasts; what was there before does not count."""
    before, fired, over = _Fired(system), _Fired(system), threading.Event()
    before.note()

    def watch() -> None:
        while not over.wait(0.2):
            fired.note()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield fired
    finally:
        over.set()
        thread.join()
        fired.ended = time.monotonic()
        fired.sweeps -= before.sweeps
        fired.looks -= before.looks


def _holds(found: dict[str, bool], expected: dict[str, bool], when: str) -> None:
    wrong = {name for name in found if found[name] != expected[name]}
    assert not wrong, f"{when}: what is served is {found}, not {expected}"


def _wait(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not get its pre-label"
        time.sleep(0.2)
