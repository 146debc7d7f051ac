"""Push and sync on a Label Studio in memory: exactly once, in order, whatever comes twice, late or never."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.repositories.reviews import inbox, reviews
from db.repositories.reviews import label_studio as places
from db.repositories.reviews.inbox import Event
from db.session import make_engine, reading, transaction
from db.tables import AnnotationRow, InboxRow, LabelRow, PushRow, ReviewEndRow
from labeling.adapters.label_studio.client import ProjectSettings
from labeling.errors import Conflict, Invalid, LabelStudioUnavailable, NotFound
from labeling.project import Project
from labeling.types import NONE_OF_THESE, LabelSource, ReviewKind
from service.label_studio.webhook import HEADER, secret_of
from service.work.review.push import push
from service.work.review.sync import sync
from service.work.wiring import Parts
from tests import factories
from tests.conftest import NOW
from tests.fakes_label_studio import FakeLabelStudio
from tests.reviewing import SECRET, ask, label_values, make_parts, rows_of, run_inference

HARD, RANDOM = ReviewKind.HARD, ReviewKind.RANDOM
KINDS = [HARD, HARD, HARD, RANDOM]
PROBS = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.4, 0.35, 0.25], [0.1, 0.1, 0.8]]
ZERO = {"pushed": 0, "reordered": 0}


class Killed(BaseException):
    """The process died here."""


@dataclass
class World:
    """One project with four reviews, and the fake that it is pushed to."""

    parts: Parts
    studio: FakeLabelStudio
    project: Project
    reviews: list[int]

    def task(self, position: int) -> int:
        found = {row.review_id: row.ls_task_id for row in rows_of(self.parts.database, PushRow)}
        return int(found[self.reviews[position]])

    def task_of(self, review: int) -> int:
        [found] = [row.ls_task_id for row in rows_of(self.parts.database, PushRow) if row.review_id == review]
        return int(found)

    def labels(self) -> list[str | None]:
        """The label that stands for each review's image."""
        by_image = label_values(self.parts.database, self.project.id)
        with reading(self.parts.database) as session:
            rows = session.execute(sa.text("SELECT id, image_id FROM review"))
            images = {int(review_id): int(image_id) for review_id, image_id in rows}
        return [by_image.get(images[review]) for review in self.reviews]

    def tell(self, events: Sequence[dict[str, Any]]) -> None:
        """Events reach the inbox, each as one of its own."""
        with transaction(self.parts.database) as session:
            known = len(list(session.scalars(sa.select(InboxRow.id))))
            inbox.add(
                session,
                [
                    Event(f"k{known + n}", self.project.id, e["action"],
                          {"tasks": e["tasks"], "annotations": e["annotations"]}, NOW)
                    for n, e in enumerate(events)
                ],
            )  # fmt: skip


def _world(database: sa.Engine, home: Path, make_project: Callable[..., Project]) -> World:
    studio = FakeLabelStudio()
    parts = make_parts(database, home, cast(Any, studio), now=lambda: NOW)
    project = make_project(database)
    with transaction(database) as session:
        made = ask(session, project, 1, KINDS, probs=PROBS, texts=["a cat", None, None, None])
    push(parts, project.id)
    run_inference(database, made)
    return World(parts, studio, project, [int(review) for review in made])


