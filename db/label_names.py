"""What stored class names mean now: texts of any version of the label set, read in the one that is in force.

In: projects, or images. Out: the names that are of no class any more, with what stands for each. Answers, labels and
decisions stay as they were written; whoever compares them with a class asks here.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import in_parts
from db.tables import ImageRow, ProjectConfigRow
from labeling.answers import Answer
from labeling.conversion import convert
from labeling.label_sets.changes import Names, name_now, names_now
from labeling.project import LabelChange
from labeling.types import ImageId, ProjectId


def names_of(session: Session, project_id: ProjectId) -> Names:
    """What each former name of this project's classes stands for now; empty while the label set is as it was made."""
    newest = (
        sa.select(ProjectConfigRow.config["changes"])
        .where(ProjectConfigRow.project_id == project_id)
        .order_by(ProjectConfigRow.version.desc())
        .limit(1)
    )
    return names_now(convert(session.scalar(newest) or [], tuple[LabelChange, ...]))


def names_by_project(session: Session, project_ids: Collection[int]) -> dict[int, Names]:
    """The same of several projects."""
    return {project: names_of(session, ProjectId(project)) for project in set(project_ids)}


def names_by_image(session: Session, image_ids: Collection[ImageId]) -> dict[ImageId, Names]:
    """The same of the projects of these images; images of projects with a label set as it was made are left out."""
    found: dict[ImageId, int] = {}
    for some in in_parts(image_ids):
        rows = session.execute(sa.select(ImageRow.id, ImageRow.project_id).where(ImageRow.id.in_(some)))
        found.update({ImageId(image): project for image, project in rows})
    names = names_by_project(session, found.values())
    return {image: names[project] for image, project in found.items() if names[project]}


def answer_now(answer: Answer, names: Names) -> Answer | None:
    """An answer in the label set of now; None where it named a class that was split.

    >>> answer_now(Answer(("cat",)), {"cat": ("feline",)})
    Answer(choices=('feline',))
    """
    if not names or not names.keys() & set(answer.choices):
        return answer
    choices = [name_now(choice, names) for choice in answer.choices]
    return None if None in choices else Answer(tuple(filter(None, choices)))
