"""Answers to blind re-reviews are work, and nobody is judged by them; they may speak against gold and make none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from db.session import reading, transaction
from labeling.project import Gold, Policy, Project
from labeling.types import ReviewKind
from service.work.quality.annotators.drift import people_over_time
from service.work.quality.annotators.team import refresh_team
from service.work.quality.gold import make_gold
from service.work.quality.re_reviews import ask_re_reviews
from tests.answering import asked_about
from tests.conftest import NOW
from tests.service.labelled_pool import Ground
from tests.service.quality.test_re_reviews_step import asked, class_of, labelled, person, request, values
from tests.service.quality.test_team_step import everyone, figure
from tests.service.team_ground import answers_of

Make = Callable[..., Project]


def re_reviewed(ground: Ground, who: int, *, number: int = 60, wrong: bool = False) -> list[int]:
    """So many labels are re-reviewed by this person; their images."""
    request(ground, number)
    ask_re_reviews(ground.parts, ground.project.id)
    reviews = [review for review, _ in asked(ground)]
    said = {review.id: class_of(ground, review.image_id, wrong=wrong) for review in reviews}
    answers_of(ground, who, said, at=NOW + timedelta(hours=1))
    return [review.image_id for review in reviews]


def test_who_contradicts_every_re_reviewed_label_has_worked_and_nobody_is_judged_by_it(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database))
    ann, bob = person(ground, "ann"), person(ground, "bob")
    re_reviewed(ground, bob, wrong=True)

    refresh_team(ground.parts, ground.project.id)

    seen = figure(ground)
    assert (seen[bob]["answers"], seen[bob]["times"]["n"]) == (60, 60)
    assert [seen[who]["agreement"]["n"] for who in (ann, bob)] == [0, 0]
    assert seen[ann]["differences"] == seen[bob]["differences"] == []
    assert not any(one.paused for one in everyone(ground).values())


def test_unsure_about_suspicious_labels_is_not_held_against_anybody(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database))
    bob = person(ground, "bob")
    request(ground, 60)
    ask_re_reviews(ground.parts, ground.project.id)
    answers_of(ground, bob, {review.id: "unsure" for review, _ in asked(ground)}, at=NOW + timedelta(hours=1))

    refresh_team(ground.parts, ground.project.id)

    assert bob not in figure(ground)
    assert not everyone(ground)[bob].paused


def test_a_wave_of_re_reviews_is_no_drift_of_the_annotator(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database))
    bob = person(ground, "bob")
    with transaction(database) as session:
        for image in ground.pool[:40]:
            said, at = class_of(ground, image, wrong=False), NOW - timedelta(days=40)
            asked_about(session, ground.project, image, {bob: said}, at=at, settled=False)
    re_reviewed(ground, bob, wrong=True)

    with reading(database) as session:
        assert people_over_time(ground.parts, session, ground.project) == []


def test_a_re_review_that_agrees_makes_no_gold_and_one_that_does_not_prevents_it(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    policy = Policy(gold=Gold(from_consensus=2))
    ground = labelled(database, tmp_path, make_project(database, policy=policy), reserved=0)
    bob, cem, dan = (person(ground, name) for name in ("bob", "cem", "dan"))
    images = re_reviewed(ground, bob)
    with_one = make_gold(ground.parts, ground.project.id)
    for_gold, spoken_against = images[:3], images[3:6]
    with transaction(database) as session:
        for image in (*for_gold, *spoken_against):
            asked_about(session, ground.project, image, {cem: class_of(ground, image, wrong=False)})
    against = {review.id: "none of these" for review, _ in asked(ground) if review.image_id in spoken_against}
    answers_of(ground, dan, against, at=NOW + timedelta(hours=2))

    assert with_one == {}
    assert make_gold(ground.parts, ground.project.id) == {"gold": 3}
    kinds = {values(ground)[image] for image in for_gold}
    assert kinds == {(class_of(ground, image, wrong=False), ReviewKind.HARD) for image in for_gold}
