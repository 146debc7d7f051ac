"""Workers that pay for answers are killed whenever it hurts; the counting endpoint says what was really billed."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.process import BaseProcess

import pytest
import sqlalchemy as sa

from db.repositories.engines import call_ledger
from db.session import reading
from labeling.project import Project
from labeling.types import ProjectId
from tests import asking_worker
from tests.forking import fork

ITEMS, KILLS, WORKERS, THREADS = 90, 3, 2, 3
PRICE_MICRO = 1_000


@dataclass
class Counting:
    """An endpoint that bills every request that reaches it, and takes a moment to answer."""

    url: str = ""
    billed: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


@pytest.fixture
def counting() -> Iterator[Counting]:
    counted = Counting()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            item = self.rfile.read(int(self.headers["Content-Length"])).decode()
            with counted.lock:
                counted.billed[item] += 1
            time.sleep(0.02)
            try:
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")
            except OSError:
                pass  # whoever asked was killed

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        counted.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield counted
        server.shutdown()


def run_and_kill(database: sa.Engine, counting: Counting, when_silent: str, budget_micro: int) -> int:
    """Two workers over the same items; some are killed and started again, the last ones end by themselves.

    A call whose worker is killed near the end is under way until its lease is over: one more worker comes then.
    """
    rng = random.Random(7)
    url = database.url.render_as_string(hide_password=False)

    def start(name: int) -> BaseProcess:
        words = (counting.url, url, when_silent, str(budget_micro), str(ITEMS), f"w{name}")
        return fork(asking_worker.main, *words)

    workers = [start(number) for number in range(WORKERS)]
    kills = 0
    for kill in range(KILLS):
        before = counting.billed.total()
        _wait_until(lambda before=before: counting.billed.total() > before + 5, workers)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.05))
        victim = kill % WORKERS
        if workers[victim].is_alive():
            workers[victim].kill()
            kills += 1
        workers[victim].join()
        workers[victim] = start(WORKERS + kill)
    for worker in workers:
        worker.join(120)
    time.sleep(asking_worker.LEASE_S)
    workers.append(start(WORKERS + KILLS))
    workers[-1].join(120)
    assert [worker.exitcode for worker in workers] == [0] * (WORKERS + 1)
    return kills


def _wait_until(condition: Callable[[], bool], workers: list[BaseProcess]) -> None:
    deadline = time.monotonic() + 60
    while not condition() and any(worker.is_alive() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("when_silent", ["charge", "retry"])
def test_nothing_is_paid_twice_but_what_was_in_flight_at_a_kill(
    any_database: sa.Engine, make_project: Callable[..., Project], counting: Counting, when_silent: str
) -> None:
    project = make_project(any_database)
    assert project.id == 1

    kills = run_and_kill(any_database, counting, when_silent, budget_micro=10**9)

    twice = sum(1 for times in counting.billed.values() if times > 1)
    spent, states = _spent(any_database, project.id)
    assert kills > 0
    assert spent >= counting.billed.total() * PRICE_MICRO
    if when_silent == "charge":
        assert twice == 0
        assert states.get("done", 0) + states.get("ambiguous", 0) == ITEMS
        assert states.get("ambiguous", 0) <= kills * THREADS
    else:
        assert counting.billed.total() - ITEMS <= kills * THREADS
        assert states == {"done": ITEMS}


def test_a_budget_holds_through_kills(
    any_database: sa.Engine, make_project: Callable[..., Project], counting: Counting
) -> None:
    project, cap = make_project(any_database), 40 * PRICE_MICRO + 500

    run_and_kill(any_database, counting, "retry", budget_micro=cap)

    spent, states = _spent(any_database, project.id)
    assert counting.billed.total() * PRICE_MICRO <= spent <= cap
    assert 0 < states["done"] <= 40


def _spent(database: sa.Engine, project_id: ProjectId) -> tuple[int, dict[str, int]]:
    with reading(database) as session:
        found = call_ledger.spending(session, project_id)
    assert found.reserved_micro == 0
    return found.spent_micro, found.calls
