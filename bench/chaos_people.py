"""People under chaos: each answers, skips, changes, deletes, accepts in bulk, in Label Studio's own API, as drawn.

In: an account and a seed. Out: annotations in Label Studio, and how much of what was acknowledged. Whatever breaks
(Label Studio is killed now and then) is left and tried anew; what was not acknowledged counts for nothing.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any

import httpx
import numpy as np

from service.operations.label_studio_server import Account

__all__ = ["Crowd"]

TIMEOUT_S = 30.0


class Crowd:
    """Several people at once, a thread each, for as long as the `with` block runs."""

    def __init__(
        self,
        where: Callable[[], tuple[str, int]],
        accounts: list[Account],
        classes: tuple[str, ...],
        *,
        seed: int,
        pause_s: float,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._where, self._classes, self._pause_s = where, classes, pause_s
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(account, np.random.default_rng([seed, n])), daemon=True)
            for n, account in enumerate(accounts)
        ]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let everybody finish what they do."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout=2 * TIMEOUT_S)

    def _work(self, account: Account, rng: np.random.Generator) -> None:
        with (
            httpx.Client(timeout=TIMEOUT_S, headers={"Authorization": f"Token {account.token}"}) as http,
            httpx.Client(timeout=TIMEOUT_S) as images,
        ):
            person = _Person(http, images, self._classes, rng)
            while not self._stopped.is_set():
                self._let_act(person)
                self._stopped.wait(self._pause_s)

    def _let_act(self, person: _Person) -> None:
        url, project = self._where()
        try:
            self.counts[person.act(url, project)] += 1
        except httpx.HTTPStatusError as error:
            self.counts["refused" if error.response.status_code < 500 else "interrupted"] += 1
        except (httpx.HTTPError, ValueError):
            self.counts["interrupted"] += 1
            self._stopped.wait(0.5)


class _Person:
    """One person, and which annotations were acknowledged as theirs."""

    def __init__(
        self, http: httpx.Client, images: httpx.Client, classes: tuple[str, ...], rng: np.random.Generator
    ) -> None:
        self._http, self._images, self._classes, self._rng = http, images, classes, rng
        self._mine: list[int] = []

    def act(self, url: str, project: int) -> str:
        """Do one thing; what it was."""
        chance = self._rng.random()
        if chance < 0.12 and self._mine:
            return self._change(url)
        if chance < 0.17 and self._mine:
            return self._delete(url)
        if chance < 0.18:
            return self._accept_in_bulk(url, project)
        if chance < 0.185:
            return self._delete_task(url, project)
        return self._answer(url, project)

    def _answer(self, url: str, project: int) -> str:
        found = self._http.get(f"{url}/api/projects/{project}/next")
        if found.status_code == httpx.codes.NOT_FOUND:
            time.sleep(0.5)
            return "nothing to do"
        task = found.raise_for_status().json()
        self._images.get(task["data"]["image"])
        skipped = bool(self._rng.random() < 0.08)
        body = {"result": self._result(), "was_cancelled": skipped, "lead_time": 1.0}
        made = self._http.post(f"{url}/api/tasks/{task['id']}/annotations/", json=body).raise_for_status().json()
        self._mine.append(int(made["id"]))
        return "skipped" if skipped else "answered"

    def _change(self, url: str) -> str:
        which = self._mine[int(self._rng.integers(len(self._mine)))]
        self._http.patch(f"{url}/api/annotations/{which}/", json={"result": self._result()}).raise_for_status()
        return "changed"

    def _delete(self, url: str) -> str:
        which = self._mine.pop(int(self._rng.integers(len(self._mine))))
        self._http.delete(f"{url}/api/annotations/{which}/").raise_for_status()
        return "deleted"

    def _accept_in_bulk(self, url: str, project: int) -> str:
        """Turn the predictions of two tasks into annotations, whoever answered them before."""
        ids = [task["id"] for task in self._some_tasks(url, project, 2)]
        body = {"selectedItems": {"all": False, "included": ids}}
        params: dict[str, str | int] = {"id": "predictions_to_annotations", "project": project}
        self._http.post(f"{url}/api/dm/actions", params=params, json=body).raise_for_status()
        return "accepted in bulk"

    def _delete_task(self, url: str, project: int) -> str:
        for task in self._some_tasks(url, project, 1):
            self._http.delete(f"{url}/api/tasks/{task['id']}/").raise_for_status()
        return "deleted task"

    def _some_tasks(self, url: str, project: int, n: int) -> list[dict[str, Any]]:
        params: dict[str, str | int] = {"project": project, "fields": "all", "include": "id", "page_size": 100}
        found = self._http.get(f"{url}/api/tasks", params=params).raise_for_status().json()["tasks"]
        order = self._rng.permutation(len(found))[:n]
        return [found[int(i)] for i in order]

    def _result(self) -> list[dict[str, Any]]:
        choice = self._classes[int(self._rng.integers(len(self._classes)))]
        return [{"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [choice]}}]
