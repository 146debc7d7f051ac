"""Alarms: one open of a kind and subject, raised again only after it ended, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from db.repositories.running import alarms
from db.repositories.running.alarms import AlarmKind
from db.session import reading, transaction
from labeling.errors import NotFound
from labeling.project import Project
from labeling.types import Actor
from tests.conftest import NOW

LATER = NOW + timedelta(hours=1)


def test_what_is_found_again_raises_no_second_alarm_until_the_first_has_ended(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)

    with transaction(any_database) as session:
        first = alarms.raise_alarm(session, project.id, AlarmKind.LOW_AGREEMENT, "", "low", {"alpha": 0.3}, NOW)
        again = alarms.raise_alarm(session, project.id, AlarmKind.LOW_AGREEMENT, "", "low", {}, NOW)
        assert first is not None
        ended = [alarms.end(session, first, Actor("ann", "guidelines were changed", LATER)) for _ in range(2)]
        third = alarms.raise_alarm(session, project.id, AlarmKind.LOW_AGREEMENT, "", "low again", {}, LATER)

    assert (again, ended) == (None, [True, False])
    with reading(any_database) as session:
        assert [alarm.id for alarm in alarms.open_alarms(session, project.id)] == [third]
        newest, oldest = alarms.lately(session, project.id, 10)
    assert (newest.words, newest.ended_at) == ("low again", None)
    assert (oldest.ended_by, oldest.end_reason, oldest.ended_at) == ("ann", "guidelines were changed", LATER)
    assert oldest.evidence == {"alpha": 0.3}


def test_an_open_alarm_says_what_was_said_last(any_database: sa.Engine, make_project: Callable[..., Project]) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        alarms.raise_alarm(session, project.id, AlarmKind.LABEL_ERRORS, "", "about 9 %", {"value": 0.09}, NOW)
        said = []
        for words, value in (("about 7 %", 0.07), ("about 7 %", 0.07), ("about 6 %", 0.06)):
            (alarm,) = alarms.open_alarms(session, project.id)
            said.append(alarms.say(session, alarm, words, {"value": value}, LATER))

    with reading(any_database) as session:
        (found,) = alarms.open_alarms(session, project.id)
    assert said == [True, False, True]
    assert (found.words, found.evidence, found.raised_at) == ("about 6 %", {"value": 0.06}, NOW)


def test_subjects_kinds_and_projects_have_alarms_of_their_own(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project, other = make_project(any_database), make_project(any_database, name="other")

    with transaction(any_database) as session:
        made = [
            alarms.raise_alarm(session, owner.id, kind, subject, "words", {}, NOW)
            for owner, kind, subject in (
                (project, AlarmKind.ANNOTATOR_DRIFT, "1"),
                (project, AlarmKind.ANNOTATOR_DRIFT, "2"),
                (project, AlarmKind.ANNOTATOR_PAUSED, "1"),
                (other, AlarmKind.ANNOTATOR_DRIFT, "1"),
            )
        ]

    assert None not in made and len(set(made)) == 4
    with reading(any_database) as session:
        assert alarms.count_open(session, project.id) == {"an annotator is paused": 1, "drift of an annotator": 2}
        assert len(alarms.open_alarms(session, other.id)) == 1
        with pytest.raises(NotFound):
            alarms.by_id(session, other.id, int(made[0] or 0))
