"""The inbox takes each event once and gives out what is not handled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from db.repositories import inbox
from db.repositories.inbox import Arrival, InboxEvent
from db.session import reading, transaction
from labeling.types import Project, ProjectId
from tests.conftest import NOW


def arrival(key: str, *, task_ids: tuple[int, ...] = (), annotation_ids: tuple[int, ...] = ()) -> Arrival:
    return Arrival(key, "ANNOTATION_UPDATED", task_ids, annotation_ids, NOW)


def test_an_event_is_recorded_once_however_often_it_is_drained(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        first = inbox.record(session, project.id, [arrival("a"), arrival("b")])

    with transaction(any_database) as session:
        again = inbox.record(session, project.id, [arrival("b"), arrival("c")])

    assert (first, again) == (2, 1)
    with reading(any_database) as session:
        assert len(inbox.unhandled(session, project.id, 10)) == 3


def test_unhandled_events_come_oldest_first_with_the_ids_that_they_name(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        inbox.record(session, project.id, [arrival("b", task_ids=(7, 2**62), annotation_ids=(9,)), arrival("a")])

    with reading(any_database) as session:
        both = inbox.unhandled(session, project.id, 10)
        one = inbox.unhandled(session, project.id, 1)

    assert both[0] == InboxEvent(both[0].id, "ANNOTATION_UPDATED", (7, 2**62), (9,), NOW)
    assert (both[1].task_ids, both[1].annotation_ids) == ((), ())
    assert one == both[:1]


def test_only_projects_with_unhandled_events_are_waiting(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    first, second, third = (make_project(any_database, name=name) for name in ("one", "two", "three"))
    with transaction(any_database) as session:
        inbox.record(session, second.id, [arrival("a"), arrival("b")])
        inbox.record(session, first.id, [arrival("c")])
        inbox.record(session, third.id, [arrival("d")])
        inbox.mark_handled(session, [event.id for event in inbox.unhandled(session, third.id, 10)], NOW)

    with reading(any_database) as session:
        waiting = inbox.projects_with_unhandled(session)

    assert waiting == [first.id, second.id]


def test_handling_an_event_twice_keeps_the_first_time(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        inbox.record(session, project.id, [arrival("a"), arrival("b")])
        ids = [event.id for event in inbox.unhandled(session, project.id, 10)]

    with transaction(any_database) as session:
        first = inbox.mark_handled(session, ids[:1], NOW)
        again = inbox.mark_handled(session, ids, NOW + timedelta(days=1))

    assert (first, again) == (1, 1)
    with reading(any_database) as session:
        assert inbox.unhandled(session, project.id, 10) == []


def test_projects_that_do_not_exist_are_not_known(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)

    with reading(any_database) as session:
        known = inbox.known_projects(session, [project.id, ProjectId(999), ProjectId(2**62)])

    assert known == {project.id}
