"""Tasks of others are taken over once each, whatever their data say; and no task decides what this machine reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.images import adopted_tasks
from db.repositories.queries import queries
from db.repositories.queries.examples import now_of
from db.repositories.reviews import label_studio
from db.session import insert_new, reading, transaction
from db.tables import (
    AdoptedTaskRow,
    FailureRow,
    FetchRow,
    GroupRow,
    ImageRow,
    LabelRow,
    OverlapRow,
    PushRow,
    QueryRow,
    RegistrationRow,
    ReviewEndRow,
    ReviewRow,
    ViewRow,
)
from labeling.adapters.label_studio.client import ProjectSettings
from labeling.errors import BadAddress, Conflict, Invalid
from labeling.project import LabelClass, Project, ProjectConfig
from service.label_studio.adopted_tasks import address_in, studio_path, take_in
from service.label_studio.takeover import TakingOver
from service.work.pool.training_set import read_snapshot
from service.work.review.adopt import adopt_batch
from service.work.review.push import push
from service.work.review.sync import sync
from service.work.wiring import Parts
from tests import factories
from tests.conftest import NOW
from tests.fakes_label_studio import FakeLabelStudio
from tests.reviewing import label_values, make_parts, rows_of

THEIRS = """
<View><Image name="photo" value="$url"/><Text name="words" value="$caption"/>
<Choices name="species" toName="photo"><Choice value="cat"/><Choice value="dog"/></Choices></View>
"""
OURS = ProjectConfig("ours", (LabelClass("cat"), LabelClass("dog")))
WEB = "https://example.org"


class Killed(BaseException):
    """What a SIGKILL is to the process that it ends."""


@dataclass
class Scene:
    """A project of others in Label Studio, and ours that takes it over."""

    parts: Parts
    studio: FakeLabelStudio
    ls_project: int
    deadly: str = ""

    def task(self, **data: Any) -> int:
        made = self.studio.import_tasks(self.ls_project, [{"data": data, "predictions": []}])
        return made.task_ids[0]

    def taking(self) -> TakingOver:
        now: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: E731 - one line, one clock
        return TakingOver(self.parts.database, self.parts.jobs, cast(Any, self.studio), "test", now)

    def adopt(self, config: ProjectConfig | None = OURS) -> Project:
        taking = self.taking()
        project, people = taking.begin(self.ls_project, config, None)
        return taking.tasks(project, people).project

    def fetch(self, project: Project, hashes: dict[int, str]) -> None:
        """As ingest and prelabel would: each task's image is there, in a group of its own or of its twin."""
        with transaction(self.parts.database) as session:
            for task, digest in hashes.items():
                registration = session.scalars(
                    sa.select(AdoptedTaskRow.registration_id).where(AdoptedTaskRow.ls_task_id == task)
                ).one()
                image = _image(session, project, digest)
                insert_new(session, FetchRow, [{"registration_id": registration, "image_id": image, "fetched_at": NOW}])

    def die(self, name: str) -> None:
        if name == self.deadly:
            self.deadly = ""
            raise Killed


def _image(session: Session, project: Project, digest: str) -> int:
    """The image of these bytes; what stands before a dash names its group."""
    known = session.scalars(sa.select(ImageRow.id).where(ImageRow.content_hash == digest)).one_or_none()
    if known is not None:
        return known
    founder = digest.partition("-")[0]
    group = session.scalars(sa.select(GroupRow.id).where(GroupRow.founder_hash == founder)).one_or_none()
    group = group or factories.group(session, project.id, founder, reserved=founder.startswith("h"))
    return factories.image(session, project.id, digest, group_id=group)


@pytest.fixture
def scene(database: sa.Engine, tmp_path: Path) -> Iterator[Scene]:
    studio = FakeLabelStudio()
    theirs = studio.create_project(ProjectSettings("Animals of others", "", THEIRS, "<p>Look &amp; think.</p>"))
    made = Scene(cast(Parts, None), studio, theirs)
    made.parts = make_parts(database, tmp_path, cast(Any, studio), failpoint=lambda name: made.die(name))
    yield made
    made.parts.jobs.close()


