"""Simulated annotators: they answer in Label Studio through its own API, with the calls that its page makes.

In: accounts, the true labels, an error rate for each annotator. Out: annotations in Label Studio. The true label is
found by the reference of the image that a review is about (the task names the review, hardcase's database the
reference), because the displayed image has been re-encoded and has no name. The seed fixes which answers are wrong and
which wrong class they name: the same question always gets the same answer.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import httpx
import numpy as np

from labeling.errors import Unavailable
from service.logs import get_logger
from service.operations.label_studio_server import post_form

log = get_logger(__name__)

_FAILURES_IN_A_ROW = 10


@dataclass(frozen=True, slots=True)
class Account:
    """How a simulated annotator logs in to Label Studio."""

    email: str
    password: str


@dataclass(frozen=True, slots=True)
class SimulatedAnswers:
    """What a simulated annotator answers about an image: the true class, except for a stated share of wrong answers.

    An image is found by the file name in its reference. All wrong answers are equally likely: the annotator's confusion
    matrix has 1 - `error_rate` on its diagonal. The errors of two seeds are independent.
    """

    truth: Mapping[str, str]
    classes: tuple[str, ...]
    error_rate: float
    seed: int

    def true(self, reference: str) -> str:
        """The class that the image really has."""
        return self.truth[PurePosixPath(reference).name]

    def to(self, reference: str) -> str:
        """The answer to the image of this reference; always the same one."""
        true = self.true(reference)
        digest = hashlib.sha256(f"{self.seed}:{PurePosixPath(reference).name}".encode()).digest()
        rng = np.random.default_rng(list(digest))
        if rng.random() >= self.error_rate:
            return true
        others = [name for name in self.classes if name != true]
        return others[int(rng.integers(len(others)))]


class Session:
    """One person's logged-in session with Label Studio: the calls that its labelling page makes."""

    def __init__(self, base_url: str, account: Account) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=30.0, follow_redirects=False)
        self._images = httpx.Client(timeout=30.0, headers={"Origin": base_url})
        answer = post_form(self._http, "/user/login/", email=account.email, password=account.password)
        if answer.status_code != 302:
            raise Unavailable(f"The simulated annotator {account.email} could not log in to Label Studio.")
        self._http.headers.update({"X-CSRFToken": self._http.cookies["csrftoken"], "Referer": base_url})

    def next_task(self, project: int) -> dict[str, Any] | None:
        """The task that Label Studio hands out next and locks for this person; None when there is none."""
        answer = self._http.post("/api/dm/actions", params={"id": "next_task", "project": project}, json={})
        if answer.status_code == 404:
            return None
        task: dict[str, Any] = answer.raise_for_status().json()
        return task

    def load_image(self, address: str) -> None:
        """Fetch the task's image from hardcase as the page would."""
        self._images.get(address).raise_for_status()

    def submit(self, task: dict[str, Any], choice: str, *, lead_time_s: float) -> None:
        """Press Submit with this choice."""
        self._http.post(
            f"/api/tasks/{task['id']}/annotations",
            params={"project": task["project"]},
            json=submitted_form(task, choice, lead_time_s),
        ).raise_for_status()

    def close(self) -> None:
        self._http.close()
        self._images.close()


def invite(label_studio: str, token: str, accounts: Iterable[Account]) -> None:
    """Give each simulated annotator an account of its own, as an invited person would make it."""
    with httpx.Client(base_url=label_studio, timeout=60.0, headers={"Authorization": f"Token {token}"}) as admin:
        address = admin.get("/api/invite").raise_for_status().json()["invite_url"]
    for account in accounts:
        with httpx.Client(base_url=label_studio, timeout=60.0) as visitor:
            form = {"email": account.email, "password": account.password, "allow_newsletters": "false"}
            answer = post_form(visitor, address, **form)
        if answer.status_code not in (200, 302):
            raise Unavailable(f"Label Studio made no account for {account.email} ({answer.status_code}).")


def shown_choice(task: dict[str, Any]) -> tuple[int | None, str | None]:
    """The prediction that a task displays, and the choice that it selects (None in a blind task)."""
    newest = max(task.get("predictions") or [{}], key=lambda prediction: prediction.get("id", 0))
    chosen = [item["value"]["choices"][0] for item in newest.get("result", []) if item["type"] == "choices"]
    return newest.get("id"), chosen[0] if chosen else None


def submitted_form(task: dict[str, Any], choice: str, lead_time_s: float) -> dict[str, Any]:
    """What the page posts: the result with its origin, and the prediction that was displayed."""
    prediction, shown = shown_choice(task)
    origin = "manual" if shown is None else "prediction" if shown == choice else "prediction-changed"
    item = {
        "id": hashlib.sha256(f"{task['id']}:{choice}".encode()).hexdigest()[:10],
        "from_name": "label",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": [choice]},
        "origin": origin,
    }
    return {"result": [item], "lead_time": lead_time_s, "parent_prediction": prediction, "parent_annotation": None}


class Annotators:
    """Simulated annotators at work, one thread each, until `stop`; one for whom `goes_on` is false stops earlier.

    `answered` counts their answers, `shown_nothing` the tasks that they were given without any prediction: a blind task
    has one too, whose result is empty.
    """

    def __init__(
        self,
        base_url: str,
        project: int,
        accounts: Iterable[Account],
        answer: Callable[[Account, dict[str, Any]], str],
        *,
        pause_s: float,
        goes_on: Callable[[Account], bool] = lambda account: True,
    ) -> None:
        self._base_url, self._project, self._answer, self._pause_s = base_url, project, answer, pause_s
        self._goes_on = goes_on
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.answered = self.shown_nothing = 0
        self._error: BaseException | None = None
        self._threads = [threading.Thread(target=self._work, args=(a,), name=a.email, daemon=True) for a in accounts]

    def __enter__(self) -> Annotators:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let all finish their current task."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def check(self) -> None:
        """Unavailable with the reason if a simulated annotator gave up."""
        if self._error is not None:
            raise Unavailable(f"A simulated annotator gave up: {self._error}") from self._error

    def _work(self, account: Account) -> None:
        failures = 0
        session: Session | None = None
        while not self._stop.is_set():
            try:
                if not self._goes_on(account):
                    break
                session = session or Session(self._base_url, account)
                self._one(session, account)
                failures = 0
            except (httpx.HTTPError, Unavailable, OSError) as error:
                failures += 1
                log.warning("a simulated annotator was interrupted", account=account.email, error=str(error))
                if failures >= _FAILURES_IN_A_ROW:
                    self._error = error
                    return
                self._stop.wait(1.0)
            except Exception as error:  # noqa: BLE001 - the edge of a thread: the demo's main thread raises it again
                self._error = error
                return
        if session is not None:
            session.close()

    def _one(self, session: Session, account: Account) -> None:
        started = time.monotonic()
        task = session.next_task(self._project)
        if task is None:
            self._stop.wait(0.5)
            return
        with self._lock:
            self.shown_nothing += not task["predictions"]
        session.load_image(task["data"]["image"])
        self._stop.wait(self._pause_s)
        session.submit(task, self._answer(account, task), lead_time_s=round(time.monotonic() - started, 2))
        with self._lock:
            self.answered += 1
