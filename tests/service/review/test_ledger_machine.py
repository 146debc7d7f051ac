"""The ledger as a state machine: whatever people, webhooks, restores and lost answers do, it ends as Label Studio is.

Rules act on a Label Studio in memory and on push and sync; after every full sync the newest row of each annotation is
compared with what Label Studio holds, and at all times rows are only ever added.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from db.repositories.people import annotators as people
from db.repositories.reviews import annotations as answers
from db.repositories.reviews import inbox, label_studio, reviews
from db.repositories.reviews.inbox import Event
from db.session import reading, transaction
from db.tables import AnnotationRow, InboxRow, ReviewEndRow, ReviewRow, VoidRow
from labeling.errors import LabelStudioUnavailable, NotFound
from labeling.project import Project
from labeling.review.events import parse_answer
from labeling.types import Actor, ReviewKind
from service.labels.resolution import resolve_labels
from service.work.review.push import push
from service.work.review.sync import sync
from tests.conftest import NOW
from tests.fakes_label_studio import FakeLabelStudio
from tests.reviewing import ask, make_parts, run_inference

KINDS = [ReviewKind.HARD, ReviewKind.HARD, ReviewKind.RANDOM]
CHOICES = st.sampled_from(["cat", "dog", "unsure", None])
WHICH = st.integers(0, 30)
PERSON = st.sampled_from([1, 2])
Given = tuple[int, int, str, str, tuple[str, ...]]
"""Task, annotation, when it was made, and what it says: an answer as both sides have it."""


class Ledger(RuleBasedStateMachine):
    """`database`, `make_project` and `home` are set by the tests; each run has a project of its own in it."""

    database: sa.Engine
    make_project: Callable[..., Project]
    home: Path
    runs = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).runs += 1
        self.studio = FakeLabelStudio(first_id=1 + 1_000 * self.runs)
        self.now = NOW
        self.parts = make_parts(self.database, self.home, cast(Any, self.studio), now=lambda: self.now)
        self.project = self.make_project(self.database, name=f"run {self.runs}")
        self.queries, self.waiting, self.rows = 0, list[dict[str, Any]](), list[Any]()
        self.ask_more()
        self.backup = self.studio.backup()
        for task_id in self.tasks()[::2]:
            self.studio.answer(task_id, "cat")
        self.sync()

    def teardown(self) -> None:
        if self.project_is_there():
            self.studio.import_late()
            self.full_sync()
        self.parts.jobs.close()

    # people

    @rule(which=WHICH, choice=CHOICES, person=PERSON)
    def answer(self, which: int, choice: str | None, person: int) -> None:
        if tasks := self.tasks():
            self.studio.answer(tasks[which % len(tasks)], choice, person)

    @rule(which=WHICH, choice=CHOICES)
    def change(self, which: int, choice: str | None) -> None:
        if made := self.annotations():
            self.studio.change(made[which % len(made)], choice)

    @rule(which=WHICH)
    def delete(self, which: int) -> None:
        if made := self.annotations():
            self.studio.delete(made[which % len(made)])

    @rule(which=WHICH, person=PERSON)
    def accept_in_bulk(self, which: int, person: int) -> None:
        if tasks := self.tasks():
            self.studio.accept_in_bulk(tasks[: 1 + which % len(tasks)], person)

    @rule(which=WHICH)
    def delete_task(self, which: int) -> None:
        if tasks := self.tasks():
            self.studio.delete_task(tasks[which % len(tasks)])

    # Label Studio's own fate

    @precondition(lambda self: self.project_is_there())
    @rule()
    def back_up(self) -> None:
        self.backup = self.studio.backup()

    @rule()
    def restore(self) -> None:
        self.studio.restore(self.backup)

    @precondition(lambda self: self.project_is_there())
    @rule()
    def delete_project(self) -> None:
        self.studio.delete_project(self.place().ls_project_id)

    # events, as they come

    @rule(which=WHICH, times=st.integers(0, 3))
    def deliver(self, which: int, times: int) -> None:
        """One event of those under way, out of order, as often as the network likes; never, at 0."""
        self.waiting += self.studio.events
        self.studio.events.clear()
        if self.waiting:
            event = self.waiting.pop(which % len(self.waiting))
            for _ in range(times):
                self.tell(event)

    # ourselves

    @rule(how=st.sampled_from(["well", "well", "answer lost", "late"]))
    def ask_more(self, how: Any = "well") -> None:
        self.queries += 1
        with transaction(self.database) as session:
            made = ask(session, self.project, self.queries, KINDS, probs=[[0.5, 0.3, 0.2]] * len(KINDS))
        run_inference(self.database, [int(review) for review in made])
        self.studio.next_import = how
        self.push()

    @rule()
    def push(self) -> None:
        try:
            push(self.parts, self.project.id)
        except (NotFound, LabelStudioUnavailable):
            return

    @rule()
    def what_was_late_arrives(self) -> None:
        self.studio.import_late()

    @rule()
    def sync(self) -> None:
        try:
            sync(self.parts, self.project.id)
        except NotFound:
            assert not self.project_is_there()

    @rule(seconds=st.sampled_from([5, 60]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(person=PERSON, paused=st.booleans())
    def pause(self, person: int, paused: bool) -> None:
        with transaction(self.database) as session:
            for one in people.everyone(session, self.project.id):
                if one.ls_user_id == person:
                    people.switch(session, one.id, Actor("lead", "a test", self.now), paused=paused, evidence={})

    @rule(person=PERSON)
    def void(self, person: int) -> None:
        with transaction(self.database) as session:
            for one in people.everyone(session, self.project.id):
                if one.ls_user_id == person:
                    people.void(session, one.id, Actor("lead", "a test", self.now))
                    resolve_labels(session, self.project, people.images_of(session, [one.id]), self.now)

    @precondition(lambda self: self.project_is_there())
    @rule()
    def full_sync(self) -> None:
        sync(self.parts, self.project.id, full=True)

        assert self.held() == self.said()
        assert sync(self.parts, self.project.id, full=True) == {"recorded": 0, "withdrawn": 0, "labels": 0}
        assert sync(self.parts, self.project.id) == {"recorded": 0, "withdrawn": 0, "labels": 0}

    # what always holds

    @invariant()
    def rows_are_only_added_and_taken_back_only_where_the_task_is_there(self) -> None:
        rows = self.all_rows()
        there = set(self.studio.tasks_there)
        new = rows[len(self.rows) :]

        assert rows[: len(self.rows)] == self.rows
        assert {row.ls_task_id for row in new if getattr(row, "action", "") == "withdrawn"} <= there
        self.rows = rows

    @invariant()
    def a_review_is_open_as_the_facts_say_and_each_person_counts_once(self) -> None:
        with reading(self.database) as session:
            found = {review.id for review in reviews.open_reviews(session, self.project.id)}
            votes = answers.votes_of_project(session, self.project.id)
            ended = set(session.scalars(sa.select(ReviewEndRow.review_id)))
            everything = set(session.scalars(sa.select(ReviewRow.id).where(ReviewRow.project_id == self.project.id)))

        assert found == everything - ended - self.answered_by_the_rows()
        assert max(Counter(vote.annotation_id for vote in votes).values(), default=1) == 1

    # what both sides hold

    def said(self) -> Counter[Given]:
        """Every answer that stands in Label Studio at a task of ours."""
        return Counter(
            (task_id, answer.ls_annotation_id, answer.key.rsplit("/", 1)[1], answer.action.value, answer.answers)
            for task_id, task in self.studio.tasks_there.items()
            if task["project"] == self.place().ls_project_id
            for answer in (parse_answer(0, raw, ()) for raw in task["annotations"].values())
        )

    def held(self) -> Counter[Given]:
        """Every answer that we hold for given, at tasks that are still there and still the same review's."""
        with reading(self.database) as session:
            rows = session.execute(
                sa.select(AnnotationRow, ReviewRow.token)
                .join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
                .where(ReviewRow.project_id == self.project.id, reviews.is_current())
            ).all()
        tokens = {task_id: task["data"]["external_id"] for task_id, task in self.studio.tasks_there.items()}
        return Counter(
            (row.ls_task_id, row.ls_annotation_id, row.unique_id.rsplit("/", 1)[1], row.action, tuple(row.answers))
            for row, token in rows
            if row.action != "withdrawn" and row.ls_task_id is not None and tokens.get(row.ls_task_id) == token
        )

    def answered_by_the_rows(self) -> set[int]:
        """The reviews that somebody's answer closes, worked out row by row."""
        newest: dict[str, Any] = {}
        with reading(self.database) as session:
            voids = list(session.scalars(sa.select(VoidRow)))
            rows = list(session.scalars(sa.select(AnnotationRow).order_by(AnnotationRow.updated_at, AnnotationRow.id)))
        for row in rows:
            newest[row.unique_id] = row
        return {
            row.review_id
            for row in newest.values()
            if row.action != "withdrawn"
            and not row.paused
            and not any(void.annotator_id == row.annotator_id and void.up_to >= row.id for void in voids)
        }

    # helpers

    def place(self) -> label_studio.Place:
        with reading(self.database) as session:
            found = label_studio.get(session, self.project.id)
        assert found is not None
        return found

    def project_is_there(self) -> bool:
        return self.place().ls_project_id in self.studio.projects

    def tasks(self) -> list[int]:
        return list(self.studio.tasks_there)

    def annotations(self) -> list[int]:
        return [made for task in self.studio.tasks_there.values() for made in task["annotations"]]

    def all_rows(self) -> list[Any]:
        with reading(self.database) as session:
            mine = sa.select(ReviewRow.id).where(ReviewRow.project_id == self.project.id)
            found = session.execute(
                sa.select(*AnnotationRow.__table__.columns)
                .where(AnnotationRow.review_id.in_(mine))
                .order_by(AnnotationRow.id)
            )
            return list(found)

    def tell(self, event: dict[str, Any]) -> None:
        with transaction(self.database) as session:
            number = session.scalar(sa.select(sa.func.count()).select_from(InboxRow))
            hint = {"tasks": event["tasks"], "annotations": event["annotations"]}
            inbox.add(session, [Event(f"event {number}", self.project.id, event["action"], hint, NOW)])


