"""Gold end to end: drawn with each query, shown like any blind task, made of what people agree on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.repositories.queries import gold
from db.repositories.queries.examples import now_of
from db.repositories.reviews import reviews
from db.session import reading, transaction
from db.tables import LabelRow, OverlapRow, ReviewRow
from labeling.jobs import Trigger
from labeling.project import Gold, Overlap, Policy, Project, Shares
from labeling.review.kinds import Use, kinds_for
from labeling.types import LabelSource, ReviewKind
from service.work.pool.training_set import read_snapshot
from service.work.quality.gold import make_gold
from service.work.quality.overlap import ask_another_person
from service.work.review.push import push, read_queue
from service.work.select.query import choose_query
from service.work.wiring import Parts
from tests import factories
from tests.conftest import NOW
from tests.fakes_label_studio import FakeLabelStudio
from tests.reviewing import ask
from tests.reviewing import make_parts as review_parts
from tests.service.labelled_pool import Ground, make_parts, seed_images
from tests.service.team_ground import (
    answers_of,
    ask_people,
    make_gold_of,
    people,
    rows,
    team_ground,
    truth_of,
    wrong_of,
)

HARD, RANDOM, GOLD = ReviewKind.HARD, ReviewKind.RANDOM, ReviewKind.GOLD
MakeProject = Callable[..., Project]


def _gold_labels(parts: Parts, project: Project, images: list[int]) -> None:

    with transaction(parts.database) as session:
        for image in images:
            factories.label(session, project.id, image, "cat", source=LabelSource.GOLD)


def _asked(parts: Parts, kind: ReviewKind) -> list[ReviewRow]:
    return [review for review in rows(parts, ReviewRow) if review.kind == kind]


# --- drawn ----------------------------------------------------------------------------------------------


@pytest.fixture
def parts(database: sa.Engine, tmp_path: Path) -> Parts:
    return make_parts(database, tmp_path)


def test_a_query_brings_gold_on_top_of_itself_blind_and_for_several_people_and_none_of_the_reserve(
    parts: Parts, make_project: MakeProject
) -> None:
    policy = Policy(query_size=20, low_water=5, gold=Gold(rate=0.2, people=4))
    project = make_project(parts.database, policy=policy)
    images = seed_images(parts, project, 80)
    free = [image for i, image in enumerate(images) if i % 4]
    _gold_labels(parts, project, [*free[:12], *images[:40:4]])

    counts = choose_query(parts, project.id, Trigger.PRELABELED)

    drawn = _asked(parts, GOLD)
    assert counts["asked"] == 20 + len(drawn)
    assert 4 <= len(drawn) <= 5
    assert {review.image_id for review in drawn} < set(free[:12])
    assert all(review.blind for review in drawn)
    assert {(row.review_id, row.people) for row in rows(parts, OverlapRow)} == {(r.id, 4) for r in drawn}
    with reading(parts.database) as session:
        assert reviews.has_fresh(session, project.id, 20) and not reviews.has_fresh(session, project.id, 21)


def test_the_other_images_of_a_query_are_the_same_with_and_without_gold(
    parts: Parts, make_project: MakeProject, tmp_path: Path, empty_database: Path
) -> None:
    from db.session import make_engine

    (tmp_path / "twin").mkdir()
    (tmp_path / "twin" / "hardcase.db").write_bytes(empty_database.read_bytes())
    twin = make_parts(make_engine(f"sqlite:///{tmp_path}/twin/hardcase.db"), tmp_path / "twin")
    chosen = []
    for where, rate in ((parts, 0.0), (twin, 0.3)):
        project = make_project(where.database, policy=Policy(query_size=20, low_water=5, gold=Gold(rate=rate)))
        _gold_labels(where, project, seed_images(where, project, 80)[1:11])
        choose_query(where, project.id, Trigger.PRELABELED)
        chosen.append([(r.image_id, r.kind, r.place) for r in rows(where, ReviewRow) if r.kind != GOLD])
    found = len(_asked(twin, GOLD))
    twin.database.dispose()

    assert chosen[0] == chosen[1]
    assert found > 0


def test_a_gold_image_is_asked_about_once_and_again_only_where_its_task_was_deleted(
    parts: Parts, make_project: MakeProject
) -> None:
    policy = Policy(query_size=10, low_water=5, gold=Gold(rate=0.0, onboarding=3))
    project = make_project(parts.database, policy=policy)
    _gold_labels(parts, project, [image for i, image in enumerate(seed_images(parts, project, 80)[:6]) if i % 4])

    choose_query(parts, project.id, Trigger.PRELABELED)
    choose_query(parts, project.id, Trigger.HAND, force=True)
    first = [review.image_id for review in _asked(parts, GOLD)]
    with transaction(parts.database) as session:
        deleted = gold.asked_reviews(session, project.id, first=1)
        reviews.end(session, deleted, reviews.TASK_DELETED, NOW)
        free = gold.unasked_images(session, project.id)
    choose_query(parts, project.id, Trigger.HAND, force=True)

    assert len(first) == len(set(first)) == 3
    assert len(free) == 2
    assert len(_asked(parts, GOLD)) == 4


def test_the_onboarding_set_stands_at_the_front_of_the_queue(database: sa.Engine, make_project: MakeProject) -> None:
    project = make_project(database, policy=Policy(gold=Gold(onboarding=2)))
    with transaction(database) as session:
        ask(session, project, 1, [HARD, HARD, HARD], probs=[[0.4, 0.3, 0.3]] * 3)
        later = ask(session, project, 2, [GOLD, GOLD, GOLD])

    queue = read_queue(review_parts(database, Path(), FakeLabelStudio()), project.id)  # type: ignore[arg-type]

    assert [review.id for review in queue.reviews[:2]] == later[:2]
    assert later[2] in {review.id for review in queue.reviews[2:]}


# --- shown ----------------------------------------------------------------------------------------------


def test_a_gold_task_looks_like_any_other_blind_task(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project(database, policy=Policy(shares=Shares(blind=1.0)))
    studio = FakeLabelStudio()
    parts = review_parts(database, tmp_path, studio)  # type: ignore[arg-type]
    with transaction(database) as session:
        made = ask(session, project, 1, [RANDOM, GOLD], probs=[[0.8, 0.1, 0.1]] * 2, texts=["a cat"] * 2)
        session.execute(sa.update(ReviewRow).where(ReviewRow.id == made[1]).values(blind=True))

    push(parts, project.id)

    plain, measured = studio.tasks_there.values()
    unlike = {"image", "region", "external_id"}  # addresses and keys of this one review
    assert plain["data"].keys() == measured["data"].keys()
    assert {k: v for k, v in plain["data"].items() if k not in unlike} == {
        k: v for k, v in measured["data"].items() if k not in unlike
    }
    assert [p["result"] for p in plain["predictions"]] == [p["result"] for p in measured["predictions"]] == [[]]
    assert "gold" not in str(measured).lower() and "ground_truth" not in str(measured)


# --- made -----------------------------------------------------------------------------------------------


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: MakeProject) -> Ground:
    policy = Policy(gold=Gold(from_consensus=2))
    return team_ground(database, tmp_path, make_project(database, policy=policy), pool=12, reserved=8)


def test_what_people_agree_on_becomes_gold_once_and_goes_on_training(ground: Ground) -> None:
    ann, bob = people(ground, "ann", "bob")
    asked = ask_people(ground, ground.pool[:4], HARD, wanted=2)
    for who in (ann, bob):
        answers_of(ground, who, {r: truth_of(ground, i) for r, i in zip(asked[:3], ground.pool, strict=False)})
    answers_of(ground, ann, {asked[3]: truth_of(ground, ground.pool[3])})
    answers_of(ground, bob, {asked[3]: wrong_of(ground, ground.pool[3])})

    first, second = make_gold(ground.parts, ground.project.id), make_gold(ground.parts, ground.project.id)

    assert (first, second) == ({"gold": 3}, {})
    with reading(ground.parts.database) as session:
        made = gold.answers(session, ground.project.id)
        trained = {e.image_id for e in read_snapshot(session, ground.project, now_of(session, ground.project.id)).train}
    assert {image: one.value for image, one in made.items()} == {i: truth_of(ground, i) for i in ground.pool[:3]}
    assert all(len(one.made_from) == 2 for one in made.values())
    assert trained & set(ground.pool[:4]) == set(ground.pool[:3])


@pytest.mark.parametrize(("rate", "asked"), [(0.5, 4), (0.25, 2), (0.0, 0)])
def test_a_second_and_third_answer_is_asked_where_gold_comes_of_it_at_the_rate_and_gold_is_made(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject, rate: float, asked: int
) -> None:
    policy = Policy(gold=Gold(rate=rate, from_consensus=3), overlap=Overlap(share=0.0))
    ground = team_ground(database, tmp_path, make_project(database, policy=policy), pool=12, reserved=4)
    ground = replace(ground, parts=replace(ground.parts, now=lambda: NOW + timedelta(hours=1)))
    ann, bob, eve = people(ground, "ann", "bob", "eve")
    blind = ask_people(ground, ground.pool[:6], HARD)
    shown = ask_people(ground, ground.pool[6:8], HARD, blind=False)
    right = dict(zip([*blind, *shown], (truth_of(ground, image) for image in ground.pool), strict=False))
    for who, mine in ((ann, blind[:3]), (bob, blind[3:]), (eve, shown)):
        answers_of(ground, who, {review: right[review] for review in mine})

    first, second = (ask_another_person(ground.parts, ground.project.id) for _ in range(2))
    wanted = [row.review_id for row in rows(ground.parts, OverlapRow) if row.people == 3]
    for who in (ann, bob, eve):
        answers_of(ground, who, {review: right[review] for review in wanted})

    assert (first, second) == ({"overlap": asked}, {"overlap": 0})
    assert wanted == blind[:asked]
    assert make_gold(ground.parts, ground.project.id) == ({"gold": asked} if asked else {})


def test_who_saw_the_pre_label_and_kept_it_and_the_random_stream_make_no_gold(ground: Ground) -> None:
    ann, bob = people(ground, "ann", "bob")
    anchored = ask_people(ground, ground.pool[:1], HARD, blind=False, wanted=2)[0]
    judged = ask_people(ground, ground.reserved[:1], RANDOM, wanted=2)[0]
    said = truth_of(ground, ground.pool[0])
    answers_of(ground, ann, {anchored: said}, shown=said)
    answers_of(ground, bob, {anchored: said})
    for who in (ann, bob):
        answers_of(ground, who, {judged: truth_of(ground, ground.reserved[0])})

    assert make_gold(ground.parts, ground.project.id) == {}


def test_a_gold_label_serves_no_other_use(ground: Ground) -> None:
    make_gold_of(ground, [*ground.pool[:2], *ground.reserved[:2]])
    asked = ask_people(ground, [*ground.pool[:2], *ground.reserved[:2]], GOLD)
    [ann] = people(ground, "ann")
    answers_of(ground, ann, dict.fromkeys(asked, "bird"))

    held = {row.image_id: row for row in rows(ground.parts, LabelRow)}

    assert {row.source for row in held.values()} == {LabelSource.GOLD}
    with reading(ground.parts.database) as session:
        snapshot = read_snapshot(session, ground.project, now_of(session, ground.project.id))
    assert not snapshot.train and not snapshot.temperature
    assert kinds_for(Use.ANNOTATORS) == (GOLD,)
    assert len(held) == 4
