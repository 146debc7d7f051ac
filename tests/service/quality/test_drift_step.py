"""Drift in a project: images from elsewhere, classes that shift, an engine's new revision, a person who errs more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.engines import engines_in_force
from db.repositories.engines.engines_in_force import Stage
from db.repositories.running import alarms
from db.repositories.running.alarms import AlarmKind
from db.session import reading, transaction
from db.tables import ImageRow, VersionRow
from db.views import dashboard
from labeling.project import Project
from labeling.types import Actor
from service.work.quality.alarm_rules import AUTHOR, Watch, follow
from service.work.quality.drift import refresh_drift
from tests.answering import asked_about, people
from tests.conftest import NOW
from tests.service.labelled_pool import REVISION, Ground, add_champion, add_images, make_ground, prelabel

LATER = NOW + timedelta(hours=1)
Shift = Callable[[np.ndarray], np.ndarray]


def figure(ground: Ground) -> dict[str, Any]:
    with reading(ground.parts.database) as session:
        return dashboard.figures(session, ground.project.id)["drift"].data


def raised(ground: Ground) -> list[str]:
    with reading(ground.parts.database) as session:
        return [alarm.kind for alarm in alarms.open_alarms(session, ground.project.id)]


def bring(
    ground: Ground,
    n: int,
    shift: Shift = lambda vector: vector,
    *,
    classes: list[int] | None = None,
    at: datetime = LATER,
) -> None:
    """New images after the champion; it predicts the true class, or these."""
    new = add_images(ground, n, False, vector=shift)
    with transaction(ground.parts.database) as session:
        session.execute(sa.update(ImageRow).where(ImageRow.id.in_(new)).values(fetched_at=at))
    for position, image in enumerate(new):
        ground.truth[image] = classes[position % len(classes)] if classes else ground.truth[image]


def crown(ground: Ground) -> None:
    """A champion of now that predicts the true class of every image, whenever it comes."""
    images = sorted(ground.truth)
    probs = np.eye(len(ground.project.config.classes))[[ground.truth[image] for image in images]]
    add_champion(ground.parts, ground.project, images, probs)


@pytest.fixture
def ground(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Ground:
    ground = make_ground(database, tmp_path, make_project(database), pool=200, reserved=0)
    return replace(ground, parts=replace(ground.parts, now=lambda: LATER))


def test_new_images_from_elsewhere_raise_an_alarm_that_a_new_champion_ends(ground: Ground) -> None:
    bring(ground, 110, lambda vector: vector + np.array([0, 0, 0, 0, 1.0, 0, 0, 0]))
    crown(ground)

    counted = [refresh_drift(ground.parts, ground.project.id) for _ in range(2)]
    found, standing = figure(ground), raised(ground)
    after = replace(ground, parts=replace(ground.parts, now=lambda: LATER + timedelta(days=1)))
    crown(after)  # fitted after the alarm: all images that are there are old now
    with transaction(after.parts.database) as session:
        session.execute(sa.update(VersionRow).where(VersionRow.id > 1).values(created_at=LATER + timedelta(days=1)))
    refresh_drift(after.parts, ground.project.id)

    assert [one["drift"] for one in counted] == [1, 0]
    assert found["inputs"]["separability"]["value"] > 0.9 and found["inputs"]["p_value"] < found["inputs"]["level"]
    assert (found["look"], standing) == (1, ["drift of inputs"])
    assert raised(after) == [] and figure(after)["inputs"] is None


def test_a_champion_a_day_hides_no_change_that_comes_a_few_images_a_day(ground: Ground) -> None:
    crown(ground)
    for day in range(1, 5):
        today = LATER + timedelta(days=day)
        ground = replace(ground, parts=replace(ground.parts, now=lambda today=today: today))
        bring(ground, 30, lambda vector: vector + np.array([0, 0, 0, 0, 1.0, 0, 0, 0]), at=today - timedelta(hours=1))
        crown(ground)
        with transaction(ground.parts.database) as session:
            newest = sa.select(sa.func.max(VersionRow.id)).scalar_subquery()
            session.execute(sa.update(VersionRow).where(VersionRow.id == newest).values(created_at=today))
        refresh_drift(ground.parts, ground.project.id)

    assert (figure(ground)["look"], raised(ground)) == (1, ["drift of inputs"])


def test_new_images_of_the_same_kind_raise_none_and_a_look_is_done_once(ground: Ground) -> None:
    bring(ground, 110)
    crown(ground)

    refresh_drift(ground.parts, ground.project.id)
    first = figure(ground)
    tomorrow = replace(ground.parts, now=lambda: LATER + timedelta(days=1))
    again = refresh_drift(tomorrow, ground.project.id)

    assert raised(ground) == [] and first["prior"]["p_value"] > 0.05
    assert again["drift"] == 1 and figure(ground)["inputs"] == first["inputs"]


def test_a_class_that_comes_more_often_raises_an_alarm_and_is_named(ground: Ground) -> None:
    bring(ground, 110, classes=[0, 0, 0, 1, 2])
    crown(ground)

    refresh_drift(ground.parts, ground.project.id)

    prior = figure(ground)["prior"]
    assert prior["size"] > 0.2 and prior["p_value"] < prior["level"]
    assert {row["label"]: row["after"] for row in prior["classes"]}["cat"] == 0.6
    assert raised(ground) == ["drift of the prior"]


def test_too_few_new_images_say_nothing(ground: Ground) -> None:
    bring(ground, 40, lambda vector: vector + 5)
    crown(ground)

    refresh_drift(ground.parts, ground.project.id)

    assert (figure(ground)["look"], figure(ground)["inputs"]) == (0, None)


def test_how_many_answers_an_engines_new_revision_changed_is_told(ground: Ground) -> None:
    with transaction(ground.parts.database) as session:
        engines_in_force.note(session, ground.project.id, Stage(0, "seeded", "seeded-2"), NOW)
        for i, image in enumerate(ground.pool[:60]):
            true = ground.truth[image]
            prelabel(session, image, np.eye(3)[true if i % 2 else (true + 1) % 3].tolist(), revision="seeded-2")

    refresh_drift(ground.parts, ground.project.id)

    (engine,) = figure(ground)["engines"]
    assert (engine["earlier"], engine["revision"]) == (REVISION, "seeded-2")
    assert engine["changed"]["n"] == 60 and 0.3 < engine["changed"]["value"] < 0.8


def test_somebody_who_errs_more_than_weeks_ago_raises_an_alarm_and_others_do_not(ground: Ground) -> None:
    classes = ground.project.config.classes
    with transaction(ground.parts.database) as session:
        ann, bob, cho = people(session, ground.project, "ann", "bob", "cho").values()
        for i, image in enumerate(ground.pool[:80]):
            true, wrong = classes[ground.truth[image]], classes[(ground.truth[image] + 1) % 3]
            late = i >= 40
            said = {ann: true, bob: wrong if late and i % 2 else true, cho: true}
            at = NOW if late else NOW - timedelta(days=40)
            asked_about(session, ground.project, image, said, at=at, settled=False)

    refresh_drift(ground.parts, ground.project.id)

    rows = {row["annotator"]: row for row in figure(ground)["annotators"]}
    assert rows[bob]["found"] and rows[bob]["size"] == 0.5
    assert not rows[ann]["found"] and not rows[cho]["found"]
    with reading(ground.parts.database) as session:
        (alarm,) = alarms.open_alarms(session, ground.project.id)
    assert (alarm.kind, alarm.subject) == ("drift of an annotator", str(bob))


def test_an_alarm_does_not_come_and_go_near_its_threshold_and_stays_quiet_where_a_person_ended_it(
    database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project, kinds = make_project(database), (AlarmKind.LABEL_ERRORS,)

    def look(*, found: bool, still: bool, hours: int) -> dict[str, int]:
        watch = Watch(AlarmKind.LABEL_ERRORS, "", found, still, "many", {})
        with transaction(database) as session:
            return follow(session, project.id, kinds, [watch], NOW + timedelta(hours=hours))

    raised_first = look(found=True, still=True, hours=0)
    near = look(found=False, still=True, hours=1)
    passed = look(found=False, still=False, hours=2)
    again = look(found=True, still=True, hours=3)
    with transaction(database) as session:
        (alarm,) = alarms.open_alarms(session, project.id)
        alarms.end(session, alarm.id, Actor("lead", "known", NOW + timedelta(hours=3)))
    quiet = look(found=True, still=True, hours=20)
    next_day = look(found=True, still=True, hours=28)

    assert raised_first == {"alarms_raised": 1, "alarms_ended": 0}
    assert near == {"alarms_raised": 0, "alarms_ended": 0}
    assert passed == {"alarms_raised": 0, "alarms_ended": 1}
    assert [one["alarms_raised"] for one in (again, quiet, next_day)] == [1, 0, 1]
    with reading(database) as session:
        assert [one.ended_by for one in alarms.lately(session, project.id, 9)] == [None, "lead", AUTHOR]
