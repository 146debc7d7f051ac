"""Suspected labels: planted errors and contradicting twins are listed, and what was seen to is not listed again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db.repositories.reviews import reviews
from db.session import reading, transaction
from db.tables import ImageRow
from db.views import dashboard
from labeling.project import Project
from labeling.types import ImageId, ReviewKind
from service.labels import suspects
from service.labels.resolution import resolve_labels
from service.work.quality.suspects import refresh_suspects
from tests import factories
from tests.answering import asked_about, people
from tests.conftest import NOW
from tests.service.labelled_pool import Ground, make_ground

WRONG = 5


@pytest.fixture
def ground(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Ground:
    """90 labels of the pool and 30 of the random stream, five of each wrong; two images are twins."""
    ground = make_ground(database, tmp_path, make_project(database), pool=90, reserved=30)
    with transaction(database) as session:
        ann, *_ = people(session, ground.project, "ann").values()
        for side, kind in ((ground.pool, ReviewKind.HARD), (ground.reserved, ReviewKind.RANDOM)):
            for i, image in enumerate(side):
                said = {ann: name_of(ground, image, wrong=i < WRONG)}
                asked_about(session, ground.project, image, said, kind=kind, settled=False)
        resolve_labels(session, ground.project, [ImageId(image) for image in (*ground.pool, *ground.reserved)], NOW)
    return ground


def name_of(ground: Ground, image: int, *, wrong: bool) -> str:
    classes = ground.project.config.classes
    return classes[(ground.truth[image] + wrong) % len(classes)]


def figure(ground: Ground) -> dict[str, Any]:
    with reading(ground.parts.database) as session:
        return dashboard.figures(session, ground.project.id)["label_errors"].data


def listed(ground: Ground) -> set[int]:
    return {one["image_id"] for one in figure(ground)["suspects"]}


def test_planted_errors_are_listed_with_what_they_should_be_and_hold_out_ones_are_marked(ground: Ground) -> None:
    refresh_suspects(ground.parts, ground.project.id)

    data = figure(ground)
    wrong = {*ground.pool[:WRONG], *ground.reserved[:WRONG]}
    assert len(wrong & listed(ground)) >= 9 and len(listed(ground) - wrong) <= 5
    hit = [one for one in data["suspects"] if one["image_id"] in wrong]
    assert all(one["suggested"] == name_of(ground, one["image_id"], wrong=False) for one in hit)
    assert {one["image_id"] for one in data["suspects"] if one["random"]} >= set(ground.reserved[:WRONG])
    assert "rate" not in data  # how many are suspected is no share of wrong labels
    assert data["random"] == {"labels": 30, "found": data["random"]["found"], "corrected": 0}
    assert sum(row["labels"] for row in data["classes"]) == 120


def test_labels_are_counted_by_their_folder_below_the_source_and_not_by_where_the_source_is(ground: Ground) -> None:
    with transaction(ground.parts.database) as session:
        for image, path in zip(ground.pool, ("/srv/secret/night/1.png", "/srv/secret/2.png"), strict=False):
            here = factories.registration(
                session, ground.project.id, path, address=path, details={"folder": "night"} if "night" in path else {}
            )
            factories.fetch(session, here, image)

    refresh_suspects(ground.parts, ground.project.id)

    found = {one["value"]: one["labels"] for one in figure(ground)["slices"] if one["by"] == "folder"}
    assert found == {"night": 1, "-": 119}


def test_twins_with_different_labels_come_first_with_each_others_pictures(ground: Ground) -> None:
    one, other = ground.pool[30], ground.pool[31]
    with transaction(ground.parts.database) as session:
        group = session.scalar(sa.select(ImageRow.group_id).where(ImageRow.id == one))
        session.execute(sa.update(ImageRow).where(ImageRow.id == other).values(group_id=group))

    refresh_suspects(ground.parts, ground.project.id)

    first, second = figure(ground)["suspects"][:2]
    assert {first["image_id"], second["image_id"]} == {one, other}
    assert first["kind"] in ("twins", "both") and first["twins"][0]["image_id"] == second["image_id"]


def test_it_is_done_again_only_when_enough_labels_have_changed_or_an_hour_has_passed(ground: Ground) -> None:
    def relabel(images: list[int]) -> None:
        with transaction(ground.parts.database) as session:
            bob, *_ = people(session, ground.project, "bob").values()
            for image in images:
                asked_about(session, ground.project, image, {bob: "bird"})

    counted = [refresh_suspects(ground.parts, ground.project.id) for _ in range(2)]
    relabel(ground.pool[40:42])
    few = refresh_suspects(ground.parts, ground.project.id)
    ground.clock.at += timedelta(hours=1)
    later = refresh_suspects(ground.parts, ground.project.id)
    relabel(ground.pool[42:64])
    many = refresh_suspects(ground.parts, ground.project.id)

    assert counted[0]["suspects"] > 0 and counted[1]["suspects"] == 0
    assert few["suspects"] == 0 and later["suspects"] > 0 and many["suspects"] > 0


def test_what_was_found_right_or_sent_back_is_not_listed_again(ground: Ground) -> None:
    project, now = ground.project, ground.parts.now()
    refresh_suspects(ground.parts, project.id)
    right, back, *_ = [one for one in figure(ground)["suspects"] if not one["random"]]

    with transaction(ground.parts.database) as session:
        found = suspects.find_right(session, project, [right["label_id"]], author="lead", now=now)
        sent = suspects.send_back(session, project, [back["label_id"]], author="lead", now=now)
        again = suspects.send_back(session, project, [back["label_id"]], author="lead", now=now)
        waiting = reviews.newest_of_images(session, project.id, [ImageId(back["image_id"])])
    ground.clock.at += timedelta(hours=2)
    with transaction(ground.parts.database) as session:
        factories.label(session, ground.project.id, ground.pool[80], None)
    refresh_suspects(ground.parts, project.id)

    assert (found.done, sent.done, again.done, again.already) == (1, 1, 0, 1)
    assert waiting[ImageId(back["image_id"])].open
    assert not {right["image_id"], back["image_id"]} & listed(ground)
    assert figure(ground)["sent_back"] == {"images": 1, "waiting": 1, "changed": 0}
    assert figure(ground)["found_right"] == 1


def test_what_people_do_about_suspects_is_counted_within_the_hour_though_no_label_changes(ground: Ground) -> None:
    project, now = ground.project, ground.parts.now()
    refresh_suspects(ground.parts, project.id)
    right, back, *_ = [one for one in figure(ground)["suspects"] if not one["random"]]
    counts = []

    for act, one in ((suspects.find_right, right), (suspects.send_back, back)):
        with transaction(ground.parts.database) as session:
            act(session, project, [one["label_id"]], author="lead", now=now)
        refresh_suspects(ground.parts, project.id)
        ground.clock.at += timedelta(hours=1)
        refresh_suspects(ground.parts, project.id)
        counts.append((figure(ground)["found_right"], figure(ground)["sent_back"]["images"]))
    ground.clock.at += timedelta(hours=1)

    assert counts == [(1, 0), (1, 1)]
    assert refresh_suspects(ground.parts, project.id) == {"suspects": 0}


def test_a_label_that_was_replaced_in_the_meantime_is_left_alone(ground: Ground) -> None:
    refresh_suspects(ground.parts, ground.project.id)
    one = figure(ground)["suspects"][0]

    with transaction(ground.parts.database) as session:
        factories.label(session, ground.project.id, one["image_id"], None)
        session.flush()
        found = suspects.find_right(session, ground.project, [one["label_id"]], author="lead", now=ground.parts.now())

    assert (found.done, found.gone) == (0, 1)


def test_without_labels_there_is_nothing_to_find(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    ground = make_ground(database, tmp_path, make_project(database), pool=5, reserved=0)

    assert refresh_suspects(ground.parts, ground.project.id) == {"suspects": 0}
