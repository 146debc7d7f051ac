"""Tasks tell what the engine said where the policy allows it, and blind ones nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from db.repositories.projects import projects
from db.repositories.reviews import displayed_predictions
from db.repositories.reviews.displayed_predictions import Shown
from db.session import reading, transaction
from db.tables import PrelabelRow, PushRow
from labeling.project import Policy, Project
from labeling.types import Outcome, ReviewKind
from service.work.review.push import push
from tests.conftest import NOW
from tests.fakes_label_studio import FakeLabelStudio
from tests.reviewing import ask, make_parts, rows_of

KINDS = [ReviewKind.HARD, ReviewKind.RANDOM, ReviewKind.AUDIT]
PROBS = [[0.8, 0.15, 0.05], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]


@pytest.fixture
def pushed(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> Callable[..., list[dict[str, Any]]]:
    """Push three reviews, of which the first is not blind; the data of their tasks."""

    def push_with(policy: Policy, *, outcome: Outcome = Outcome.LABEL, reason: str = "") -> list[dict[str, Any]]:
        studio = FakeLabelStudio()
        parts = make_parts(database, tmp_path, cast(Any, studio), now=lambda: NOW)
        project = make_project(database, policy=policy)
        with transaction(database) as session:
            ask(session, project, 1, KINDS, probs=PROBS)
            session.execute(sa.update(PrelabelRow).values(evidence={"reason": reason}, outcome=outcome.value))
        push(parts, project.id)
        parts.jobs.close()
        return sorted((task["data"] for task in studio.tasks_there.values()), key=lambda data: str(data["external_id"]))

    return push_with


def test_a_task_tells_the_top_three_and_the_reason_and_a_blind_one_neither(pushed: Any) -> None:
    first, *blind = pushed(Policy(), reason="it has whiskers & costs $image")

    assert first["engine_top"] == "When asked, test said: cat 80 %, dog 15 %, bird 5 %"
    assert first["engine_reason"] == "Its reason: it has whiskers & costs $\N{WORD JOINER}image"
    assert [(task["engine_top"], task["engine_reason"]) for task in blind] == [("", "")] * 2


def test_the_policy_decides_what_is_told(pushed: Any) -> None:
    first, *_ = pushed(Policy(show=("reason",)), reason="whiskers")

    assert (first["engine_top"], first["engine_reason"]) == ("", "Its reason: whiskers")


def test_a_reason_that_is_shown_before_the_answer_is_in_the_task_too(pushed: Any) -> None:
    first, *blind = pushed(Policy(show=("reason_before",)), reason="whiskers")

    assert (first["engine_top"], first["engine_reason"]) == ("", "Its reason: whiskers")
    assert {task["engine_reason"] for task in blind} == {""}


def test_a_policy_that_shows_nothing_puts_nothing_into_the_tasks(pushed: Any) -> None:
    tasks = pushed(Policy(show=()), reason="whiskers")

    assert {task[key] for task in tasks for key in ("engine_top", "engine_reason")} == {""}


def test_an_engine_that_abstained_is_not_quoted(pushed: Any) -> None:
    first, *_ = pushed(Policy(), outcome=Outcome.ABSTAINED, reason="too dark")

    assert (first["engine_top"], first["engine_reason"]) == ("", "")


def test_what_was_pushed_is_remembered_and_told_to_whoever_names_the_key(pushed: Any, database: sa.Engine) -> None:
    tasks = pushed(Policy())

    keys = [task["external_id"] for task in tasks]
    with reading(database) as session:
        (project,) = projects.everyone(session)
        told = displayed_predictions.by_token(session, project.id, keys)
    scores = [row.score for row in rows_of(database, PushRow)]
    assert [told[key] for key in keys] == [Shown("cat", scores[0]), Shown(None, scores[1]), Shown(None, scores[2])]
