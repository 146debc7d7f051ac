"""The first step of deleting: the rows go, some images at a time, and what must go elsewhere is noted with them.

In: a project with open deletions. Out: counts. In one transaction: the rows of some images, their tombstones, and the
list of what lies outside. Killed anywhere, it goes on with what is still there. Names go from the logs before the rows
that hold them; where others came meanwhile, the step removes nothing and is done again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy.orm import Session

from db.repositories.deletions import deletions, holders, images, tombstones, wholes
from db.repositories.deletions.deletions import Deletion, Elsewhere
from db.repositories.deletions.images import Gone
from db.repositories.labels import snapshots
from db.repositories.projects import projects
from db.repositories.reviews import label_studio
from db.repositories.versions import versions
from db.session import reading, transaction
from labeling.adapters.storage.image_store import UPLOAD
from labeling.adapters.storage.overwriting import blank_out, empty_out
from labeling.ingest.hashing import text_key
from labeling.project import Project
from labeling.types import DeletionKind, ImageId, ProjectId
from service.deletions.forgetting import forget_person
from service.work.wiring import Parts

AT_ONCE = 200
MOST_NAMES = 5_000
"""Of more than so many names a log is not searched; it is overwritten as a whole."""


def remove_rows(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Remove some of what is to be deleted; `left` is 1 while rows of it may still be there."""
    with reading(parts.database) as session:
        project = projects.even_deleted(session, project_id)
        found = None if project is None else _next(session, project)
    if project is None or found is None:
        return {"done": 0, "failed": 0, "left": 0}
    deletion, some = found
    parts.failpoint("delete.before_rows")
    if some:
        _remove_images(parts, project, deletion, some)
    elif deletion.kind is DeletionKind.SOURCE:
        _remove_source(parts, project, deletion)
    elif deletion.kind is DeletionKind.ANNOTATOR:
        forget_person(parts.database, parts.settings.home, parts.images, project, deletion, _logs(parts))
    elif deletion.kind is DeletionKind.PROJECT:
        _remove_project(parts, project, deletion)
    parts.memo.clear()
    parts.failpoint("delete.after_rows")
    return {"done": len(some) or 1, "failed": 0, "left": 1}


def _next(session: Session, project: Project) -> tuple[Deletion, list[ImageId]] | None:
    """The first deletion of which rows are there, with some of its images."""
    for deletion in deletions.of_project(session, project.id):
        some = images.next_images(session, deletion, AT_ONCE)
        if some or _stands(session, deletion):
            return deletion, some
    return None


def has_rows(session: Session, deletion: Deletion) -> bool:
    """Whether rows of what is to be deleted are still there: nothing of it is noted as left over yet."""
    return bool(images.next_images(session, deletion, 1)) or _stands(session, deletion)


def _stands(session: Session, deletion: Deletion) -> bool:
    """Whether the source, person or project is still there itself."""
    if deletion.kind is DeletionKind.SOURCE:
        return wholes.source_address(session, deletion.project_id, deletion.subject) is not None
    if deletion.kind is DeletionKind.ANNOTATOR:
        return wholes.name_of_annotator(session, deletion.project_id, deletion.subject) is not None
    return deletion.kind is DeletionKind.PROJECT and projects.even_deleted(session, deletion.project_id) is not None


def _remove_images(parts: Parts, project: Project, deletion: Deletion, some: list[ImageId]) -> None:
    with reading(parts.database) as session:
        gone = images.gone_of(session, project.id, some)
    known = set(gone.names)
    blank_out(_logs(parts), [*gone.names, *(Path(name).name for name in gone.names)])
    parts.failpoint("delete.after_logs")
    with transaction(parts.database) as session:
        versions.lock(session, project.id)  # a snapshot that is being made comes before, and is noted, or after
        gone = images.gone_of(session, project.id, some)
        if not (known.issuperset(gone.names) and set(some) <= {*images.next_images(session, deletion, AT_ONCE)}):
            return  # somebody named one meanwhile, which may also keep it
        counts = images.remove_images(session, project.id, some, gone)
        wholes.forget_caches(session, project.id)
        _leave(session, project, deletion, gone)
        deletions.add_counts(session, deletion.id, counts)


