"""Which engines are in force in an escalation, and the numbered calibration terms of each."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from db.repositories.engines import calibrations, engines_in_force
from db.repositories.engines.engines_in_force import Stage
from db.session import reading, transaction
from labeling.project import Project
from tests.conftest import NOW

FIRST, AGENT, LARGE = Stage(0, "bundled", "b-1"), Stage(1, "agent:x/small", "a-1"), Stage(2, "agent:x/large", "l-1")


def test_a_new_revision_takes_the_place_of_the_old_one_and_noting_it_twice_changes_nothing(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project, other = make_project(any_database), make_project(any_database, name="other")
    newer = Stage(1, AGENT.engine, "a-2")

    with transaction(any_database) as session:
        for stage in (FIRST, AGENT, newer, newer):
            engines_in_force.note(session, project.id, stage, NOW)
        engines_in_force.note(session, other.id, LARGE, NOW)

    with reading(any_database) as session:
        assert engines_in_force.in_force(session, project.id) == [FIRST, newer]
        assert engines_in_force.first_revision(session, project.id) == "b-1"
        assert engines_in_force.first_revision(session, other.id) is None


def test_a_place_whose_engine_is_no_longer_named_is_forgotten(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        for stage in (FIRST, AGENT, LARGE):
            engines_in_force.note(session, project.id, stage, NOW)

        engines_in_force.shorten(session, project.id, [FIRST.engine, LARGE.engine])

    with reading(any_database) as session:
        assert engines_in_force.in_force(session, project.id) == [FIRST]


def test_terms_are_numbered_and_the_newest_is_in_force(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)

    with transaction(any_database) as session:
        numbers = [
            calibrations.add(session, project.id, "bundled", revision, labels, {"temperature": 2.0}, NOW)
            for revision, labels in (("b-1", 30), ("b-1", 40), ("b-2", 15))
        ]

    with reading(any_database) as session:
        newest = calibrations.newest(session, project.id, "b-1")
        assert numbers == [1, 2, 1]
        assert newest is not None and (newest.number, newest.labels) == (2, 40)
        assert {r: c.number for r, c in calibrations.everyone(session, project.id).items()} == {"b-1": 2, "b-2": 1}
        assert calibrations.newest(session, project.id, "b-3") is None