def test_the_project_is_made_of_what_stands_there_and_twice_is_once(scene: Scene) -> None:
    tasks = [scene.task(url=f"{WEB}/{n}.png", caption=f"animal {n}", camera="X", external_id="t") for n in range(3)]

    first = scene.adopt(None)
    second = scene.taking().tasks(*scene.taking().begin(scene.ls_project, None, None))

    registered = rows_of(scene.parts.database, RegistrationRow)
    assert (first.config.name, first.config.classes, first.config.guidelines) == (
        "Animals of others", ("cat", "dog"), "Look & think.",
    )  # fmt: skip
    assert (second.project.id, second.tasks, second.new, second.refused) == (first.id, 3, 0, 0)
    assert [row.reference for row in registered] == [f"label-studio/{scene.ls_project}/{n}" for n in tasks]
    assert (registered[0].text, registered[0].details) == ("animal 0", {"camera": "X", "external_id": "t"})


def test_other_labels_and_a_project_of_our_own_are_refused(scene: Scene) -> None:
    with pytest.raises(Invalid, match="'bird', 'dog'"):
        scene.adopt(ProjectConfig("ours", (LabelClass("cat"), LabelClass("bird"))))
    with transaction(scene.parts.database) as session:
        assert session.scalars(sa.text("SELECT count(*) FROM project")).one() == 0
    made = scene.adopt()
    with transaction(scene.parts.database) as session:
        label_studio.note(session, made.id, controls=None)

    with pytest.raises(Conflict, match="hardcase itself made"):
        scene.adopt()


def test_every_task_gets_one_review_even_of_twins_and_the_reserve(scene: Scene) -> None:
    tasks = [scene.task(url=f"{WEB}/{n}.png") for n in range(5)]
    project = scene.adopt()
    hashes = ("pool1", "pool1", "pool1-twin", "hold1", "pool2")
    scene.fetch(project, dict(zip(tasks, hashes, strict=True)))

    counts = [adopt_batch(scene.parts, project.id) for _ in range(3)]

    reviews = rows_of(scene.parts.database, ReviewRow)
    assert [(c["done"], c["left"]) for c in counts] == [(4, 1), (1, 0), (0, 0)]  # one image stood in two tasks
    assert sorted(row.ls_task_id for row in rows_of(scene.parts.database, PushRow)) == tasks
    assert {(row.kind, row.blind, row.probability) for row in reviews} == {("hard", False, 1.0)}
    assert {row.strategy for row in rows_of(scene.parts.database, QueryRow)} == {"adopted"}
    assert all(scene.studio.tasks_there[task]["data"]["external_id"] for task in tasks)


def test_answers_and_drafts_were_given_with_open_eyes_and_become_labels(scene: Scene) -> None:
    answered, untouched = scene.task(url=f"{WEB}/a.png"), scene.task(url=f"{WEB}/b.png")
    scene.studio.answer(answered, "cat")
    project = scene.adopt()
    scene.fetch(project, {answered: "pool1", untouched: "pool2"})

    adopt_batch(scene.parts, project.id)
    push(scene.parts, project.id)
    sync(scene.parts, project.id)
    again = sync(scene.parts, project.id)

    viewed = {row.review_id for row in rows_of(scene.parts.database, ViewRow)}
    reviews = {row.ls_task_id: row.review_id for row in rows_of(scene.parts.database, PushRow)}
    config = scene.studio.project(scene.ls_project).label_config
    assert viewed == {reviews[answered]}
    assert list(label_values(scene.parts.database, project.id).values()) == ["cat"]
    assert again["recorded"] == 0
    assert 'name="species"' in config and 'value="$url"' in config
    assert scene.studio.tasks_there[untouched]["predictions"][-1]["model_version"] == "v0-q2"


