"""A process that asks a counting endpoint many questions through the ledger; a test kills it whenever it likes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256

import httpx

from db.session import make_engine
from labeling.errors import EndpointSilent, EndpointUnavailable, OverBudget
from labeling.prelabel.endpoints.endpoint import CallBook, Endpoint, Limits, Price, Question, Sent
from labeling.project import Budget
from labeling.types import ProjectId
from service.work.engines.call_ledger import LedgerBook

PRICE = Price(per_request=1_000)
BOUND = 1_200
LEASE_S = 0.5


def main(url: str, database: str, when_silent: str, budget_micro: str, items: str, name: str) -> None:
    endpoint = Endpoint(
        "counting", url, price=PRICE, limits=Limits(at_once=16), timeout_s=LEASE_S,
        when_silent="retry" if when_silent == "retry" else "charge",
    )  # fmt: skip
    book = LedgerBook(
        make_engine(database), endpoint, Budget(int(budget_micro)), owner=name, now=lambda: datetime.now(UTC),
        sleep=time.sleep, grace_s=0.0,
    )  # fmt: skip
    with httpx.Client(timeout=20, trust_env=False) as client, ThreadPoolExecutor(3) as pool:
        for _ in pool.map(lambda number: ask(book, client, url, number), range(int(items))):
            pass


def ask(book: CallBook, client: httpx.Client, url: str, number: int) -> None:
    """One item; what is refused, or was never answered, stays as it is."""

    def send() -> Sent:
        answer = client.post(url, content=str(number))
        return Sent(answer.status_code, answer.text, 1, 1, 1_000)

    question = Question("counting", "m", sha256(str(number).encode()).hexdigest(), ProjectId(1), BOUND)
    with suppress(EndpointSilent, EndpointUnavailable, OverBudget):
        book.ask(question, send)
