"""Whether a project's labels can be shipped: from real steps to one verdict, and the alarms that stand beside it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db.repositories.labels import decisions
from db.repositories.running import alarms
from db.session import insert_new, reading, transaction
from db.tables import FigureRow, InboxRow
from db.views import dashboard
from db.views import figures as kept
from db.views.figures import NewFigure
from db.views.project_stats import labels_now
from labeling.estimates import Estimate
from labeling.project import Policy, Project, Targets
from labeling.types import Actor, ImageId, LabelSource, ReviewKind
from service.figures.figures import write
from service.labels.resolution import resolve_labels
from service.work.quality.agreement import refresh_agreement
from service.work.quality.label_alarms import watch_labels
from service.work.quality.label_quality import refresh_label_quality
from service.work.quality.suspects import refresh_suspects
from tests import factories
from tests.answering import asked_about, people
from tests.conftest import NOW
from tests.service.labelled_pool import Ground, make_ground
from tests.service.quality_data import wrong_labels


@pytest.fixture
def ground(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Ground:
    return make_ground(database, tmp_path, make_project(database), pool=100, reserved=0)


def answer_all(ground: Ground, wrong: Callable[[int], bool] = lambda i: False) -> None:
    """Two people answer every image blind; the second is wrong where asked to be."""
    classes = ground.project.config.classes
    with transaction(ground.parts.database) as session:
        ann, bob = people(session, ground.project, "ann", "bob").values()
        for i, image in enumerate(ground.pool):
            true = classes[ground.truth[image]]
            other = classes[(ground.truth[image] + 1) % 3]
            asked_about(session, ground.project, image, {ann: true, bob: other if wrong(i) else true}, settled=False)
        resolve_labels(session, ground.project, [ImageId(image) for image in ground.pool], NOW)


def with_champion(ground: Ground, accuracy: float, lower: float, upper: float) -> None:
    row = {"version": 3, "champion": True, "promoted": True, "known": True, "n": 120}
    data = {"versions": [{**row, "accuracy": accuracy, "lower": lower, "upper": upper}]}
    with transaction(ground.parts.database) as session:
        kept.keep(session, ground.project.id, [NewFigure("accuracy_by_version", data)], "f", ground.parts.now())


def with_wrong_labels(ground: Ground, share: Estimate | None, **more: Any) -> None:
    with transaction(ground.parts.database) as session:
        figure = write(wrong_labels(share, **more))
        kept.keep(session, ground.project.id, [figure], "f", ground.parts.now(), ":wrong_labels")


def verdict(ground: Ground) -> dict[str, Any]:
    for step in (refresh_agreement, refresh_suspects, watch_labels, refresh_label_quality):
        step(ground.parts, ground.project.id)
    with reading(ground.parts.database) as session:
        return dashboard.figures(session, ground.project.id)["label_quality"].data


def states(data: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["state"] for one in data["criteria"]}


def test_the_coverage_follows_new_images(ground: Ground) -> None:
    answer_all(ground)
    before = verdict(ground)["coverage"]
    with transaction(ground.parts.database) as session:
        for _ in range(50):
            factories.image(session, ground.project.id)

    after = verdict(ground)["coverage"]

    assert (before, after) == ({"images": 100, "labelled": 100}, {"images": 150, "labelled": 100})


def test_labels_on_which_people_agree_can_be_shipped_once_the_accuracy_is_known(ground: Ground) -> None:
    answer_all(ground)
    with_wrong_labels(ground, Estimate(0.02, 0.01, 0.04, 60))

    before = verdict(ground)
    with_champion(ground, 0.93, 0.87, 0.96)
    after = verdict(ground)

    assert before["verdict"] == "not yet known" and before["in_the_way"] == ["accuracy"]
    assert after["verdict"] == "yes" and after["in_the_way"] == []
    assert states(after) == {
        "accuracy": "met",
        "agreement": "met",
        "label_errors": "met",
        "gold": "for information",
        "disputes": "met",
        "classes": "met",
        "alarms": "met",
        "coverage": "for information",
    }
    assert after["coverage"] == {"images": 100, "labelled": 100}
    assert after["sources"] == [{"source": "several people", "count": 100}]
    assert [row["labels"] for row in after["classes"]] == [34, 33, 33]


def test_people_who_disagree_raise_an_alarm_and_stand_in_the_way_until_they_agree(ground: Ground) -> None:
    answer_all(ground, wrong=lambda i: i % 2 == 0)
    with_champion(ground, 0.93, 0.87, 0.96)

    data = verdict(ground)

    assert data["verdict"] == "not yet"
    assert {"agreement", "disputes", "alarms"} <= set(data["in_the_way"])
    disputes = next(one for one in data["criteria"] if one["name"] == "disputes")
    assert disputes["figure"]["value"] == 50 and disputes["where"] == "/disputes"
    with reading(ground.parts.database) as session:
        assert [one.kind for one in alarms.open_alarms(session, ground.project.id)] == ["agreement is low"]


def test_wrong_labels_are_judged_by_re_reviews_and_without_them_not_yet_known(ground: Ground) -> None:
    answer_all(ground)

    def found() -> dict[str, Any]:
        return next(one for one in verdict(ground)["criteria"] if one["name"] == "label_errors")

    without = found()
    with_wrong_labels(ground, Estimate(0.03, 0.01, 0.06, 60))
    near = found()
    with_wrong_labels(ground, Estimate(0.09, 0.06, 0.14, 60))
    many = found()

    assert (without["state"], without["figure"]["value"]) == ("not yet known", None)
    assert near["state"] == "not yet known" and near["figure"]["value"] == 0.03
    assert many["state"] == "missed" and "by 60 blind re-reviews" in many["why"]


def test_double_answers_can_show_that_too_many_labels_are_wrong_and_never_that_few_are(ground: Ground) -> None:
    answer_all(ground)

    with_wrong_labels(ground, None, at_least=0.07, doubled=80)
    many = next(one for one in verdict(ground)["criteria"] if one["name"] == "label_errors")
    with_wrong_labels(ground, None, at_least=0.01, doubled=80)
    few = next(one for one in verdict(ground)["criteria"] if one["name"] == "label_errors")

    assert many["state"] == "missed" and "at least 7.0%, by 80 double answers" in many["why"]
    assert few["state"] == "not yet known"
    assert many["figure"]["value"] is None  # a bound is no estimate


def test_the_targets_are_those_of_the_policy(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    policy = Policy(targets=Targets(label_errors=0.2, classes=90, accuracy=0.99))
    ground = make_ground(database, tmp_path, make_project(database, policy=policy), pool=100, reserved=0)
    answer_all(ground)
    with_champion(ground, 0.93, 0.87, 0.96)
    with_wrong_labels(ground, Estimate(0.09, 0.06, 0.14, 60))

    found = states(verdict(ground))

    assert (found["label_errors"], found["classes"], found["accuracy"]) == ("met", "missed", "missed")
    with reading(database) as session:
        assert alarms.open_alarms(session, ground.project.id) == []


def test_the_alarm_of_wrong_labels_says_the_newest_figure_while_it_is_open(ground: Ground) -> None:
    said = []
    for share in (Estimate(0.09, 0.06, 0.14, 60), Estimate(0.07, 0.04, 0.11, 90), Estimate(0.03, 0.01, 0.06, 120)):
        with_wrong_labels(ground, share)
        watch_labels(ground.parts, ground.project.id)
        watch_labels(ground.parts, ground.project.id)
        with reading(ground.parts.database) as session:
            said.append([(one.kind, one.words) for one in alarms.open_alarms(session, ground.project.id)])

    assert [len(some) for some in said] == [1, 1, 0]
    assert said[0][0][0] == said[1][0][0] == "many label errors"
    assert "9.0%" in said[0][0][1] and "at most 5.0% is wanted" in said[0][0][1]
    assert "7.0%" in said[1][0][1] and "9.0%" not in said[1][0][1]


def test_an_alarm_stays_while_its_figure_is_counted_anew(ground: Ground) -> None:
    answer_all(ground, wrong=lambda i: i % 2 == 0)
    verdict(ground)
    with transaction(ground.parts.database) as session:
        session.execute(sa.update(FigureRow).where(FigureRow.name == "agreement").values(data={"old": "form"}))

    counts = watch_labels(ground.parts, ground.project.id)

    assert counts == {"alarms_raised": 0, "alarms_ended": 0}
    with reading(ground.parts.database) as session:
        assert [one.kind for one in alarms.open_alarms(session, ground.project.id)] == ["agreement is low"]


def test_a_poor_champion_is_missed_and_one_too_near_the_target_is_not_yet_known(ground: Ground) -> None:
    answer_all(ground)

    with_champion(ground, 0.6, 0.5, 0.7)
    poor = states(verdict(ground))["accuracy"]
    with_champion(ground, 0.82, 0.75, 0.88)
    near = verdict(ground)

    assert (poor, states(near)["accuracy"]) == ("missed", "not yet known")
    assert near["criteria"][0]["why"].startswith("version 3")


def test_gold_is_judged_where_there_is_any_and_sources_have_their_finest_word(ground: Ground) -> None:
    classes = ground.project.config.classes
    with transaction(ground.parts.database) as session:
        ann, bob = people(session, ground.project, "ann", "bob").values()
        for image in ground.pool[:40]:
            true = classes[ground.truth[image]]
            factories.label(session, ground.project.id, image, true, LabelSource.GOLD)
            said = {ann: true, bob: "cat"}
            asked_about(session, ground.project, image, said, kind=ReviewKind.GOLD)
        asked_about(session, ground.project, ground.pool[50], {ann: "cat"})
        decisions.add(
            session, ground.project.id, {ImageId(ground.pool[51]): "dog"}, "correction", Actor("lead", "seen", NOW)
        )
        resolve_labels(session, ground.project, [ImageId(ground.pool[51])], NOW)
        factories.label(session, ground.project.id, ground.pool[52], "dog", LabelSource.IMPORT)

    data = verdict(ground)

    gold = next(one for one in data["criteria"] if one["name"] == "gold")
    assert gold["figure"]["n"] == 80 and gold["state"] == "missed"
    assert {row["source"]: row["count"] for row in data["sources"]} == {
        "gold": 40, "one person": 1, "a lead's decision": 1, "import": 1,
    }  # fmt: skip


def test_nothing_is_judged_again_while_nothing_has_changed(ground: Ground) -> None:
    answer_all(ground)
    verdict(ground)

    assert refresh_label_quality(ground.parts, ground.project.id) == {"label_quality": 0}


def test_an_empty_project_is_not_yet_known(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    ground = make_ground(database, tmp_path, make_project(database), pool=0, reserved=0)

    data = verdict(ground)

    assert data["verdict"] == "not yet" and "classes" in data["in_the_way"]
    assert states(data)["accuracy"] == "not yet known"


def test_answers_that_are_read_late_raise_an_alarm_until_they_are_read(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    ground = make_ground(database, tmp_path, make_project(database), pool=0, reserved=0)
    with transaction(database) as session:
        insert_new(
            session,
            InboxRow,
            [
                {
                    "spool_key": "1",
                    "project_id": ground.project.id,
                    "action": "ANNOTATION_CREATED",
                    "hint": {},
                    "received_at": NOW - timedelta(minutes=12),
                }
            ],
        )

    late = watch_labels(ground.parts, ground.project.id)
    with transaction(database) as session:
        session.execute(sa.update(InboxRow).values(handled_at=NOW))
    read = watch_labels(ground.parts, ground.project.id)

    assert (late, read) == ({"alarms_raised": 1, "alarms_ended": 0}, {"alarms_raised": 0, "alarms_ended": 1})


def test_labels_are_counted_by_how_they_came_to_be_on_both_databases(
    any_database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    ground = make_ground(any_database, tmp_path, make_project(any_database), pool=3, reserved=0)
    with transaction(any_database) as session:
        ann, bob = people(session, ground.project, "ann", "bob").values()
        asked_about(session, ground.project, ground.pool[0], {ann: "cat", bob: "cat"})
        asked_about(session, ground.project, ground.pool[1], {ann: "cat"})
        factories.label(session, ground.project.id, ground.pool[2], "dog", LabelSource.IMPORT)

        found = labels_now(session, ground.project.id)

    assert sorted((one.value, one.source.value, one.several, one.decided, one.count) for one in found) == [
        ("cat", "people", False, False, 1),
        ("cat", "people", True, False, 1),
        ("dog", "import", False, False, 1),
    ]
