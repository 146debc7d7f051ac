"""What a person has deleted: first what would go, then the order, which the worker carries out.

In: a project, a kind and a number. Out: a preview; or an open deletion with the job asked for, in the caller's one
transaction. For the pages, the API and the command line alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from db.repositories.deletions import deletions, images, tombstones, wholes
from db.repositories.deletions.deletions import Deletion
from db.repositories.labels import snapshots
from db.repositories.people import audit
from db.repositories.reviews import label_studio
from db.views import label_list
from labeling.errors import Invalid, NotFound
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from labeling.types import Actor, DeletionKind, ImageId
from service.jobs.jobs import Jobs
from service.projects.pseudonyms import shown_name

__all__ = ["Preview", "lift", "order", "preview"]


@dataclass(frozen=True, slots=True)
class Preview:
    """What would go: `name` for people, how much of what, and `words`: what else is to be known before."""

    kind: DeletionKind
    subject: int
    name: str
    images: int
    answers: int
    labels: int
    tasks: int
    measured: int
    words: tuple[str, ...]


def preview(session: Session, project: Project, kind: DeletionKind, subject: int) -> Preview:
    """What a deletion would remove; NotFound where there is nothing of this number."""
    name = _NAMES[kind](session, project, subject)
    counts = images.count_what_goes(session, project.id, kind, subject)
    if kind is DeletionKind.ANNOTATOR:
        return Preview(kind, subject, name, **counts, words=_of_person(session, subject))
    return Preview(kind, subject, name, **counts, words=_of_images(session, project, kind, counts))


def order(session: Session, jobs: Jobs, project: Project, kind: DeletionKind, subject: int, by: Actor) -> Deletion:
    """Have something deleted for good; the same again joins what is open.

    Raises
    ------
    Invalid
        No reason is given.
    NotFound
        There is nothing of this number.
    """
    if not by.reason.strip():
        raise Invalid("Say why: the reason is kept with the deletion, so do not name what is deleted in it.")
    _NAMES[kind](session, project, subject)
    made = deletions.ask(session, project.id, kind, subject, by)
    detail = {"deletion": made.id, "number": subject, "reason": by.reason}
    audit.record(session, by.author, f"delete.{kind.value}", project.config.name, detail, by.now, project.id)
    jobs.ask(session, JobName.DELETE, project.id, Trigger.HAND)
    return made


def lift(session: Session, jobs: Jobs, project: Project, deletion_id: int, by: Actor) -> int:
    """Let come in again what a deletion removed, the next time that somebody names it; how many marks went."""
    if not by.reason.strip():
        raise Invalid("Say why it may come in again: the reason is kept.")
    found = deletions.by_id(session, project.id, deletion_id)
    marks = tombstones.lift(session, project.id, found.id)
    detail = {"deletion": found.id, "marks": marks, "reason": by.reason}
    audit.record(session, by.author, "delete.lift", project.config.name, detail, by.now, project.id)
    jobs.ask(session, JobName.INGEST, project.id, Trigger.HAND)
    return marks


def _image(session: Session, project: Project, subject: int) -> str:
    found = label_list.of_images(session, project.id, [ImageId(subject)])
    if not found:
        raise NotFound("This project has no such image; perhaps it is deleted already.")
    return f"image {subject} ({found[0].reference})"


def _source(session: Session, project: Project, subject: int) -> str:
    address = wholes.source_address(session, project.id, subject)
    if address is None:
        raise NotFound("This project has no source of this number. `hardcase delete source PROJECT` lists them.")
    return f"source {subject} ({address})"


def _annotator(session: Session, project: Project, subject: int) -> str:
    name = wholes.name_of_annotator(session, project.id, subject)
    if name is None:
        raise NotFound("This project has no annotator of this number, or their name is deleted already.")
    return f"annotator {subject} ({shown_name(project, subject, name)})"


def _project(session: Session, project: Project, subject: int) -> str:
    if subject != project.id:
        raise NotFound(f"The number of this project is {project.id}.")
    return f"project {project.id} ({project.config.name})"


_NAMES = {
    DeletionKind.IMAGE: _image,
    DeletionKind.SOURCE: _source,
    DeletionKind.ANNOTATOR: _annotator,
    DeletionKind.PROJECT: _project,
}


def _of_person(session: Session, subject: int) -> tuple[str, ...]:
    account = wholes.account_of(session, subject)
    there = (
        "Their account in Label Studio stays, for they answer in another project, too."
        if account is None
        else f"Their account {account} in Label Studio is deleted, too."
    )
    return (
        f"Their name and e-mail address go. Their answers stay, as those of {wholes.nobody(subject)!r}, for labels "
        "rest on them; void them first (`hardcase team void`) if they should not count.",
        there,
    )


def _of_images(session: Session, project: Project, kind: DeletionKind, counts: dict[str, int]) -> tuple[str, ...]:
    if kind is DeletionKind.PROJECT:
        place = label_studio.get(session, project.id)
        there = [] if place is None else [f"Project {place.ls_project_id} in Label Studio goes with all its tasks."]
        return (*there, "Its versions, snapshots and releases go, too. Files that an export wrote are yours to remove.")
    words = ["What is deleted does not come back when its source still lists it."]
    frozen = len(snapshots.ids(session, project.id))
    if frozen and counts["labels"]:
        words.append("Snapshots and releases that hold these labels say that rows were withdrawn, and get a new hash.")
    if counts["measured"]:
        words.append(
            f"{counts['measured']} of the images measure, as part of the random stream: its figures are then of the "
            "collection without them. Figures stay honest only if nobody chose them by how they were answered."
        )
    return tuple(words)
