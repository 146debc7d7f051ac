"""Snapshots: a project's labels frozen under a name, kept as one file, and checked whenever they are read.

In: a project and the home folder. Out: the snapshot's row, or its entries in the order of content hashes. The file is
a copy: the labels up to `last_label_id` are the content, so a lost or changed file is written again from them.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.deletions import deletions
from db.repositories.deletions.deletions import Elsewhere
from db.repositories.labels import snapshots
from db.repositories.labels.snapshots import NewSnapshot, Snapshot
from db.repositories.queries import examples
from db.repositories.versions import versions
from db.session import reading, transaction
from db.views import exports
from db.views.exports import LabelFact
from labeling.errors import BadArtifact, Conflict, Invalid, not_written
from labeling.project import Project
from labeling.review.label_sets import Comparison, Entry, compare, entry_of, line_of, state_hash
from labeling.types import ProjectId

NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
"""What a snapshot may be called: it names files."""


def create(
    database: sa.Engine, home: Path, project: Project, name: str, *, author: str, note: str, now: datetime
) -> Snapshot:
    """Freeze the current labels. The same name with the same content gives the existing snapshot, else a Conflict.

    So does a deletion that takes labels meanwhile: it would not know of the snapshot.
    """
    check_name(name)
    with reading(database) as session:
        up_to = examples.last_label_id(session, project.id)
        kept = snapshots.find(session, project.id, name)
        since = deletions.oldest_at_work(session)
    place = Path("snapshots") / str(project.id) / f"{name}.jsonl"
    with _staged(home / place) as staged:
        with reading(database) as session:
            found, count = _write(staged, map(line_of, entries_of(session, project.id, up_to)))
        if kept is None:
            new = NewSnapshot(name, up_to, count, found, place.as_posix(), author, note)
            with transaction(database) as session:
                versions.lock(session, project.id)
                if deletions.has_worked(session, since) and _hash_of(session, project.id, up_to) != found:
                    raise Conflict("Labels were deleted while they were frozen. Freeze them again.")
                if snapshots.add(session, project.id, new, now):
                    staged.replace(home / place)
    with reading(database) as session:
        kept = snapshots.by_name(session, project.id, name)
    if kept.state != found:
        raise Conflict(f"There is a snapshot {name!r} already, of other labels. Choose another name.")
    return kept


def entries(home: Path, snapshot: Snapshot) -> Iterator[Entry]:
    """The snapshot's entries from its file, read twice: its hash first. BadArtifact if the file is not as written."""
    path = home / snapshot.path
    rebuild_it = "`hardcase snapshot verify` with --rebuild writes it again from the labels."
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise BadArtifact(f"The file of snapshot {snapshot.name!r} is not there any more. {rebuild_it}") from error
    if digest != snapshot.state:
        raise BadArtifact(f"The file of snapshot {snapshot.name!r} was changed: its hash is another. {rebuild_it}")
    return _read(path)


def verify(database: sa.Engine, home: Path, project: Project, snapshot: Snapshot) -> Snapshot:
    """Check that both the labels and the file still give the snapshot's hash; the snapshot as it is now.

    Raises
    ------
    BadArtifact
        They do not.
    Conflict
        A deletion has taken labels from it, and has not written it without them yet.
    """
    try:
        return _checked(database, home, project, snapshot)
    except BadArtifact:
        with reading(database) as session:
            withdrawing = deletions.is_left(session, Elsewhere.SNAPSHOT, str(snapshot.id))
            now = snapshots.by_name(session, project.id, snapshot.name)
        if withdrawing:
            raise Conflict(
                f"A deletion is taking labels out of snapshot {snapshot.name!r} just now. Try again in a "
                "minute; `hardcase delete list` shows whether it is done."
            ) from None
        return _checked(database, home, project, now)  # a deletion may have ended since the snapshot was read


def _checked(database: sa.Engine, home: Path, project: Project, snapshot: Snapshot) -> Snapshot:
    with reading(database) as session:
        rows = _hash_of(session, project.id, snapshot.last_label_id)
    if rows != snapshot.state:
        raise BadArtifact(
            f"The labels up to {snapshot.last_label_id} no longer give the hash of snapshot {snapshot.name!r}: the "
            "database is not the one it was made from. Restore the database from a backup."
        )
    entries(home, snapshot)
    return snapshot


