"""Classes change in a running project with a real Label Studio: people are offered the classes of now, and what they
said before stays and is read in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from db.repositories.projects import projects
from db.repositories.reviews import label_studio as places
from db.session import reading, transaction
from db.tables import AnnotationRow, PushRow, ReviewRow
from labeling.adapters.label_studio.client import LabelStudio
from labeling.project import LabelOperation, Project
from labeling.review.config import choices_in
from labeling.types import NONE_OF_THESE, Actor, ImageId, ReviewKind
from service.labels.label_set import change_label_set
from service.labels.resolution import resolve_labels
from service.projects.label_operations import read_change
from service.work.review.push import push
from service.work.review.sync import sync
from service.work.wiring import Parts
from tests import factories
from tests.answering import images_of
from tests.conftest import NOW
from tests.e2e.conftest import RealLabelStudio
from tests.reviewing import ask, label_values, make_parts, rows_of, run_inference


@dataclass
class Running:
    """A project whose reviews one person answers in Label Studio."""

    parts: Parts
    project: Project
    person: httpx.Client
    ls_project: int
    images: list[ImageId]

    def task(self, image: ImageId) -> int:
        """The newest task about an image."""
        tasks = {row.review_id: row.ls_task_id for row in rows_of(self.parts.database, PushRow)}
        about = [row.id for row in rows_of(self.parts.database, ReviewRow) if row.image_id == image]
        return int(tasks[max(about)])

    def answer(self, image: ImageId, choice: str) -> None:
        chosen = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [choice]}}
        body = {"result": [chosen], "lead_time": 1.0}
        self.person.post(f"/api/tasks/{self.task(image)}/annotations/", json=body).raise_for_status()

    def step(self) -> None:
        with reading(self.parts.database) as session:
            fetched = [row.review_id for row in session.scalars(sa.select(PushRow))]
        with transaction(self.parts.database) as session:
            seen = set(session.scalars(sa.text("SELECT review_id FROM seen")))
            factories.seen(session, *(review for review in fetched if review not in seen))
        sync(self.parts, self.project.id)
        push(self.parts, self.project.id)

    def change(self, operation: str, classes: Sequence[str] = (), into: Sequence[Any] = ()) -> None:
        change = read_change(LabelOperation(operation), classes, into).to_operation()
        with transaction(self.parts.database) as session:
            by = Actor("lead", "the client wants it", self.parts.now())
            change_label_set(session, self.parts.jobs, self.project.id, change, by)
        self.step()

    def offered(self) -> tuple[str, ...]:
        """The choices that are displayed, in order."""
        config = self.parts.label_studio.project(self.ls_project).label_config
        with reading(self.parts.database) as session:
            former = {name for change in projects.only(session).config.changes for name in change.was}
        return tuple(choice for choice in choices_in(config) if choice not in former)

    def labels(self) -> dict[int, str]:
        found = label_values(self.parts.database, self.project.id)
        return {at: found[image] for at, image in enumerate(self.images) if image in found}


@pytest.fixture
def running(
    label_studio: RealLabelStudio, database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> Iterator[Running]:
    with closing(LabelStudio(label_studio.url, label_studio.token)) as studio:
        parts = make_parts(database, tmp_path, studio)
        project = make_project(database, name=f"set {tmp_path.name}"[:80])
        with transaction(database) as session:
            session.execute(sa.text("UPDATE project SET salt = :salt"), {"salt": str(tmp_path)})
            made = ask(session, project, 1, [ReviewKind.HARD] * 5, probs=[[0.4, 0.35, 0.25]] * 5)
            images = images_of(session, made)
        push(parts, project.id)
        run_inference(database, made)
        with reading(database) as session:
            place = places.get(session, project.id)
        assert place is not None
        token = label_studio.make_annotator().token
        with httpx.Client(base_url=label_studio.url, headers={"Authorization": f"Token {token}"}, timeout=30) as person:
            yield Running(parts, project, person, place.ls_project_id, images)
        parts.jobs.close()


def test_classes_change_while_people_answer_and_every_answer_is_read_in_the_classes_of_now(running: Running) -> None:
    first, second, third, fourth, fifth = running.images
    for image, choice in ((first, "cat"), (second, "dog"), (third, "bird")):
        running.answer(image, choice)
    running.step()
    assert running.labels() == {0: "cat", 1: "dog", 2: "bird"}

    running.change("add", [], ["fox"])
    assert running.offered()[:4] == ("cat", "dog", "bird", "fox")
    running.answer(fourth, "fox")
    running.step()
    assert running.labels()[3] == "fox"

    running.change("rename", ["cat"], ["feline"])
    running.answer(fifth, "cat")  # from a page that was opened before
    running.step()
    assert running.offered()[:4] == ("feline", "dog", "bird", "fox")
    assert (running.labels()[0], running.labels()[4]) == ("feline", "feline")

    running.change("merge", ["feline", "fox"], ["wild"])
    assert running.labels() == {0: "wild", 1: "dog", 2: "bird", 3: "wild", 4: "wild"}

    running.change("retire", ["bird"])
    assert running.offered()[:2] == ("wild", "dog")
    assert running.labels()[2] == NONE_OF_THESE

    before = running.task(second)
    running.change("split", ["dog"], ["puppy", "adult dog"])
    assert running.offered()[:3] == ("wild", "puppy", "adult dog")
    assert 1 not in running.labels()
    assert running.task(second) != before
    served = running.person.get(f"/api/projects/{running.ls_project}/next").raise_for_status().json()
    assert served["id"] == running.task(second)  # the same person may answer it again
    running.answer(second, "puppy")
    running.step()

    assert running.labels() == {0: "wild", 1: "puppy", 2: NONE_OF_THESE, 3: "wild", 4: "wild"}
    given = [tuple(row.answers) for row in rows_of(running.parts.database, AnnotationRow)]
    assert given == [("cat",), ("dog",), ("bird",), ("fox",), ("cat",), ("puppy",)]
    with transaction(running.parts.database) as session:
        assert resolve_labels(session, projects.only(session), running.images, NOW) == 0
