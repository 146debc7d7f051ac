"""The story of one image for one reader: without what a blind review hides, and with names as the policy shows them.

In: a project, an image, and whether the reader is a lead. Out: the image, where it stands and why, its facts in order,
its tasks and its twins; page, API and command line show the same. While a blind review of the image is open, only a
lead sees predictions and labels, and whether the image is of the random stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.orm import Session

from db.repositories.projects import projects
from db.repositories.versions import versions
from db.views import image_history, label_list, listings
from db.views.image_history import HIDES, Fact, Task, Twin
from db.views.label_list import Listed
from db.views.listings import ImageItem
from labeling.errors import NotFound
from labeling.project import Project
from labeling.types import ImageId
from service.labels.image_standing import Standing, standing_of
from service.labels.machine_labels import MachineLabel, machine_labels_of
from service.projects.pseudonyms import shown_name


@dataclass(frozen=True, slots=True)
class Story:
    """Everything about one image. `hidden`: a blind review is open, so it has no predictions, labels or `standing`."""

    image: Listed
    item: ImageItem
    standing: Standing | None
    facts: list[Fact]
    tasks: list[Task]
    twins: list[Twin]
    machine: MachineLabel
    hidden: bool


def story_of(session: Session, home: Path, project: Project, image_id: ImageId, *, leads: bool) -> Story:
    """The history of an image; NotFound if the project has none of this number."""
    item = listings.image(session, project.id, image_id)
    if item is None:
        raise NotFound("This project has no such image.")
    [image] = label_list.of_images(session, project.id, [image_id])
    champion = versions.champion(session, project.id)
    number = None if champion is None else champion.number
    classes_at = projects.classes_by_time(session, project)
    facts = image_history.facts(session, project.id, image_id, classes_at, number)
    [machine] = machine_labels_of(session, home, project, [image_id], leads=leads)
    facts = _with_machine_label(facts, machine)
    tasks = image_history.tasks(session, image_id)
    twins = image_history.twins(session, project.id, image_id)
    if leads or not image_history.is_blind_and_open(session, image_id):
        standing = standing_of(session, project, image, machine)
        facts = [_named(project, fact) for fact in facts]
        return Story(image, item, standing, facts, tasks, twins, machine, hidden=False)
    twins, item = [replace(twin, label=None) for twin in twins], replace(item, label=None, state="asked")
    return Story(_without_label(image), item, None, _without_answers(facts), [], twins, machine, hidden=True)


def _with_machine_label(facts: list[Fact], machine: MachineLabel) -> list[Fact]:
    """The facts with the champion's prediction from its file, where there is no row of it."""
    by = f"version {machine.version}"
    if machine.made_at is None or any(fact.what == "prediction" and fact.by == by for fact in facts):
        return facts
    about = {"confidence": machine.probability, "champion": True}
    fact = Fact(machine.made_at, "prediction", by, machine.machine_label or "", "", about)
    return sorted([*facts, fact], key=lambda one: one.at)


def _named(project: Project, fact: Fact) -> Fact:
    if fact.annotator_id is None:
        return fact
    return replace(fact, by=shown_name(project, fact.annotator_id, fact.by))


def _without_answers(facts: Sequence[Fact]) -> list[Fact]:
    """The facts that hint neither at an answer nor at why the image is asked about."""
    return [_without_hints(fact) for fact in facts if fact.what not in HIDES]


def _without_hints(fact: Fact) -> Fact:
    if fact.what == "asked":
        return replace(fact, says="", why="", details={})
    return replace(fact, details={name: value for name, value in fact.details.items() if name != "gold"})


def _without_label(image: Listed) -> Listed:
    return replace(image, value=None, source=None, author="", reason="", kind=None, confidence=None, people=())