@pytest.mark.parametrize("point", ["adopt.before_write", "adopt.before_tell", "adopt.after_tell"])
def test_killed_in_between_it_goes_on_and_keeps_what_stood_there(scene: Scene, point: str) -> None:
    task = scene.task(url=f"{WEB}/a.png", external_id="theirs", region="Alps")
    project = scene.adopt()
    scene.fetch(project, {task: "pool1"})
    scene.deadly = point

    with pytest.raises(Killed):
        adopt_batch(scene.parts, project.id)
    sync(scene.parts, project.id, full=True)  # which must not take the task for another one
    counts = adopt_batch(scene.parts, project.id)

    data = scene.studio.tasks_there[task]["data"]
    (review,) = rows_of(scene.parts.database, ReviewRow)
    assert counts == {"done": 1, "failed": 0, "left": 0}
    assert rows_of(scene.parts.database, ReviewEndRow) == []
    assert data["external_id"] == review.token
    assert data["url"].startswith(scene.parts.settings.address)
    assert (data["original_url"], data["original_external_id"], data["original_region"]) == (
        f"{WEB}/a.png", "theirs", "Alps",
    )  # fmt: skip


def test_a_task_that_was_deleted_meanwhile_is_let_go(scene: Scene) -> None:
    task = scene.task(url=f"{WEB}/a.png")
    project = scene.adopt()
    scene.fetch(project, {task: "pool1"})
    scene.studio.delete_task(task)

    counts = adopt_batch(scene.parts, project.id)

    assert counts == {"done": 0, "failed": 1, "left": 0}
    assert rows_of(scene.parts.database, ReviewRow) == []
    assert adopt_batch(scene.parts, project.id)["failed"] == 0


def test_as_many_people_are_asked_as_their_project_asked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    task = scene.task(url=f"{WEB}/a.png")
    taking = scene.taking()
    project, _ = taking.begin(scene.ls_project, OURS, None)
    taking.tasks(project, 2)
    scene.fetch(project, {task: "pool1"})

    adopt_batch(scene.parts, project.id)

    assert [row.people for row in rows_of(scene.parts.database, OverlapRow)] == [2]


def test_images_of_tasks_that_are_being_taken_over_are_not_asked_by_others(scene: Scene) -> None:
    task = scene.task(url=f"{WEB}/a.png")
    project = scene.adopt()
    scene.fetch(project, {task: "pool1"})

    with reading(scene.parts.database) as session:
        before = queries.taken_groups(session, project.id)
    adopt_batch(scene.parts, project.id)
    with reading(scene.parts.database) as session:
        after = queries.taken_groups(session, project.id)

    assert len(before) == 1
    assert before == after


def test_unknown_tasks_that_label_studio_shows_are_noted_once_and_bad_ones_with_a_reason(scene: Scene) -> None:
    project = scene.adopt()
    shown = [
        {"id": 901, "data": {"url": f"{WEB}/a.png"}, "annotations": [{"id": 1}]},
        {"id": 902, "data": {"url": "/etc/passwd"}},
        {"id": 903, "data": {"url": "s3://bucket/a.png"}},
        {"id": 904, "data": {"url": {"nested": 1}, "caption": ["x"]}},
        {"id": 905, "data": None},
    ]

    with transaction(scene.parts.database) as session:
        first = take_in(session, project, shown, NOW)
        second = take_in(session, project, shown, NOW)

    (noted,) = rows_of(scene.parts.database, AdoptedTaskRow)
    assert (first, second, noted.ls_task_id, noted.answered) == (1, 0, 901, True)
    assert {row.subject.rpartition("/")[2] for row in rows_of(scene.parts.database, FailureRow)} == {
        "902", "903", "904", "905",
    }  # fmt: skip


def test_a_task_of_ours_that_was_not_yet_noted_is_none_of_theirs(scene: Scene) -> None:
    project = scene.adopt()
    with transaction(scene.parts.database) as session:
        factories.review(session, project.id, _image(session, project, "pool1"), token="ours")

    with transaction(scene.parts.database) as session:
        noted = take_in(session, project, [{"id": 7, "data": {"url": f"{WEB}/a", "external_id": "ours"}}], NOW)

    assert noted == 0