def _run(database: sa.Engine, make_project: Callable[..., Project], home: Path, examples: int) -> None:
    machine = type(
        "LedgerHere", (Ledger,), {"database": database, "make_project": staticmethod(make_project), "home": home}
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )


def test_the_ledger_ends_as_label_studio_is_whatever_happens(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    _run(database, make_project, tmp_path, examples=15)


ACTS = ("answer", "change", "delete", "accept_in_bulk", "delete_task", "restore", "deliver", "ask_more", "time_passes")
MORE_ACTS = ("answer", "answer", "change", "change", "deliver", "sync", "sync", "full_sync", "what_was_late_arrives")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_ledger_ends_as_label_studio_is_after_a_long_walk(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path, seed: int
) -> None:
    """Where the short runs above rarely come: many acts on one project, each drawn alike."""
    here = {"database": database, "make_project": staticmethod(make_project), "home": tmp_path}
    made: Any = type("LedgerHere", (Ledger,), here)
    walk = made()
    rng = random.Random(seed)
    drawn: dict[str, Callable[[], Any]] = {
        "which": lambda: rng.randrange(30),
        "choice": lambda: rng.choice(["cat", "dog", "unsure", None]),
        "person": lambda: rng.choice([1, 2]),
        "times": lambda: rng.randrange(3),
        "seconds": lambda: rng.choice([5, 60]),
        "how": lambda: rng.choice(["well", "well", "answer lost", "late"]),
    }
    wanted = {
        "answer": ("which", "choice", "person"), "change": ("which", "choice"), "delete": ("which",),
        "accept_in_bulk": ("which", "person"), "delete_task": ("which",), "deliver": ("which", "times"),
        "ask_more": ("how",), "time_passes": ("seconds",),
    }  # fmt: skip

    for _ in range(60):
        act = rng.choice([*ACTS, *MORE_ACTS])
        getattr(walk, act)(**{name: drawn[name]() for name in wanted.get(act, ())})
        walk.rows_are_only_added_and_taken_back_only_where_the_task_is_there()

    walk.teardown()


def test_the_ledger_ends_as_label_studio_is_on_postgresql_too(
    postgres: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    _run(postgres, make_project, tmp_path, examples=4)
