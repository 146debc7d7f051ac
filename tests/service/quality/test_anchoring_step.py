"""Anchoring from stored answers: who is counted, what it is compared with, and that second answers follow it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.repositories.engines import engines_in_force
from db.repositories.engines.engines_in_force import Stage
from db.repositories.reviews.annotations import votes_of_project
from db.session import reading, transaction
from db.tables import OverlapRow, ReviewRow
from db.views import dashboard
from labeling.project import Overlap, Policy, Project
from labeling.quality.annotators.anchoring import Contradicted
from labeling.types import ImageId, ReviewKind
from service.work.pool.predicted import contradicted, first_answers, likeliest, predicted_before
from service.work.quality.annotators.team import refresh_team
from service.work.quality.overlap import ask_another_person
from tests.conftest import NOW
from tests.service.labelled_pool import REVISION, Ground
from tests.service.team_ground import answers_of, ask_people, people, rows, team_ground

Make = Callable[..., Project]


@pytest.fixture
def ground(database: sa.Engine, make_project: Make, tmp_path: Path) -> Ground:
    return with_engine(team_ground(database, tmp_path, make_project(database), pool=120, reserved=20))


def with_engine(ground: Ground) -> Ground:
    """The engine of the pre-labels is in force."""
    with transaction(ground.parts.database) as session:
        engines_in_force.note(session, ground.project.id, Stage(0, "seeded", REVISION), NOW)
    return ground


def expected(ground: Ground) -> dict[ImageId, str]:
    with reading(ground.parts.database) as session:
        revision = engines_in_force.first_revision(session, ground.project.id)
        images = [ImageId(image) for image in (*ground.pool, *ground.reserved)]
        return likeliest(ground.project, predicted_before(session, ground.project, revision, images))


def other_than(ground: Ground, label: str) -> str:
    return next(one for one in ground.project.config.classes if one != label)


def answer_first(ground: Ground, who: int, images: list[int], *, blind: bool, against: int) -> None:
    """So many of these answers are not what was predicted."""
    likely = expected(ground)
    for at, (review, image) in enumerate(
        zip(ask_people(ground, images, ReviewKind.HARD, blind=blind), images, strict=True)
    ):
        said = other_than(ground, likely[ImageId(image)]) if at < against else likely[ImageId(image)]
        answers_of(ground, who, {review: said}, shown=None if blind else likely[ImageId(image)])


def counts(ground: Ground) -> dict[int, Contradicted]:
    with reading(ground.parts.database) as session:
        votes = votes_of_project(session, ground.project.id)
    return contradicted(first_answers(votes), expected(ground))


def test_the_team_page_s_figure_says_how_far_pre_labels_pull(ground: Ground) -> None:
    [ann] = people(ground, "ann")
    answer_first(ground, ann, ground.pool[:40], blind=False, against=8)
    answer_first(ground, ann, ground.pool[40:80], blind=True, against=20)

    refresh_team(ground.parts, ground.project.id)

    with reading(ground.parts.database) as session:
        data = dashboard.figures(session, ground.project.id)["team"].data
    assert counts(ground) == {ann: Contradicted(40, 8, 40, 20)}
    assert (data["anchoring"]["value"], data["anchoring"]["n"]) == (0.6, 40)
    assert data["annotators"][0]["anchoring"]["lower"] > 0.1


def test_only_first_answers_to_hard_images_that_were_viewed_count(ground: Ground) -> None:
    ann, bob = people(ground, "ann", "bob")
    likely = expected(ground)
    first, second = ask_people(ground, ground.pool[:2], ReviewKind.HARD, wanted=2)
    [random] = ask_people(ground, ground.reserved[:1], ReviewKind.RANDOM)
    answers_of(ground, ann, {first: "unsure", second: likely[ImageId(ground.pool[1])]})
    answers_of(ground, bob, {first: likely[ImageId(ground.pool[0])]}, at=NOW + timedelta(hours=1))
    answers_of(ground, bob, {random: likely[ImageId(ground.reserved[0])]}, at=NOW + timedelta(hours=1))

    assert counts(ground) == {ann: Contradicted(0, 0, 2, 1)}  # "unsure" is not what was predicted


def test_second_answers_go_to_accepted_pre_labels_of_whom_they_pull(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    policy = Policy(overlap=Overlap(share=0.5))
    ground = with_engine(team_ground(database, tmp_path, make_project(database, policy=policy), pool=120, reserved=0))
    ann, bob = people(ground, "ann", "bob")
    answer_first(ground, ann, ground.pool[:40], blind=False, against=0)
    answer_first(ground, ann, ground.pool[40:60], blind=True, against=10)
    answer_first(ground, bob, ground.pool[60:100], blind=False, against=20)
    answer_first(ground, bob, ground.pool[100:], blind=True, against=10)

    asked = ask_another_person(replace(ground.parts, now=lambda: NOW + timedelta(hours=1)), ground.project.id)

    images = {row.id: row.image_id for row in rows(ground.parts, ReviewRow)}
    chosen = {images[row.review_id] for row in rows(ground.parts, OverlapRow)}
    assert asked == {"overlap": 60}
    assert set(ground.pool[:40]) <= chosen
    assert not chosen & {
        *ground.pool[80:100],
        *ground.pool[110:],
    }  # what bob accepted, and said of his own as predicted