@pytest.fixture
def world(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Iterator[World]:
    made = _world(database, tmp_path, make_project)
    yield made
    made.parts.jobs.close()


# --- push -----------------------------------------------------------------------------------------------


def test_tasks_hold_a_signed_address_the_text_and_the_key_and_come_in_order(world: World) -> None:
    place = _place(world)
    served = []
    while (task := world.studio.next_task(place.ls_project_id)) is not None:
        served.append(task)
        world.studio.answer(task, "cat")

    first = world.studio.tasks_there[world.task(0)]
    assert served == [world.task(n) for n in (3, 2, 0, 1)]
    assert first["data"]["image"].startswith("http://127.0.0.1:8320/media/review/token-")
    assert (first["data"]["text"], first["data"]["external_id"]) == ("a cat", f"token-{world.project.id}-1-0")
    assert [p["result"][0]["value"]["choices"] for p in first["predictions"]] == [["cat"]]
    assert [p["result"] for p in world.studio.tasks_there[world.task(3)]["predictions"]] == [[]]


def test_nothing_is_made_in_label_studio_before_there_is_a_review(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    studio = FakeLabelStudio()
    parts = make_parts(database, tmp_path, cast(Any, studio))
    project = make_project(database)

    counts = push(parts, project.id), sync(parts, project.id)

    assert counts == (ZERO, {"recorded": 0, "withdrawn": 0, "labels": 0})
    assert studio.projects == {}
    parts.jobs.close()


def test_a_second_push_does_nothing_and_an_answer_alone_orders_nothing_anew(world: World) -> None:
    again = push(world.parts, world.project.id)
    world.studio.answer(world.task(0), "cat")
    sync(world.parts, world.project.id)

    after_answer = push(world.parts, world.project.id)

    assert (again, after_answer) == (ZERO, ZERO)
    assert world.studio.calls.count("write_project") == 1


def test_a_new_query_re_orders_what_is_open_under_a_new_version_set_last(world: World) -> None:
    world.studio.answer(world.task(2), "cat")
    sync(world.parts, world.project.id)
    with transaction(world.parts.database) as session:
        ask(session, world.project, 2, [HARD, HARD], probs=[[0.5, 0.5, 0.0]] * 2)

    counts = push(world.parts, world.project.id)

    versions = [p["model_version"] for p in world.studio.tasks_there[world.task(3)]["predictions"]]
    assert counts == {"pushed": 2, "reordered": 3}
    assert versions == ["v0-q1", "v0-q2"]
    assert world.studio.projects[_place(world).ls_project_id]["model_version"] == _place(world).model_version == "v0-q2"


def test_reviews_that_are_made_while_others_are_pushed_come_along(world: World) -> None:
    made: list[int] = []

    def ask_meanwhile(name: str) -> None:
        if name == "push.before_write" and not made:
            with transaction(world.parts.database) as session:
                made.extend(ask(session, world.project, 3, [HARD], probs=[[0.5, 0.5, 0.0]]))

    with transaction(world.parts.database) as session:
        ask(session, world.project, 2, [HARD], probs=[[0.5, 0.5, 0.0]])

    counts = push(replace(world.parts, failpoint=ask_meanwhile), world.project.id)

    assert counts["pushed"] == 2
    assert made[0] in {row.review_id for row in rows_of(world.parts.database, PushRow)}


@pytest.mark.parametrize("point", ["push.before_import", "push.before_write", "push.after_write"])
def test_killed_at_any_point_each_review_becomes_one_task(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project], point: str
) -> None:
    studio, project = FakeLabelStudio(), make_project(database)
    with transaction(database) as session:
        ask(session, project, 1, KINDS, probs=PROBS)

    def die(name: str) -> None:
        if name == point:
            raise Killed

    killed = make_parts(database, tmp_path, cast(Any, studio), failpoint=die, now=lambda: NOW)
    with pytest.raises(Killed):
        push(killed, project.id)
    parts = make_parts(database, tmp_path, cast(Any, studio), now=lambda: NOW)
    push(parts, project.id)

    tokens = [task["data"]["external_id"] for task in studio.tasks_there.values()]
    assert len(tokens) == len(set(tokens)) == len(KINDS)
    assert sorted(row.ls_task_id for row in rows_of(database, PushRow)) == sorted(studio.tasks_there)
    assert len(studio.projects) == 1
    assert push(parts, project.id) == ZERO
    killed.jobs.close()
    parts.jobs.close()


def test_an_order_that_was_cut_off_is_begun_again(world: World) -> None:
    with transaction(world.parts.database) as session:
        ask(session, world.project, 2, [HARD])
    refuse = cast(Any, world.studio).set_model_version
    world.studio.set_model_version = _die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        push(world.parts, world.project.id)
    world.studio.set_model_version = refuse  # type: ignore[method-assign]

    counts = push(world.parts, world.project.id)

    assert counts == {"pushed": 0, "reordered": 5}
    assert world.studio.projects[_place(world).ls_project_id]["model_version"] == "v0-q3"


def test_an_import_that_lost_its_predictions_is_given_them_before_anybody_is_shown_its_version(world: World) -> None:
    world.studio.next_import = "no predictions"
    with transaction(world.parts.database) as session:
        made = ask(session, world.project, 2, [HARD, ReviewKind.RANDOM], probs=[[0.5, 0.5, 0.0]] * 2)

    counts = push(world.parts, world.project.id)

    tasks = [world.studio.tasks_there[world.task_of(review)] for review in made]
    shown = [[(p["model_version"], len(p["result"])) for p in task["predictions"]] for task in tasks]
    assert counts == {"pushed": 2, "reordered": 6}
    assert shown == [[("v0-q2", 1)], [("v0-q2", 0)]]  # the blind one has an empty result, and a score
    assert all(task["predictions"][0]["score"] is not None for task in tasks)
    assert push(world.parts, world.project.id) == ZERO


@pytest.mark.parametrize("point", ["push.before_write", "push.after_write"])
def test_killed_while_predictions_are_lost_the_next_push_writes_them(world: World, point: str) -> None:
    def die(name: str) -> None:
        if name == point:
            raise Killed

    killed = replace(world.parts, failpoint=die)
    world.studio.next_import = "no predictions"
    with transaction(world.parts.database) as session:
        ask(session, world.project, 2, [HARD], probs=[[0.5, 0.5, 0.0]])
    with pytest.raises(Killed):
        push(killed, world.project.id)

    push(world.parts, world.project.id)

    version = world.studio.projects[_place(world).ls_project_id]["model_version"]
    assert world.studio.without_prediction(_place(world).ls_project_id, version) == set()


def test_a_task_that_lost_its_prediction_keeps_nobody_waiting(world: World) -> None:
    place = _place(world).ls_project_id
    for task in list(world.studio.tasks_there)[1:]:
        world.studio.tasks_there[task]["predictions"].clear()
    locked = world.studio.next_task(place, user=1)
    assert locked is not None
    before = world.studio.next_task(place, user=2, locked=[locked])

    push(world.parts, world.project.id)

    assert before is None  # though three tasks were open
    assert world.studio.next_task(place, user=2, locked=[locked]) is not None


def test_new_tasks_show_what_they_should_while_the_version_before_is_still_shown(world: World) -> None:
    place, show = _place(world).ls_project_id, cast(Any, world.studio).set_model_version
    for task in list(world.studio.tasks_there):
        world.studio.answer(task, "cat")
    sync(world.parts, world.project.id)
    with transaction(world.parts.database) as session:
        ask(session, world.project, 2, [HARD, ReviewKind.RANDOM], probs=[[0.5, 0.5, 0.0]] * 2)
    world.studio.set_model_version = _die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        push(world.parts, world.project.id)
    world.studio.set_model_version = show  # type: ignore[method-assign]

    version = world.studio.projects[place]["model_version"]
    served = world.studio.next_task(place)
    assert served is not None and version == "v0-q1"
    assert "v0-q1" in {p["model_version"] for p in world.studio.tasks_there[served]["predictions"]}
    assert world.studio.without_prediction(place, version) == set()


def test_a_full_push_orders_anew_what_is_not_as_it_was_sent_and_an_ordinary_one_does_not_read_it(world: World) -> None:
    prediction = world.studio.tasks_there[world.task(0)]["predictions"][-1]
    prediction["score"] = 0.99

    ordinary, full = push(world.parts, world.project.id), push(world.parts, world.project.id, full=True)

    assert (ordinary, full) == (ZERO, {"pushed": 0, "reordered": 4})
    assert push(world.parts, world.project.id, full=True) == ZERO


def test_the_webhook_is_there_with_its_secret_and_comes_back_when_it_was_deleted(world: World) -> None:
    world.studio.hooks.clear()

    push(world.parts, world.project.id)
    push(world.parts, world.project.id)

    [hook] = world.studio.hooks.values()
    assert hook["url"] == f"http://127.0.0.1:8320/webhooks/label-studio/{world.project.id}"
    assert hook["headers"] == {HEADER: secret_of(SECRET, world.project.id)}
    assert len(hook["actions"]) == 5
    assert SECRET not in str(_place(world)) and hook["headers"][HEADER] not in str(_place(world))


def test_reviews_are_pushed_even_where_the_webhook_is_refused(world: World) -> None:
    def refuse(*_: Any) -> int:
        raise Invalid("it may not call private addresses")

    world.studio.hooks.clear()
    world.studio.create_webhook = refuse  # type: ignore[method-assign, assignment]
    with transaction(world.parts.database) as session:
        ask(session, world.project, 2, [HARD])

    counts = push(world.parts, world.project.id)

    assert counts["pushed"] == 1


# --- sync -----------------------------------------------------------------------------------------------


def test_an_answer_is_recorded_once_however_often_it_is_sent_and_swept(world: World) -> None:
    world.studio.answer(world.task(0), "dog")

    first = sync(world.parts, world.project.id)
    world.tell(world.studio.events * 100)
    told = sync(world.parts, world.project.id)
    full = sync(world.parts, world.project.id, full=True)

    assert (first["recorded"], first["labels"]) == (1, 1)
    assert (told, full) == ({"recorded": 0, "withdrawn": 0, "labels": 0},) * 2
    assert world.labels() == ["dog", None, None, None]
    assert all(row.handled_at for row in rows_of(world.parts.database, InboxRow))


def test_a_false_event_has_no_effect(world: World) -> None:
    world.tell(
        [
            {"action": "ANNOTATION_CREATED", "tasks": [world.task(0), 9_999], "annotations": [77]},
            {"action": "TASKS_DELETED", "tasks": [world.task(1), 10**12], "annotations": []},
            {"action": "ANNOTATIONS_DELETED", "tasks": [], "annotations": [1]},
        ]
    )

    counts = sync(world.parts, world.project.id)

    assert counts == {"recorded": 0, "withdrawn": 0, "labels": 0}
    assert rows_of(world.parts.database, ReviewEndRow) == []


def test_a_deleted_task_is_let_go_by_its_event_and_its_answer_stays(world: World) -> None:
    world.studio.answer(world.task(0), "dog")
    sync(world.parts, world.project.id)
    for task in (world.task(0), world.task(1)):
        world.studio.delete_task(task)
    world.tell(world.studio.events)

    sync(world.parts, world.project.id)

    assert [row.reason for row in rows_of(world.parts.database, ReviewEndRow)] == ["task deleted"] * 2
    assert world.labels()[0] == "dog"
    with reading(world.parts.database) as session:
        assert reviews.count_open(session, world.project.id) == 2


def test_the_full_sweep_finds_what_no_event_brought(world: World) -> None:
    sync(world.parts, world.project.id)
    world.studio.delete_task(world.task(1))

    plain = sync(world.parts, world.project.id)
    before = len(rows_of(world.parts.database, ReviewEndRow))
    sync(world.parts, world.project.id, full=True)

    assert plain["recorded"] == before == 0
    assert len(rows_of(world.parts.database, ReviewEndRow)) == 1


def test_a_project_deleted_over_there_does_not_look_like_an_empty_one(world: World) -> None:
    world.studio.projects.clear()
    world.studio.tasks_there.clear()

    with pytest.raises(NotFound):
        sync(world.parts, world.project.id, full=True)
    with pytest.raises(NotFound, match="deleted in Label Studio"):
        push(world.parts, world.project.id)

    assert rows_of(world.parts.database, ReviewEndRow) == []


def test_another_project_under_our_number_is_left_as_it_is_and_ends_no_review(world: World) -> None:
    world.studio.answer(world.task(0), "dog")
    sync(world.parts, world.project.id)
    world.studio.tasks_there.clear()
    theirs = ProjectSettings("theirs", "made by somebody else", "<View/>", "")
    world.studio.projects[_place(world).ls_project_id]["settings"] = theirs

    with pytest.raises(Conflict, match="another one now"):
        sync(world.parts, world.project.id, full=True)
    with pytest.raises(Conflict, match="another one now"):
        push(world.parts, world.project.id)

    assert rows_of(world.parts.database, ReviewEndRow) == []
    assert world.labels()[0] == "dog"
    assert world.studio.projects[_place(world).ls_project_id]["settings"] is theirs


def test_a_rewritten_description_does_not_make_our_project_a_strange_one(world: World) -> None:
    place = _place(world).ls_project_id
    settings = world.studio.projects[place]["settings"]
    world.studio.projects[place]["settings"] = replace(settings, marker="what the team wrote there")

    assert sync(world.parts, world.project.id, full=True) == {"recorded": 0, "withdrawn": 0, "labels": 0}


def test_an_import_without_an_answer_is_awaited_and_a_twin_task_answers_the_same_review(world: World) -> None:
    now = [NOW]
    parts = make_parts(world.parts.database, world.parts.settings.home, cast(Any, world.studio), now=lambda: now[0])
    with transaction(parts.database) as session:
        [made] = ask(session, world.project, 2, [HARD])
    world.studio.next_import = "late"
    with pytest.raises(LabelStudioUnavailable):
        push(parts, world.project.id)
    awaited = push(parts, world.project.id)["pushed"]
    now[0] += timedelta(seconds=41)
    again = push(parts, world.project.id)["pushed"]
    world.studio.import_late()
    run_inference(parts.database, [made])
    first, twin = [i for i, t in world.studio.tasks_there.items() if t["data"]["external_id"].endswith("-2-0")]
    world.studio.answer(twin, "bird")

    recorded = sync(parts, world.project.id)["recorded"]

    world.studio.delete_task(first)
    sync(parts, world.project.id, full=True)
    assert (awaited, again, recorded) == (0, 1, 1)
    assert "bird" in label_values(parts.database, world.project.id).values()
    parts.jobs.close()


def test_an_imported_label_stands_again_when_the_answer_is_taken_back(world: World) -> None:
    with transaction(world.parts.database) as session:
        image = session.scalars(sa.text("SELECT image_id FROM review ORDER BY id")).first()  # type: ignore[call-overload]
        factories.label(session, world.project.id, image, "bird", "import")
    made = world.studio.answer(world.task(0), "dog")
    sync(world.parts, world.project.id)
    with_answer = world.labels()[0]
    world.studio.delete(made)

    sync(world.parts, world.project.id)
    sync(world.parts, world.project.id, full=True)

    rows = rows_of(world.parts.database, LabelRow)
    assert (with_answer, world.labels()[0]) == ("dog", "bird")
    assert [row.source for row in rows] == [LabelSource.IMPORT, LabelSource.PEOPLE, LabelSource.IMPORT]


def test_an_annotation_that_comes_back_from_a_backup_counts_again(world: World) -> None:
    made = world.studio.answer(world.task(0), "dog")
    sync(world.parts, world.project.id)
    kept = dict(world.studio.tasks_there[world.task(0)]["annotations"])
    world.studio.delete(made)
    sync(world.parts, world.project.id)
    world.studio.tasks_there[world.task(0)]["annotations"] = kept

    counts = sync(world.parts, world.project.id, full=True)

    assert (counts["recorded"], world.labels()[0]) == (1, "dog")
    assert sync(world.parts, world.project.id, full=True)["recorded"] == 0


def test_two_people_who_disagree_leave_no_label_and_a_third_decides(world: World) -> None:
    world.studio.answer(world.task(0), "dog", user=1)
    sync(world.parts, world.project.id)
    world.studio.answer(world.task(0), "cat", user=2)
    sync(world.parts, world.project.id)
    tied = world.labels()[0]
    world.studio.answer(world.task(0), "cat", user=3)

    sync(world.parts, world.project.id)

    assert (tied, world.labels()[0]) == (None, "cat")


@pytest.mark.parametrize("point", ["sync.before_write", "sync.after_write"])
def test_a_sync_killed_on_the_way_loses_and_doubles_nothing(world: World, point: str) -> None:
    world.studio.answer(world.task(0), "dog")
    world.tell(world.studio.events)

    def die(name: str) -> None:
        if name == point:
            raise Killed

    killed = make_parts(world.parts.database, world.parts.settings.home, cast(Any, world.studio), failpoint=die)
    with pytest.raises(Killed):
        sync(killed, world.project.id)
    sync(world.parts, world.project.id)

    assert len(rows_of(world.parts.database, AnnotationRow)) == 1
    assert world.labels() == ["dog", None, None, None]
    killed.jobs.close()


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.integers(0, 3), st.sampled_from(["cat", "dog", NONE_OF_THESE, "unsure", None])),
        st.tuples(st.just("change"), st.integers(0, 5), st.sampled_from(["cat", "dog", None])),
        st.tuples(st.just("delete"), st.integers(0, 5), st.none()),
        st.tuples(st.just("delete task"), st.integers(0, 3), st.none()),
    ),
    max_size=8,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS, random=st.randoms(use_true_random=False))