def test_a_label_of_an_adopted_task_on_the_reserve_neither_trains_nor_measures(scene: Scene) -> None:
    held, free = scene.task(url=f"{WEB}/a.png"), scene.task(url=f"{WEB}/b.png")
    for task in (held, free):
        scene.studio.answer(task, "cat")
    project = scene.adopt()
    scene.fetch(project, {held: "hold1", free: "pool1"})
    adopt_batch(scene.parts, project.id)
    push(scene.parts, project.id)
    sync(scene.parts, project.id)

    with reading(scene.parts.database) as session:
        snapshot = read_snapshot(session, project, now_of(session, project.id))

    assert len(rows_of(scene.parts.database, LabelRow)) == 2
    assert [example.content_hash for example in snapshot.train] == ["pool1"]
    assert not snapshot.temperature


@pytest.mark.parametrize(
    "value",
    [
        "", None, 7, "cat.png", "file:///etc/passwd", "/etc/passwd", "//evil.example/data/upload/a.png",
        "/data/upload/../../etc/passwd", "/data/upload/%2e%2e/secret", "/data/upload/%252e%252e/x", "/api/users/",
        "data:image/png;base64,AAAA", "s3://bucket/a.png", "memory://a", "label-studio:/data/upload/a.png",
        "/data/upload/a\\..\\b", "upload:" + "0" * 64, "gopher://x/1",
    ],
)  # fmt: skip
def test_no_task_can_name_what_it_should_not(value: Any) -> None:
    with pytest.raises(BadAddress):
        address_in(value, "http://127.0.0.1:8321", buckets=False)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (f"{WEB}/a.png", f"{WEB}/a.png"),
        ("/data/upload/7/a%20b.png", "label-studio:/data/upload/7/a%20b.png"),
        ("/data/upload/1/ab12-photo..final.jpg", "label-studio:/data/upload/1/ab12-photo..final.jpg"),  # case B62
        ("/data/upload/1/..a/b...jpg", "label-studio:/data/upload/1/..a/b...jpg"),
        ("/data/local-files/?d=pics/a.png", "label-studio:/data/local-files/?d=pics/a.png"),
        ("http://127.0.0.1:8321/data/upload/7/a.png", "label-studio:/data/upload/7/a.png"),
        (
            "http://127.0.0.1:8321.evil.example/data/upload/a.png",
            "http://127.0.0.1:8321.evil.example/data/upload/a.png",
        ),
    ],
)
def test_label_studios_own_files_are_named_by_their_path_alone(value: str, address: str) -> None:
    assert address_in(value, "http://127.0.0.1:8321", buckets=False) == address


def test_object_stores_are_read_only_where_the_administrator_takes_tasks_over() -> None:
    assert address_in("s3://bucket/a.png", "", buckets=True) == "s3://bucket/a.png"
    assert studio_path("/data/upload/a.png") == "/data/upload/a.png"


def test_names_are_kept_as_they_were_read() -> None:
    from labeling.review.controls import Controls

    controls = replace(Controls(), image_key="url")

    assert Controls(**json.loads(json.dumps(asdict(controls)))) == controls


def test_counts_are_the_same_on_both_databases(any_database: sa.Engine, make_project: Callable[..., Project]) -> None:
    project = make_project(any_database)
    tasks = [{"id": n, "data": {"image": f"{WEB}/{n}.png", "text": "a"}} for n in (1, 2)]
    with transaction(any_database) as session:
        label_studio.add(session, project.id, ls_project_id=5, base_url="http://ls", now=NOW)
        noted = take_in(session, project, tasks, NOW)

    with transaction(any_database) as session:
        found = adopted_tasks.ready(session, project.id, 10), adopted_tasks.has_ready(session, project.id)
        adopted_tasks.taken(session, project.id, [1], NOW)
        known = adopted_tasks.known_tasks(session, project.id, 5, [1, 2, 3])
        counts = adopted_tasks.count(session, project.id)
        holder = label_studio.holder_of(session, "http://ls", 5)

    assert (noted, found, known, counts, holder) == (2, ([], False), {1, 2}, (2, 1), project.id)
