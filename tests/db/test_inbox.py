"""The inbox takes each event once and returns the events that are not handled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from db.repositories.reviews import inbox
from db.repositories.reviews.inbox import Event, Hint
from db.session import reading, transaction
from labeling.project import Project
from tests.conftest import NOW


def event(key: str, project_id: int, *, tasks: tuple[int, ...] = (), annotations: tuple[int, ...] = ()) -> Event:
    hint = {"tasks": list(tasks), "annotations": list(annotations)}
    return Event(key, project_id, "ANNOTATION_UPDATED", hint, NOW)


def test_an_event_is_kept_once_however_often_it_is_drained(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        first = inbox.add(session, [event("a", project.id), event("b", project.id)])

    with transaction(any_database) as session:
        more = inbox.add(session, [event("b", project.id), event("c", project.id)])
        again = inbox.add(session, [event("b", project.id)])

    assert (first, more, again) == ({project.id}, {project.id}, set())
    with reading(any_database) as session:
        assert len(inbox.unhandled(session, project.id)) == 3


def test_projects_that_do_not_exist_are_not_known(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)

    with reading(any_database) as session:
        known = inbox.known_projects(session, {project.id, 999, 2**52})

    assert known == {project.id}


def test_unhandled_events_come_oldest_first_with_the_ids_that_they_name(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        inbox.add(session, [event("b", project.id, tasks=(7, 2**52), annotations=(9,)), event("a", project.id)])

    with reading(any_database) as session:
        both = inbox.unhandled(session, project.id)
        one = inbox.unhandled(session, project.id, 1)

    assert both[0] == Hint(both[0].id, "ANNOTATION_UPDATED", (7, 2**52), (9,))
    assert (both[1].tasks, both[1].annotations) == ((), ())
    assert one == both[:1]


def test_only_projects_with_unhandled_events_are_waiting(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    first, second, third = (make_project(any_database, name=name) for name in ("one", "two", "three"))
    with transaction(any_database) as session:
        inbox.add(session, [event(str(i), of) for i, of in enumerate((second.id, second.id, first.id, third.id))])
        inbox.handled(session, [hint.id for hint in inbox.unhandled(session, third.id)], NOW)

    with reading(any_database) as session:
        waiting = inbox.projects_with_unhandled(session)

    assert waiting == [first.id, second.id]


def test_looking_into_an_event_twice_keeps_the_first_time(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        inbox.add(session, [event("a", project.id), event("b", project.id)])
        ids = [hint.id for hint in inbox.unhandled(session, project.id)]

    with transaction(any_database) as session:
        first = inbox.handled(session, ids[:1], NOW)
        again = inbox.handled(session, ids, NOW + timedelta(days=1))

    assert (first, again) == (1, 1)
    with reading(any_database) as session:
        assert inbox.unhandled(session, project.id) == []
