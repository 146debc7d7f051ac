"""What a lead does about an annotator: pause, resume, or void all answers so far and ask again.

In: a person of the project, the author and the reason. Out: rows and jobs, in the caller's one transaction; labels are
updated at once. For the pages, the API and the command line alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from db.repositories.labels import labels
from db.repositories.labels.labels import NewLabel
from db.repositories.people import annotators, audit
from db.repositories.people.annotators import Annotator
from db.repositories.queries import gold
from db.repositories.running import alarms
from db.repositories.running.alarms import AlarmKind
from labeling.errors import Conflict, Invalid
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from labeling.types import Actor, LabelSource
from service.jobs.arguments import LearnArguments
from service.jobs.jobs import Jobs
from service.labels.resolution import resolve_labels


@dataclass(frozen=True, slots=True)
class Voided:
    """How many answers were voided, the images that they were about, and how many labels changed."""

    answers: int
    images: int
    labels: int


def pause(session: Session, jobs: Jobs, project: Project, annotator_id: int, by: Actor) -> Annotator:
    """Discard their answers from now on; Conflict if they are paused already."""
    return _switch(session, jobs, project, annotator_id, by, paused=True)


def resume(session: Session, jobs: Jobs, project: Project, annotator_id: int, by: Actor) -> Annotator:
    """Count their answers again from now on; the rule uses later answers only."""
    found = _switch(session, jobs, project, annotator_id, by, paused=False)
    for alarm in alarms.open_alarms(session, project.id):
        if (alarm.kind, alarm.subject) == (AlarmKind.ANNOTATOR_PAUSED, str(annotator_id)):
            alarms.end(session, alarm.id, by)
    return found


def void_answers(session: Session, jobs: Jobs, project: Project, annotator_id: int, by: Actor) -> Voided:
    """Discard all their answers so far: labels are updated, open reviews ask others, the classifier is fitted again.

    Gold that was made from their answers is withdrawn. Whether they are paused stays as it is.
    """
    _check(session, project, annotator_id, by)
    answers = annotators.void(session, annotator_id, by)
    made = gold.made_from_answers_of(session, annotator_id, gold.answers(session, project.id))
    reason = "an answer that it was made from is void"
    withdrawn = [NewLabel(image, None, LabelSource.GOLD, by.author, reason) for image in made]
    labels.append(session, project.id, withdrawn, by.now)
    images = annotators.images_of(session, [annotator_id])
    changed = resolve_labels(session, project, images, by.now)
    detail = {"annotator": annotator_id, "reason": by.reason, "answers": answers, "labels": changed}
    audit.record(session, by.author, "team.void", project.config.name, detail, by.now, project.id)
    _ask(session, jobs, project, JobName.REVIEW, JobName.QUALITY, JobName.FIGURES)
    jobs.ask(session, JobName.LEARN, project.id, Trigger.HAND, LearnArguments(now=True))
    return Voided(answers, len(images), changed)


DEEDS = {"pause": pause, "resume": resume, "void": void_answers}


def _switch(session: Session, jobs: Jobs, project: Project, annotator_id: int, by: Actor, *, paused: bool) -> Annotator:
    found = _check(session, project, annotator_id, by)
    if found.paused == paused:
        raise Conflict("They are paused already." if paused else "They take part already; there is nothing to resume.")
    annotators.switch(session, found.id, by, paused=paused, evidence={})
    detail = {"annotator": found.id, "reason": by.reason}
    audit.record(
        session, by.author, f"team.{'pause' if paused else 'resume'}", project.config.name, detail, by.now, project.id
    )
    _ask(session, jobs, project, JobName.REVIEW, JobName.QUALITY)
    return annotators.by_id(session, project.id, found.id)


def _check(session: Session, project: Project, annotator_id: int, by: Actor) -> Annotator:
    if not by.reason.strip():
        raise Invalid("Say why: the reason is kept with it.")
    return annotators.by_id(session, project.id, annotator_id)


def _ask(session: Session, jobs: Jobs, project: Project, *wanted: JobName) -> None:
    for job in wanted:
        jobs.ask(session, job, project.id, Trigger.HAND)