def _leave(session: Session, project: Project, deletion: Deletion, gone: Gone) -> None:
    """Note what lies outside and is nobody's now; and that it may not come back."""

    def leave(kind: Elsewhere, what: Iterable[str]) -> None:
        deletions.leave(session, deletion.id, kind, what)

    contents = sorted({*gone.contents} - holders.contents(session, gone.contents))
    holders.forget_contents(session, contents)
    texts = {*gone.texts} - holders.texts(session, gone.texts)
    vectors = holders.forget_vectors(session, [*contents, *map(text_key, texts)])
    leave(Elsewhere.PICTURE, contents)
    leave(Elsewhere.VECTOR, (f"{encoder} {key}" for encoder, key in vectors))
    leave(Elsewhere.UPLOAD, (name for name in gone.names if name.startswith(UPLOAD)))
    leave(Elsewhere.DRAWING, gone.drawings)
    if deletion.kind is DeletionKind.PROJECT:
        return
    leave(Elsewhere.TASK, (str(task) for _, task in gone.tasks))
    leave(Elsewhere.PREDICTIONS, (str(one) for one in versions.with_prediction_file(session, project.id)))
    leave(Elsewhere.SNAPSHOT, (str(one) for one in snapshots.ids(session, project.id)))
    leave(Elsewhere.FOLDER, (f"pool/{project.id}", f"plots/{project.id}"))
    tombstones.add(session, project.id, deletion.id, tombstones.REFERENCE, gone.references)
    tombstones.add(session, project.id, deletion.id, tombstones.CONTENT, gone.contents)


def _remove_source(parts: Parts, project: Project, deletion: Deletion) -> None:
    """The source itself, with what it named that was no image of its own."""
    with reading(parts.database) as session:
        address = wholes.source_address(session, project.id, deletion.subject)
        named = wholes.registered(session, project.id, deletion.subject)
    assert address is not None
    _blank_names(parts, [address], named)
    with transaction(parts.database) as session:
        if images.next_images(session, deletion, 1):
            return  # one was fetched meanwhile: it goes first, and what lies elsewhere of it is noted
        if wholes.registered(session, project.id, deletion.subject) != named:
            return  # or one was named: its name goes from the logs first
        deletions.leave(session, deletion.id, Elsewhere.UPLOAD, _uploads(named))
        tombstones.add(session, project.id, deletion.id, tombstones.REFERENCE, [reference for reference, _ in named])
        wholes.remove_source(session, project.id, deletion.subject, address)


def _remove_project(parts: Parts, project: Project, deletion: Deletion) -> None:
    """What is left after the images went: labels' versions, snapshots, settings, the name."""
    with reading(parts.database) as session:
        named = wholes.registered(session, project.id)
    _blank_names(parts, [project.config.name], named)
    folders = ("pool", "plots", "models", "predictions", "snapshots", "releases")
    with transaction(parts.database) as session:
        if images.next_images(session, deletion, 1) or wholes.registered(session, project.id) != named:
            return  # as of a source
        place = label_studio.get(session, project.id)
        there = [] if place is None else [str(place.ls_project_id)]
        deletions.leave(session, deletion.id, Elsewhere.STUDIO_PROJECT, there)
        deletions.leave(session, deletion.id, Elsewhere.FOLDER, (f"{one}/{project.id}" for one in folders))
        deletions.leave(session, deletion.id, Elsewhere.UPLOAD, _uploads(named))
        tombstones.forget(session, project.id)
        wholes.remove_project(session, project.id, project.config.name)


def _uploads(named: Iterable[tuple[str, str]]) -> list[str]:
    return [address for _, address in named if address.startswith(UPLOAD)]


def _blank_names(parts: Parts, names: list[str], named: list[tuple[str, str]]) -> None:
    """Take these names out of the logs; of very many, empty them."""
    if len(named) > MOST_NAMES:
        empty_out(_logs(parts))
    else:
        blank_out(_logs(parts), {*names, *(name for pair in named for name in (*pair, Path(pair[0]).name))})
    parts.failpoint("delete.after_logs")


def _logs(parts: Parts) -> list[Path]:
    return [path for path in sorted((parts.settings.home / "logs").glob("*")) if path.is_file()]
