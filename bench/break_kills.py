"""Web, worker and decoders are killed at random while images and answers come in (P12).

In: how many kills, and a seed. Out: the system after it has come to rest, and a tally: what was acknowledged, and how
long it took to the first answer of the web process after each kill. Processes are started again at once, as by a
system's supervisor; `hardcase up` adds a tenth of a second, and a pause where one dies again and again. Each kill comes
up to two seconds after the last one has healed: an image that was being decoded at two deaths is set aside, as it must.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import psutil
import sqlalchemy as sa

from bench.break_system import System, prepared, stop
from bench.report import Target, at_most
from db.repositories.projects import projects
from db.session import reading
from db.tables import DecisionRow, FetchRow, ImageRow, InboxRow, RegistrationRow
from service.label_studio.webhook import HEADER, path_of, secret_of
from service.settings import load_settings

__all__ = ["Tally", "killed"]

MODULES = {"web": "service.web", "worker": "service.work"}
HEALED_WITHIN_S = 180.0
PAUSE_S = 2.0
EVERY_S = 0.5
FIRST_ANSWER_S = 3.0


@dataclass
class Tally:
    """What was acknowledged, and what each kill cost."""

    events: set[int] = field(default_factory=set)
    decided: dict[int, str] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"web": [], "worker": [], "decoder": []})
    """From each kill to the first answer of the web process."""
    cpu_s: list[float] = field(default_factory=list)
    """Processor time that the web process had taken by then, where it was the one that was killed."""

    def wrong(self, system: System) -> list[str]:
        """Which acknowledged answers are lost or doubled."""
        with reading(system.database) as session:
            kept = [one for hint in session.scalars(sa.select(InboxRow.hint)) for one in hint["annotations"]]
            decisions = [(row.image_id, row.value) for row in session.scalars(sa.select(DecisionRow))]
        lost_events, lost = self.events - set(kept), set(self.decided.items()) - set(decisions)
        found = {
            f"{len(lost_events)} acknowledged events are lost": bool(lost_events),
            f"{len(kept) - len(set(kept))} events are doubled": len(kept) != len(set(kept)),
            f"{len(lost)} acknowledged decisions are lost": bool(lost),
            f"{len(decisions) - len(set(decisions))} decisions are doubled": len(decisions) != len(set(decisions)),
        }
        return [words for words, holds in found.items() if holds]

    def targets(self, wrong: list[str]) -> dict[str, Target]:
        """P12: nothing is lost or doubled, and the web process answers within 3 s."""
        return {
            "kinds_of_loss_or_doubling": at_most(float(len(wrong)), 0.0),
            "worst_first_answer_s": at_most(max(self.seconds["web"], default=None), FIRST_ANSWER_S),
        }

    def lines(self) -> list[Mapping[str, Any]]:
        kills = sum(map(len, self.seconds.values()))
        bound = 1 - 0.05 ** (1 / kills)
        rows: list[Mapping[str, Any]] = [
            {"arm": "acknowledged", "kills": kills, "events": len(self.events), "decisions": len(self.decided)},
            {"arm": "sent", **self.sent},
            {"arm": "kills after which something could be lost", "at_most_95": round(bound, 4), "if none was": True},
        ]
        rows += [_line(name, seconds) for name, seconds in self.seconds.items() if seconds]
        if self.cpu_s:
            median, worst = round(statistics.median(self.cpu_s), 2), round(max(self.cpu_s), 2)
            rows.append(
                {"arm": "processor time of the web process to its first answer", "median_s": median, "worst_s": worst}
            )
        return rows


def _line(name: str, seconds: list[float]) -> dict[str, Any]:
    low, high = np.quantile(_medians(seconds), [0.025, 0.975])
    return {
        "arm": f"{name} killed",
        "kills": len(seconds),
        "first_answer_median_s": round(statistics.median(seconds), 3),
        "interval_95": [round(float(low), 3), round(float(high), 3)],
        "worst_s": round(max(seconds), 3),
        "within_goal": sum(one <= FIRST_ANSWER_S for one in seconds),
    }


def _medians(seconds: list[float]) -> list[float]:
    """Medians of 2,000 samples that are drawn from these again."""
    drawn = np.random.default_rng(0).choice(seconds, (2_000, len(seconds)))
    return [float(one) for one in np.median(drawn, axis=1)]


@contextmanager
def killed(count: int, seed: int) -> Iterator[tuple[System, Tally]]:
    """A system whose processes were killed so many times and that has come to rest, and the tally."""
    rng, tally = np.random.default_rng(seed), Tally()
    with prepared() as system, _Processes(system) as processes:
        first = _answered(system, time.monotonic())
        print(
            f"the web process answered after {first:.1f} s, the loop turned after {system.turned():.1f} s", flush=True
        )
        with _Traffic(system, tally, np.random.default_rng([seed, 1])):
            for number in range(count):
                time.sleep(rng.uniform(0, PAUSE_S))
                victim = str(rng.choice(list(tally.seconds)))
                took = processes.kill(victim)
                tally.seconds[victim].append(took)
                if victim == "web":
                    tally.cpu_s.append(processes.cpu_s())
                healed = _healed(system)
                print(f"{number + 1:4} {victim:8} {took:6.2f} s to an answer, {healed:6.1f} s to rest", flush=True)
        system.turned()
        _drained(system, tally)
        yield system, tally


class _Processes:
    """A web and a worker process that are started again at once when they are killed."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> _Processes:
        for name in MODULES:
            self._start(name)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            stop(process)

    def kill(self, victim: str) -> float:
        """SIGKILL; the seconds to the first answer of the web process."""
        if victim == "decoder":
            decoder = self._decoder()
            began = time.monotonic()
            decoder.kill()
        else:
            began = time.monotonic()
            self._running[victim].kill()
            self._running[victim].wait()
            self._start(victim)
        return _answered(self._system, began)

    def cpu_s(self) -> float:
        """Processor time of the web process until now."""
        return float(sum(psutil.Process(self._running["web"].pid).cpu_times()[:2]))

    def _start(self, name: str) -> None:
        command = [sys.executable, "-m", MODULES[name]]
        with (self._system.home / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(command, env=self._system.environment, stdout=log, stderr=log)

    def _decoder(self) -> psutil.Process:
        """A process that decodes now; there is one as long as images come in."""
        worker, deadline = psutil.Process(self._running["worker"].pid), time.monotonic() + HEALED_WITHIN_S
        while time.monotonic() < deadline:
            for child in worker.children():
                try:
                    if "labeling.adapters.decoders.child" in child.cmdline():
                        return child
                except psutil.Error:  # it has just ended
                    continue
            time.sleep(0.01)
        raise TimeoutError("no process decoded anything")


class _Traffic:
    """Images, events of Label Studio and decisions of a lead, one after the other, while the block runs."""

    def __init__(self, system: System, tally: Tally, rng: np.random.Generator) -> None:
        self._system, self._tally, self._rng = system, tally, rng
        self._over = threading.Event()
        self._threads = ThreadPoolExecutor(1)
        signing = load_settings(home=system.home).secret.get_secret_value()
        with reading(system.database) as session:
            project_id = projects.by_name(session, "broken").id
        self._hook, self._secret = path_of(project_id), {HEADER: secret_of(signing, project_id)}
        self._last_decided = 0

    def __enter__(self) -> None:
        self._running = self._threads.submit(self._run)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._threads.shutdown()
        self._running.result()  # what ended the traffic ends the run: kills beside none lose nothing

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            for send in (self._image, self._event, self._decision):
                try:
                    send()
                except httpx.TransportError:
                    self._over.wait(0.1)  # nothing was acknowledged

    def _image(self) -> None:
        count = int(self._rng.integers(1, 4))
        self._tally.sent["images"] += count
        self._system.upload(count)

    def _event(self) -> None:
        self._tally.sent["events"] += 1
        number = self._tally.sent["events"]
        content = {"action": "ANNOTATION_CREATED", "annotation": {"id": number, "task": number}}
        answer = self._system.client.post(self._hook, content=json.dumps(content), headers=self._secret)
        if answer.status_code == httpx.codes.OK:
            self._tally.events.add(number)

    def _decision(self) -> None:
        """About an image that nobody has decided about yet."""
        with reading(self._system.database) as session:
            image = session.scalar(sa.select(sa.func.min(ImageRow.id)).where(ImageRow.id > self._last_decided))
        if image is None:
            return
        self._last_decided = image
        self._tally.sent["decisions"] += 1
        value = ("cat", "dog")[int(self._rng.integers(2))]
        body = {"decisions": [{"image_id": image, "value": value}], "reason": "it is one"}
        answer = self._system.client.post("/api/projects/broken/decisions", json=body)
        if answer.status_code == httpx.codes.OK:
            self._tally.decided[image] = value


def _answered(system: System, began: float) -> float:
    """Seconds since `began` at the first answer of the web process."""
    while True:
        try:
            if system.client.get("/health").status_code == httpx.codes.OK:
                return time.monotonic() - began
        except httpx.TransportError:
            pass
        if time.monotonic() - began > HEALED_WITHIN_S:
            raise TimeoutError(f"the web process does not answer; see {system.home}")
        time.sleep(0.02)


def _healed(system: System) -> float:
    """Seconds until all that had been registered by now is fetched."""
    began = time.monotonic()
    with reading(system.database) as session:
        newest = session.scalar(sa.select(sa.func.max(RegistrationRow.id))) or 0
    waiting = sa.select(sa.func.count()).where(
        RegistrationRow.id <= newest, RegistrationRow.id.not_in(sa.select(FetchRow.registration_id))
    )
    while True:
        with reading(system.database) as session:
            if not session.scalar(waiting):
                return time.monotonic() - began
        if time.monotonic() - began > HEALED_WITHIN_S:
            raise TimeoutError(f"the loop stands still; see {system.home}")
        time.sleep(0.1)


def _drained(system: System, tally: Tally) -> None:
    """Wait until the events have left the spool."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with reading(system.database) as session:
            if (session.scalar(sa.select(sa.func.count()).select_from(InboxRow)) or 0) >= len(tally.events):
                return
        time.sleep(0.2)
