"""Take over a project that others made in Label Studio: its labels, its names, and all of its tasks, in place.

In: the number of a Label Studio project, and perhaps a project file. Out: a project of ours that uses this Label Studio
project, its tasks recorded and their images registered. It can be interrupted and repeated.
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from db.repositories.images import adopted_tasks
from db.repositories.people import audit
from db.repositories.projects import projects
from db.repositories.reviews import label_studio
from db.session import reading, transaction
from labeling.adapters.label_studio.client import LabelStudio, StudioProject
from labeling.errors import Conflict, Invalid, NotFound
from labeling.ingest.text import clean_text
from labeling.jobs import JobName, Trigger
from labeling.project import Project, ProjectConfig
from labeling.review.controls import Foreign, read_config
from labeling.slices import batches
from service.jobs.jobs import Jobs
from service.label_studio.adopted_tasks import take_in
from service.projects.project_file import check_project

TASKS_A_TRANSACTION = 500
MOST_PEOPLE = 20
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The result: how many tasks were read, how many of them are new, and how many could not be taken over."""

    project: Project
    tasks: int
    new: int
    refused: int


@dataclass(frozen=True, slots=True)
class TakingOver:
    """Takes a project over; `author` is recorded in the histories."""

    database: sa.Engine
    jobs: Jobs
    studio: LabelStudio
    author: str
    now: Callable[[], datetime]

    def begin(self, ls_project_id: int, config: ProjectConfig | None, name: str | None) -> tuple[Project, int]:
        """Make our project of it, and return how many people were to answer each of its tasks.

        Raises
        ------
        Invalid
            It asks something that is not supported, or its choices are not the labels of `config`.
        Conflict
            It is one that hardcase made itself, or the name is taken.
        """
        there = self._there(ls_project_id)
        with reading(self.database) as session:
            holder = label_studio.holder_of(session, self.studio.url, ls_project_id)
            known = None if holder is None else projects.by_id(session, holder)
            place = None if holder is None else label_studio.get(session, holder)
        people = min(max(there.maximum_annotations, 1), MOST_PEOPLE)
        if known is not None:
            if place is None or place.controls is None:
                raise Conflict(f"hardcase itself made this Label Studio project, for {known.config.name}.")
            if config is not None and set(config.classes) != set(known.config.classes):
                raise Conflict("It was taken over before, with other labels. `hardcase project edit` changes the rest.")
            return known, people
        return self._make(there, config, name), people

    def tasks(self, project: Project, people: int, progress: Callable[[int], None] = lambda _: None) -> TakenOver:
        """Register its tasks, a batch per transaction, and ask for the job that fetches their images."""
        with reading(self.database) as session:
            place = label_studio.get(session, project.id)
        if place is None:
            raise NotFound(f"{project.config.name} has no Label Studio project.")
        total, new, noted = 0, 0, 0
        for chunk in batches(self.studio.listing(place.ls_project_id), TASKS_A_TRANSACTION):
            with transaction(self.database) as session:
                new += take_in(session, project, chunk, self.now(), buckets=True, people=people)
                ids = [int(task["id"]) for task in chunk]
                noted += len(adopted_tasks.known_tasks(session, project.id, place.ls_project_id, ids))
            total += len(chunk)
            progress(len(chunk))
        with transaction(self.database) as session:
            self.jobs.ask(session, JobName.INGEST, project.id, Trigger.HAND)
        return TakenOver(project, total, new, total - noted)

    def _there(self, ls_project_id: int) -> StudioProject:
        try:
            return self.studio.project(ls_project_id)
        except NotFound as error:
            raise NotFound(
                f"There is no project {ls_project_id} in the Label Studio at {self.studio.url}. Its number is in "
                "the address of its page: /projects/NUMBER/."
            ) from error

    def _make(self, there: StudioProject, config: ProjectConfig | None, name: str | None) -> Project:
        foreign = read_config(there.label_config)
        wanted = config or _config_of(there, foreign, name or there.title)
        _check_labels(wanted, foreign)
        now = self.now()
        with transaction(self.database) as session:
            made = projects.create(session, wanted, salt=secrets.token_hex(16), author=self.author, now=now)
            controls = asdict(foreign.controls)
            label_studio.add(
                session, made.id, ls_project_id=there.id, base_url=self.studio.url, now=now, controls=controls
            )
            audit.record(
                session, self.author, "project.adopt", wanted.name, {"label_studio_project": there.id}, now, made.id
            )
        return made


def _config_of(there: StudioProject, foreign: Foreign, name: str) -> ProjectConfig:
    """Its choices, and its instructions as plain text, as a project file."""
    words = clean_text(html.unescape(_TAG.sub(" ", there.instructions))) or ""
    labels = [{"name": label.name, "description": label.description} for label in foreign.labels]
    return check_project({"name": name, "labels": labels, "guidelines": words})


def _check_labels(config: ProjectConfig, foreign: Foreign) -> None:
    theirs = {label.name for label in foreign.labels}
    if theirs != set(config.classes):
        differ = ", ".join(repr(name) for name in sorted(theirs ^ set(config.classes))[:10])
        raise Invalid(
            f"The labels must be the choices of the Label Studio project, to the letter; these are in one only: "
            f"{differ}. Correct the project file, or the labelling config in Label Studio."
        )
