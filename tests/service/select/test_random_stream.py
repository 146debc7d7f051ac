"""The random stream in use: asked blind in its turn, measured, never learnt from, and nothing is left unaskable."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.images import groups
from db.repositories.queries import stream
from db.repositories.queries.examples import now_of
from db.repositories.reviews import overlaps
from db.repositories.reviews.reviews import is_open
from db.repositories.running import failures
from db.session import reading, transaction
from db.tables import GroupRow, ImageRow, QueryRow, ReserveRow, ReviewRow, ShadowPickRow
from labeling.jobs import Trigger
from labeling.learn.snapshot import Snapshot
from labeling.project import RESERVED, Policy, Project, Shares
from labeling.types import Actor, ImageId, LabelSource, ReviewKind
from service.labels.resolution import resolve_labels
from service.work.pool.random_stream import Sample, read_sample
from service.work.pool.training_set import read_snapshot
from service.work.select.query import choose_query
from tests import factories
from tests.service.labelled_pool import Ground, add_champion, add_images, answer, make_ground

RANDOM, HARD = ReviewKind.RANDOM, ReviewKind.HARD
POLICY = Policy(query_size=20, low_water=5)


@pytest.fixture
def project(database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    return make_project(database, policy=POLICY)


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, project: Project) -> Ground:
    return make_ground(database, tmp_path, project)


def _asked(ground: Ground, *, force: bool = True) -> list[ReviewRow]:
    """The reviews of one more query."""
    number = choose_query(ground.parts, ground.project.id, Trigger.HAND, force=force)["query"]
    with reading(ground.parts.database) as session:
        of_query = sa.select(ReviewRow).join(QueryRow, QueryRow.id == ReviewRow.query_id)
        return list(session.scalars(of_query.where(QueryRow.number == number).order_by(ReviewRow.id)))


def _answer_all(ground: Ground, kind: ReviewKind | None = None) -> None:
    """People answer what is open, or what is open of a kind, with the truth."""
    with transaction(ground.parts.database) as session:
        for review in session.scalars(sa.select(ReviewRow).where(is_open())).all():
            if kind is None or review.kind == kind:
                answer(session, review, ground.project.config.classes[ground.truth[review.image_id]])


def _sample(ground: Ground) -> Sample:
    with reading(ground.parts.database) as session:
        return read_sample(session, ground.project)


def _snapshot(ground: Ground) -> Snapshot:
    with reading(ground.parts.database) as session:
        return read_snapshot(session, ground.project, now_of(session, ground.project.id))


def test_the_stream_is_asked_blind_in_the_order_of_its_positions(ground: Ground) -> None:
    drawn = []
    for _ in range(3):
        random = [review for review in _asked(ground) if review.kind == RANDOM]
        assert len(random) == 4 and all(review.blind for review in random)
        drawn += sorted(review.image_id for review in random)

    assert drawn == ground.reserved[:12]
    assert [example.image_id for example in _sample(ground).examples] == []
    _answer_all(ground)
    assert [example.image_id for example in _sample(ground).examples] == ground.reserved[:12]


@pytest.mark.parametrize("kind", [None, HARD])
def test_a_label_that_was_given_to_a_reserved_image_neither_teaches_nor_measures_and_it_is_asked_in_its_turn(
    ground: Ground, kind: ReviewKind | None
) -> None:
    ground.label(ground.reserved[:2], kind, "bird")
    ground.label(ground.pool[:12], HARD)

    reviews = _asked(ground)
    before = _sample(ground)
    taught = {example.image_id for example in _snapshot(ground).train}
    _answer_all(ground, RANDOM)
    after = _sample(ground)

    random = [review for review in reviews if review.kind == RANDOM]
    assert [review.image_id for review in random if review.image_id in ground.reserved[:2]]
    assert sorted(review.image_id for review in random) == ground.reserved[:4]
    assert all(review.blind for review in random)
    assert (before.examples, before.waiting) == ((), 4)
    assert taught == set(ground.pool[:12])
    assert [example.image_id for example in after.examples] == ground.reserved[:4]
    names = [ground.project.config.classes[ground.truth[image]] for image in ground.reserved[:4]]
    assert [example.label for example in after.examples] == names
    assert {example.image_id for example in _snapshot(ground).train} == taught


def test_an_open_answer_holds_the_sample_back_and_a_deleted_task_is_drawn_again(ground: Ground) -> None:
    first = sorted((review for review in _asked(ground) if review.kind == RANDOM), key=lambda one: one.image_id)
    with transaction(ground.parts.database) as session:
        for review in (first[0], first[2], first[3]):
            answer(session, session.get_one(ReviewRow, review.id), "cat")
    open_ = _sample(ground)
    with transaction(ground.parts.database) as session:
        factories.review_end(session, first[1].id)
    ended = _sample(ground)

    again = [review.image_id for review in _asked(ground) if review.kind == RANDOM]

    assert [example.image_id for example in open_.examples] == ground.reserved[:1]
    assert [example.image_id for example in ended.examples] == ground.reserved[:1]
    assert sorted(again) == [ground.reserved[1], *ground.reserved[4:7]]


def test_what_nobody_could_tell_counts_as_an_error_until_somebody_can(ground: Ground) -> None:
    first = sorted((review for review in _asked(ground) if review.kind == RANDOM), key=lambda one: one.image_id)
    with transaction(ground.parts.database) as session:
        factories.annotation(session, first[1].id, None)  # a skip by the only person there is
        overlaps.want(session, {first[2].id: 2}, Actor("test", "another person", factories.NOW))
        factories.annotation(session, first[2].id, "unsure")  # another person is asked
        for review in (first[0], first[3]):
            answer(session, session.get_one(ReviewRow, review.id), "cat")
    skipped = _sample(ground)
    with transaction(ground.parts.database) as session:
        for review in first[1:3]:
            answer(session, session.get_one(ReviewRow, review.id), "dog", after=60)
    decided = _sample(ground)

    assert [example.label for example in skipped.examples] == ["cat", "unsure"]
    assert (skipped.undecided, skipped.waiting) == (1, 1)
    assert [example.label for example in decided.examples] == ["cat", "dog", "dog", "cat"]
    assert decided.undecided == 0


def test_what_people_disagree_about_and_only_a_lead_can_decide_counts_as_an_error_and_holds_nothing_back(
    ground: Ground,
) -> None:
    first = sorted((review for review in _asked(ground) if review.kind == RANDOM), key=lambda one: one.image_id)
    images, said = [ImageId(review.image_id) for review in first], {1: ("cat", "dog"), 2: ("cat", "dog")}
    with transaction(ground.parts.database) as session:
        people = [factories.annotator(session, ground.project.id, name) for name in ("ada", "bob")]
        overlaps.want(session, {first[2].id: 3}, Actor("test", "a third", factories.NOW))  # who is not there yet
        factories.seen(session, *(review.id for review in first))
        for at, review in enumerate(first):
            for person, one in zip(people, said.get(at, ("cat",)), strict=False):
                factories.annotation(session, review.id, one, annotator_id=person)
        resolve_labels(session, ground.project, images, factories.NOW)
    disputed = _sample(ground)
    with transaction(ground.parts.database) as session:
        third = factories.annotator(session, ground.project.id, "eve")
        factories.annotation(session, first[2].id, "dog", annotator_id=third)
        resolve_labels(session, ground.project, images, factories.NOW)
    decided = _sample(ground)

    assert [example.label for example in disputed.examples] == ["cat", "unsure"]  # the third has not answered
    assert [example.label for example in decided.examples] == ["cat", "unsure", "dog", "cat"]
    assert (decided.undecided, decided.waiting) == (1, 0)


def test_gold_decides_once_its_turn_has_come_and_it_was_asked_about(ground: Ground) -> None:
    first = ground.reserved[0]
    with transaction(ground.parts.database) as session:
        factories.label(session, ground.project.id, first, "bird", LabelSource.GOLD)
    asked = {review.image_id: review for review in _asked(ground) if review.kind == RANDOM}
    before = _sample(ground)
    with transaction(ground.parts.database) as session:
        factories.annotation(session, asked[first].id, "cat")
    after = _sample(ground)

    assert (before.examples, before.waiting) == ((), 4)
    assert [example.label for example in after.examples] == ["bird"]


def test_a_query_that_is_asked_twice_at_once_is_written_once(ground: Ground) -> None:
    """The second worker chooses while the first has not written yet."""
    inner: list[dict[str, int]] = []

    def meanwhile(name: str) -> None:
        if name == "select.before_write" and not inner:
            inner.append({})
            inner[0] = choose_query(ground.parts, ground.project.id, Trigger.HAND, force=True)

    parts = replace(ground.parts, failpoint=meanwhile)  # type: ignore[arg-type]
    counts = choose_query(parts, ground.project.id, Trigger.HAND, force=True)

    assert inner[0] == {"asked": 20, "query": 1}
    assert counts["asked"] == 0
    reviews = ground.scalars(sa.select(ReviewRow.image_id))
    assert len(reviews) == len(set(reviews)) == 20


@pytest.mark.parametrize("shares", [Shares(), Shares(random_first=0.01, random=0.01), Shares(random_first=0.9)])
def test_a_project_that_is_played_to_its_end_leaves_no_image_unaskable(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project], shares: Shares
) -> None:
    project = make_project(database, policy=Policy(query_size=20, low_water=5, shares=shares))
    ground = make_ground(database, tmp_path, project)

    while _asked(ground):
        _answer_all(ground)
        if len(ground.truth) == 100:  # more arrive while it is under way, some under the cursor
            add_images(ground, 12, False)
            add_images(ground, 8, True)

    asked = ground.scalars(sa.select(ReviewRow.image_id))
    sample = _sample(ground)
    assert sorted(map(int, asked)) == sorted(ground.truth)  # type: ignore[arg-type]
    assert {example.image_id for example in sample.examples} == set(ground.reserved)
    assert (sample.groups, sample.newcomers, sample.waiting, sample.left) == (120, 0, 0, 0)
    assert {example.image_id for example in _snapshot(ground).train} == set(ground.pool)


def _import_sample(ground: Ground, image_ids: Iterable[int]) -> None:
    with transaction(ground.parts.database) as session:
        for image in image_ids:
            name = ground.project.config.classes[ground.truth[image]]
            factories.label(session, ground.project.id, image, name, LabelSource.SAMPLE)


@pytest.mark.parametrize(("shares", "size"), [(Shares(), 10), (Shares(), 60), (Shares(random_first=0, random=0), 40)])
def test_a_random_sample_that_was_imported_measures_first_and_never_teaches(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project], shares: Shares, size: int
) -> None:
    policy = Policy(query_size=20, low_water=5, imported="random_sample", shares=shares)
    ground = make_ground(database, tmp_path, make_project(database, policy=policy))
    rng = np.random.default_rng(0)
    first = rng.permutation(sorted(ground.truth))[:size].tolist()
    _import_sample(ground, first)

    asked = _asked(ground)
    before = _sample(ground)
    _answer_all(ground)
    late = add_images(ground, 20, False) + add_images(ground, 10, True)
    second = rng.permutation(late)[:12].tolist()
    _import_sample(ground, second)
    with transaction(database) as session:
        factories.label(session, ground.project.id, first[0], "bird", LabelSource.PEOPLE)  # a lead corrects one
    asked += _asked(ground)
    _answer_all(ground)
    after = _sample(ground)

    random = {review.image_id for review in asked if review.kind == RANDOM}
    assert bool(random) is bool(shares.random_first) and not {review.image_id for review in asked} & set(first)
    assert {example.image_id for example in before.examples} == set(first)
    assert (before.groups, before.newcomers) == (100, 0)
    assert set(first) <= {example.image_id for example in after.examples}
    assert {one.label for one in after.examples if one.image_id == first[0]} == {"bird"}
    everyone = {one.image_id for cohort in after.cohorts for one in cohort.examples}
    assert set(first) < everyone <= {*first, *second, *random} and everyone & set(second)
    assert sum(cohort.groups for cohort in after.cohorts) == 130
    assert {one.image_id for one in _snapshot(ground).train} == {r.image_id for r in asked if r.kind == HARD}


def test_a_label_of_an_imported_sample_that_is_taken_back_is_asked_blind_in_its_turn(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    ground = make_ground(database, tmp_path, make_project(database, policy=replace(POLICY, imported="random_sample")))
    _import_sample(ground, ground.pool[:30])
    _asked(ground)
    gone = _sample(ground).examples[4].image_id
    with transaction(database) as session:
        factories.label(session, ground.project.id, gone, None, LabelSource.PEOPLE)

    held_back = _sample(ground)
    again = [review for review in _asked(ground) if review.image_id == gone]

    assert len(held_back.examples) == 4
    assert [(review.kind, review.blind) for review in again] == [(RANDOM, True)]


def test_the_first_query_waits_until_the_whole_of_a_random_sample_has_arrived(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    ground = make_ground(database, tmp_path, make_project(database, policy=replace(POLICY, imported="random_sample")))
    late = add_images(ground, 1, False, ready=False)

    waits = choose_query(ground.parts, ground.project.id, Trigger.HAND)
    with transaction(database) as session:
        failures.record(session, ground.project.id, "prelabel", str(late[0]), "no embedding", True, factories.NOW)
    goes_on = choose_query(ground.parts, ground.project.id, Trigger.HAND)

    assert (waits["asked"], goes_on["asked"]) == (0, 20)


def test_a_figure_speaks_of_the_collection_before_newcomers_until_these_are_asked(
    ground: Ground,
) -> None:
    for _ in range(2):
        _asked(ground)
        _answer_all(ground)
    with transaction(ground.parts.database) as session:  # one that stands before all others
        image = factories.image(session, ground.project.id, "f" * 64, reserved=True)
        session.execute(
            sa.update(GroupRow).where(GroupRow.founder_hash == "f" * 64).values(position=GroupRow.position * 0)
        )
    unready = _sample(ground)
    with transaction(ground.parts.database) as session:
        factories.prelabel(session, image, engine="seeded", revision="seeded-1")
    ground.truth[int(image)] = 0
    passed = _sample(ground)

    assert (len(unready.examples), len(passed.examples)) == (8, 8)
    assert (unready.groups, passed.groups, passed.newcomers, passed.left) == (101, 100, 1, 33)


@pytest.mark.parametrize("joins", ["one of the reserve", "one outside it", "a group of its own"])
def test_what_was_asked_about_and_comes_into_another_group_does_not_move_the_cursor(ground: Ground, joins: str) -> None:
    for _ in range(2):
        _asked(ground)
        _answer_all(ground)
    before, drawn = _sample(ground), ground.reserved[3]
    other = {"one of the reserve": ground.reserved[-1], "one outside it": ground.pool[-1]}.get(joins)
    with transaction(ground.parts.database) as session:
        moving = groups.standing(session, [ImageId(drawn)])[0]
        founder, position = moving.content_hash[::-1], 0.2
        if other is not None:
            target = groups.standing(session, [ImageId(other)])[0]
            founder, position = target.founder, target.position
        move = groups.Move(moving.image_id, moving.group_id, founder, position)
        groups.move(session, ground.project.id, [move], "they are near", ground.clock())

    after = _sample(ground)
    asked = sorted(review.image_id for review in _asked(ground) if review.kind == RANDOM)
    _answer_all(ground)

    assert [one.image_id for one in after.examples] == [
        one.image_id for one in before.examples if one.image_id != drawn
    ]
    assert (after.collection.after, after.newcomers) == (0, 0)
    assert asked == ground.reserved[8:12]
    assert len(_sample(ground).examples) == 11


def test_the_share_falls_with_more_groups_and_what_was_drawn_stays_reserved(ground: Ground) -> None:
    _asked(ground)
    _answer_all(ground)
    with transaction(ground.parts.database) as session:
        session.execute(
            sa.insert(GroupRow),
            [
                {
                    "project_id": ground.project.id,
                    "founder_hash": f"g{n}",
                    "position": 0.9,
                    "created_at": ground.clock(),
                }
                for n in range(2_900)
            ],
        )
    _asked(ground)

    with reading(ground.parts.database) as session:
        rows = session.execute(sa.select(ReserveRow.share, ReserveRow.groups, ReserveRow.author)).all()
        reserved = sa.select(ImageRow.id).join(GroupRow, GroupRow.id == ImageRow.group_id)
        kept = set(session.scalars(reserved.where(stream.is_reserved(ground.project.id, 0.1))))
    assert [tuple(row) for row in rows] == [(0.1, 3_000, "policy")]
    assert set(ground.reserved) <= kept
    assert RESERVED > 0.1


def test_what_the_strategy_would_have_asked_of_the_reserve_is_noted_with_its_query(ground: Ground) -> None:
    doubted = {*ground.pool[:50], *ground.reserved[:5]}
    probs = [[0.4, 0.39, 0.21] if image in doubted else [0.98, 0.01, 0.01] for image in sorted(ground.truth)]
    add_champion(ground.parts, ground.project, sorted(ground.truth), probs)

    reviews = _asked(ground)

    with reading(ground.parts.database) as session:
        groups = {row.id: row.group_id for row in session.scalars(sa.select(ImageRow))}
        found = session.execute(sa.select(ShadowPickRow.group_id, ShadowPickRow.query_id)).all()
    assert {review.image_id for review in reviews if not review.representative} - set(ground.reserved) < set(
        ground.pool[:50]
    )
    shadows = {group for group, _ in found}
    assert {groups[image] for image in ground.reserved[:5]} <= shadows < {groups[image] for image in ground.reserved}
    assert {query for _, query in found} == {reviews[0].query_id}
