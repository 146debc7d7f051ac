"""Simulated annotators: they answer in Label Studio through its own API, step by step as its page does.

In: accounts, the truth, an error rate each. Out: annotations in Label Studio. A simulated annotator looks up the truth
by the reference of the image that a review is about (the task names the review, hardcase's database the reference),
because the picture that it is shown has been re-encoded and carries no name. Whether its answer to an image is wrong,
and which wrong class it gives, is fixed by the seed: asked again, it answers the same.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any

import httpx
import numpy as np

from labeling.errors import Unavailable
from service.logs import get_logger

log = get_logger(__name__)

_CSRF = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_FAILURES_IN_A_ROW = 10


@dataclass(frozen=True, slots=True)
class Account:
    """How a simulated annotator logs in to Label Studio."""

    email: str
    password: str


@dataclass(frozen=True, slots=True)
class SimulatedAnswers:
    """What a simulated annotator says about an image: the truth, but for a stated share of wrong answers.

    An image is known by its reference in hardcase, the path of its file; the name alone decides. All wrong answers are
    equally likely: the person's confusion matrix has 1 - `error_rate` on its diagonal. Two seeds err independently.
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
        page = self._http.get("/user/login/")
        found = _CSRF.search(page.text)
        form = {"email": account.email, "password": account.password, "csrfmiddlewaretoken": found[1] if found else ""}
        answer = self._http.post("/user/login/", data=form, headers={"Referer": f"{base_url}/user/login/"})
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

    def look_at(self, address: str) -> int:
        """Fetch the task's image from hardcase as the page would; how many bytes came."""
        return len(self._images.get(address).raise_for_status().content)

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


def shown_choice(task: dict[str, Any]) -> tuple[int | None, str | None]:
    """The prediction that stands pre-filled in a task, and the choice that it selects (None where blind)."""
    newest = max(task.get("predictions") or [{}], key=lambda prediction: prediction.get("id", 0))
    for item in newest.get("result", []):
        if item["type"] == "choices":
            return newest["id"], item["value"]["choices"][0]
    return newest.get("id"), None


def submitted_form(task: dict[str, Any], choice: str, lead_time_s: float) -> dict[str, Any]:
    """What the page posts: the result with its origin, and the prediction that it grew from."""
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
    """Simulated annotators at work, one thread each, until they are told to stop; who does not go on leaves first."""

    def __init__(
        self,
        base_url: str,
        project: int,
        accounts: Sequence[Account],
        answer: Callable[[Account, dict[str, Any]], str],
        *,
        pause_s: float,
        goes_on: Callable[[Account], bool] = lambda account: True,
    ) -> None:
        self._base_url, self._project, self._answer, self._pause_s = base_url, project, answer, pause_s
        self._goes_on = goes_on
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._answered = 0
        self._error: BaseException | None = None
        self._threads = [threading.Thread(target=self._work, args=(a,), name=a.email, daemon=True) for a in accounts]

    def __enter__(self) -> Annotators:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let everybody finish the task in hand."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    @property
    def answered(self) -> int:
        return self._answered

    def check(self) -> None:
        """Raise what made a simulated annotator give up, if anything did."""
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
        session.look_at(task["data"]["image"])
        self._stop.wait(self._pause_s)
        session.submit(task, self._answer(account, task), lead_time_s=round(time.monotonic() - started, 2))
        with self._lock:
            self._answered += 1