def rebuild(database: sa.Engine, home: Path, project: Project, snapshot: Snapshot) -> Snapshot:
    """Write the snapshot's file again from the labels; as `verify` if they no longer give its hash."""
    with _staged(home / snapshot.path) as staged:
        with reading(database) as session:
            found, _ = _write(staged, map(line_of, entries_of(session, project.id, snapshot.last_label_id)))
        if found == snapshot.state:
            staged.replace(home / snapshot.path)
    return verify(database, home, project, snapshot)


def restate(
    database: sa.Engine, home: Path, project_id: ProjectId, snapshot: Snapshot, deletion_id: int, now: datetime
) -> None:
    """Write a snapshot's file from the labels that are left, and note how many were withdrawn; twice is once.

    Its own hash stays: it says what was frozen.
    """
    with _staged(home / snapshot.path) as staged:
        with reading(database) as session:
            found, count = _write(staged, map(line_of, entries_of(session, project_id, snapshot.last_label_id)))
        if found != snapshot.state:
            with transaction(database) as session:
                snapshots.withdraw(session, snapshot, deletion_id, snapshot.left - count, found, now)
        staged.replace(home / snapshot.path)


def compare_states(
    database: sa.Engine, home: Path, project: Project, before: Snapshot, after: Snapshot | None
) -> Comparison:
    """What differs between two snapshots, or between one and the current labels (`after` None)."""
    with reading(database) as session:
        if after is not None:
            return compare(entries(home, before), entries(home, after))
        up_to = examples.last_label_id(session, project.id)
        return compare(entries(home, before), entries_of(session, project.id, up_to))


def entries_of(session: Session, project_id: ProjectId, up_to: int) -> Iterator[Entry]:
    """The labels in force after the label `up_to`, as entries in the order of their content hashes."""
    for facts in exports.label_facts(session, project_id, up_to, by_hash=True):
        yield from map(_entry, facts)


def _hash_of(session: Session, project_id: ProjectId, up_to: int) -> str:
    return state_hash(map(line_of, entries_of(session, project_id, up_to)))


def check_name(name: str) -> None:
    """Invalid unless a snapshot can be called that."""
    if not re.fullmatch(NAME, name):
        raise Invalid("A snapshot's name has 1 to 64 small letters, digits, dots, dashes and underscores: v1.0")


def soft_label(evidence: Mapping[str, object]) -> dict[str, float] | None:
    """The share or probability of each answer that a label was made from; None where it was not made from answers."""
    found = evidence.get("soft")
    return {str(name): float(p) for name, p in found.items()} if isinstance(found, Mapping) and found else None


def _entry(fact: LabelFact) -> Entry:
    return Entry(
        content_hash=fact.content_hash,
        label=fact.value,
        source=fact.source,
        kind=fact.asked_as or fact.kind,  # what was frozen under an older name keeps its hash
        decided=str(fact.evidence.get("kind", "")) if "decision" in fact.evidence else "",
        answers=dict(sorted(Counter(answer for person in fact.people for answer in person.answer.choices).items())),
        soft_label=soft_label(fact.evidence),
    )


def _write(path: Path, lines: Iterator[bytes]) -> tuple[str, int]:
    """Write the lines; returns their hash and how many."""
    digest, count = hashlib.sha256(), 0
    with path.open("wb") as file:
        for line in lines:
            digest.update(line)
            file.write(line)
            count += 1
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), count


def _read(path: Path) -> Iterator[Entry]:
    with path.open("rb") as file:
        yield from map(entry_of, file)


@contextmanager
def _staged(place: Path) -> Iterator[Path]:
    """A file beside its place, gone afterwards unless it was moved there."""
    staged = place.with_name(f".{place.name}.{uuid.uuid4().hex}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield staged
    except OSError as error:
        raise not_written(place, error, "Give this user write access to it.") from error
    finally:
        if staged.exists():
            staged.unlink()
