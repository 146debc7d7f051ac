"""What prelabel remembers: pending images, prelabels once, names of vectors, groups written once."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.engines import prelabels
from db.repositories.engines.prelabels import PlacedImage
from db.repositories.images import groups
from db.repositories.running import failures
from db.session import reading, transaction
from db.tables import GroupRow, PrelabelRow
from labeling.project import Project
from labeling.types import ImageId, Prelabel
from tests import factories
from tests.factories import NOW

MakeProject = Callable[..., Project]
PRELABEL = Prelabel("scripted", "r1", (0.2, 0.3, 0.5), "a small bird", 0.01, 0)
ENCODER = "thumb-4"


def _images(session: Session, project: Project, n: int) -> list[ImageId]:
    return [factories.image(session, project.id, _hash(i), text=f"text {i}") for i in range(n)]


def _hash(i: int) -> str:
    return sha256(str(i).encode()).hexdigest()


def _pending(engine: sa.Engine, project: Project, limit: int = 10, revision: str = "r1") -> list[int]:
    with reading(engine) as session:
        return [i.id for i in prelabels.pending(session, project.id, revision=revision, encoder=ENCODER, limit=limit)]


def test_an_image_is_pending_until_its_prelabel_and_its_vector_are_there(
    any_database: sa.Engine, make_project: MakeProject
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        ids = _images(session, project, 3)

    with transaction(any_database) as session:
        prelabels.record(session, [(ids[0], PRELABEL), (ids[1], PRELABEL)], NOW)
        prelabels.name_vectors(session, ENCODER, [_hash(0), _hash(2)], NOW)

    assert _pending(any_database, project) == [ids[1], ids[2]]
    assert _pending(any_database, project, limit=1) == [ids[1]]
    assert _pending(any_database, project, revision="r2") == ids


def test_images_of_other_projects_are_not_pending_here(database: sa.Engine, make_project: MakeProject) -> None:
    here, there = make_project(database), make_project(database, name="plants")
    with transaction(database) as session:
        _images(session, there, 2)

    assert _pending(database, here) == []


def test_recording_twice_keeps_the_first(any_database: sa.Engine, make_project: MakeProject) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        ids = _images(session, project, 2)

    counts = []
    for _ in range(2):
        with transaction(any_database) as session:
            recorded = prelabels.record(session, [(image_id, PRELABEL) for image_id in ids], NOW)
            counts.append((recorded, prelabels.name_vectors(session, ENCODER, [_hash(0), _hash(0)], NOW)))

    assert counts == [(2, 1), (0, 0)]
    with reading(any_database) as session:
        rows = session.scalars(sa.select(PrelabelRow)).all()
    assert [(row.revision, tuple(row.probs), row.description) for row in rows] == [
        (PRELABEL.revision, PRELABEL.probs, PRELABEL.description)
    ] * 2


def test_an_image_whose_vector_was_lost_is_pending_again(any_database: sa.Engine, make_project: MakeProject) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        ids = _images(session, project, 2)
        prelabels.record(session, [(image_id, PRELABEL) for image_id in ids], NOW)
        prelabels.name_vectors(session, ENCODER, [_hash(0), _hash(1)], NOW)

    with transaction(any_database) as session:
        prelabels.forget_vectors(session, ENCODER, [_hash(1)])

    assert _pending(any_database, project) == [ids[1]]


def test_a_dead_letter_is_not_pending_until_it_is_retried(any_database: sa.Engine, make_project: MakeProject) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        ids = _images(session, project, 2)

    states = []
    for _ in range(3):
        with transaction(any_database) as session:
            failures.record(session, project.id, "prelabel", str(ids[0]), "broken", False, NOW)
        states.append(_pending(any_database, project))
    with transaction(any_database) as session:
        failures.clear(session, "prelabel", str(ids[0]))

    assert states == [ids, ids, ids[1:]]
    assert _pending(any_database, project) == ids


def test_an_image_gets_its_group_once(any_database: sa.Engine, make_project: MakeProject) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        ids = _images(session, project, 3)
        prelabels.name_vectors(session, ENCODER, [_hash(i) for i in range(3)], NOW)
    placed = [
        PlacedImage(ids[0], _hash(0), 0.5),
        PlacedImage(ids[1], _hash(0), 0.5),
    ]

    with transaction(any_database) as session:
        first = prelabels.place(session, project.id, placed, NOW)
    with transaction(any_database) as session:
        again = prelabels.place(session, project.id, [PlacedImage(ids[0], _hash(9), 0.1)], NOW)

    assert (first, again) == (2, 0)
    with reading(any_database) as session:
        known = groups.standing(session, ids)
        waiting = prelabels.ungrouped(session, project.id, encoder=ENCODER, limit=9)
    assert sorted((image.content_hash, image.founder) for image in known) == [
        (_hash(0), _hash(0)),
        (_hash(1), _hash(0)),
    ]
    assert [image.id for image in waiting] == [ids[2]]


def test_a_groups_position_is_written_once(any_database: sa.Engine, make_project: MakeProject) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        ids = _images(session, project, 2)

    for image_id, position in zip(ids, (0.1, 0.5), strict=True):
        with transaction(any_database) as session:
            prelabels.place(session, project.id, [PlacedImage(image_id, _hash(0), position)], NOW)

    with reading(any_database) as session:
        assert session.scalars(sa.select(GroupRow.position)).all() == [0.1]


@pytest.mark.parametrize("limit", [1, 2])
def test_only_images_with_a_vector_can_be_grouped(database: sa.Engine, make_project: MakeProject, limit: int) -> None:
    project = make_project(database)
    with transaction(database) as session:
        ids = _images(session, project, 3)
        prelabels.name_vectors(session, ENCODER, [_hash(1), _hash(2)], NOW)

    with reading(database) as session:
        waiting = prelabels.ungrouped(session, project.id, encoder=ENCODER, limit=limit)

    assert [image.id for image in waiting] == ids[1 : 1 + limit]