def test_events_in_any_order_and_twice_end_where_one_look_at_label_studio_ends(
    acts: list[tuple[str, int, str | None]],
    random: Any,
    empty_database: Path,
    make_project: Callable[..., Project],
) -> None:
    with _fresh(empty_database, make_project) as told, _fresh(empty_database, make_project) as looked:
        for world in (told, looked):
            _act(world, acts)
        events = told.studio.events * 2
        for event in random.sample(events, len(events)):
            told.tell([event])
            if random.random() < 0.3:
                sync(told.parts, told.project.id)
        sync(told.parts, told.project.id)

        sync(looked.parts, looked.project.id, full=True)
        once = looked.labels(), _standing(looked)
        sync(looked.parts, looked.project.id, full=True)

        assert (told.labels(), _standing(told)) == once
        assert (looked.labels(), _standing(looked)) == once


def _act(world: World, acts: Sequence[tuple[str, int, str | None]]) -> None:
    """Do what people would, as far as there is still something to do it to."""
    tasks = [world.task(n) for n in range(len(KINDS))]
    made: list[int] = []
    for what, which, choice in acts:
        there = [a for t in world.studio.tasks_there.values() for a in t["annotations"]]
        if what == "answer" and tasks[which] in world.studio.tasks_there:
            made.append(world.studio.answer(tasks[which], choice))
        elif what == "change" and which < len(made) and made[which] in there:
            world.studio.change(made[which], choice)
        elif what == "delete" and which < len(made) and made[which] in there:
            world.studio.delete(made[which])
        elif what == "delete task" and tasks[which] in world.studio.tasks_there:
            world.studio.delete_task(tasks[which])


def _standing(world: World) -> Any:
    """Every annotation as it stands now, and which reviews are open."""
    with reading(world.parts.database) as session:
        statement = sa.select(AnnotationRow).where(reviews.is_current()).order_by(AnnotationRow.unique_id)
        rows = [(r.unique_id, r.action, r.answers) for r in session.scalars(statement) if r.action != "withdrawn"]
        return rows, [review.id for review in reviews.open_reviews(session, world.project.id)]


@contextmanager
def _fresh(empty_database: Path, make_project: Callable[..., Project]) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hardcase.db"
        path.write_bytes(empty_database.read_bytes())
        engine = make_engine(f"sqlite:///{path}", durable=False)
        world = _world(engine, Path(folder), make_project)
        yield world
        world.parts.jobs.close()
        engine.dispose()


def _place(world: World) -> places.Place:
    with reading(world.parts.database) as session:
        place = places.get(session, world.project.id)
    assert place is not None
    return place


def _die(*_: Any) -> None:
    raise Killed
