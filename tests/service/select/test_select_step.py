"""Choosing a query: from what is left, once, by the champion's own predictions, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.queries import queries
from db.repositories.queries.queries import NewQuery, NewReview
from db.repositories.reviews.reviews import is_open
from db.session import reading, transaction
from db.tables import GroupRow, ImageRow, PredictionRow, QueryRow, ReviewRow
from labeling.jobs import Trigger
from labeling.project import RESERVED, Policy, Project
from labeling.types import LabelSource, QueryId, ReviewKind
from service.work.select.query import choose_query
from service.work.wiring import Parts
from tests import factories
from tests.conftest import NOW
from tests.service.labelled_pool import add_champion, answer, make_parts, seed_images

POLICY = Policy(query_size=20, low_water=5)


@pytest.fixture
def parts(database: sa.Engine, tmp_path: Path) -> Parts:
    return make_parts(database, tmp_path)


@pytest.fixture
def project(parts: Parts, make_project: Callable[..., Project]) -> Project:
    return make_project(parts.database, policy=POLICY)


def _reviews(parts: Parts) -> list[ReviewRow]:
    with reading(parts.database) as session:
        return list(session.scalars(sa.select(ReviewRow).order_by(ReviewRow.id)))


def _groups(parts: Parts) -> dict[int, tuple[int, bool]]:
    """The group of each image, and whether it is reserved."""
    with reading(parts.database) as session:
        rows = session.execute(
            sa.select(ImageRow.id, GroupRow.id, GroupRow.position).join(GroupRow, GroupRow.id == ImageRow.group_id)
        )
        return {image: (group, position < RESERVED) for image, group, position in rows}


def _close_all(parts: Parts) -> None:
    with transaction(parts.database) as session:
        for review in session.scalars(sa.select(ReviewRow).where(is_open())).all():
            answer(session, review, "cat")


def test_a_first_query_asks_typical_images_and_random_ones_blind(parts: Parts, project: Project) -> None:
    seed_images(parts, project, 120, twins=2)

    counts = choose_query(parts, project.id, Trigger.PRELABELED)

    groups, reviews = _groups(parts), _reviews(parts)
    assert counts == {"asked": 20, "query": 1}
    assert len({groups[review.image_id][0] for review in reviews}) == 20
    for review in reviews:
        reserved = groups[review.image_id][1]
        assert reserved == (review.kind == ReviewKind.RANDOM)
        assert review.blind or not reserved
    assert sum(review.kind == ReviewKind.RANDOM for review in reviews) == 4
    assert len({review.token for review in reviews}) == 20


def test_a_second_run_asks_nothing_until_few_are_open_or_somebody_insists(parts: Parts, project: Project) -> None:
    seed_images(parts, project, 120)

    first = choose_query(parts, project.id, Trigger.PRELABELED)
    second = choose_query(parts, project.id, Trigger.SCHEDULE)
    forced = choose_query(parts, project.id, Trigger.HAND, force=True)

    assert [counts["asked"] for counts in (first, second, forced)] == [20, 0, 20]
    assert len({review.image_id for review in _reviews(parts)}) == 40


def test_every_image_is_asked_once_until_none_is_left(parts: Parts, project: Project) -> None:
    seed_images(parts, project, 60, twins=2)

    asked = []
    while counts := choose_query(parts, project.id, Trigger.ANSWERED)["asked"]:
        asked.append(counts)
        _close_all(parts)

    of = _groups(parts)
    groups = [of[review.image_id][0] for review in _reviews(parts)]
    assert len(groups) == len(set(groups)) == 30
    assert sum(asked) == 30


def test_the_same_seed_asks_for_the_same_images(
    parts: Parts, project: Project, make_project: Callable[..., Project], tmp_path: Path, empty_database: Path
) -> None:
    from db.session import make_engine

    (tmp_path / "twin").mkdir()
    (tmp_path / "twin" / "hardcase.db").write_bytes(empty_database.read_bytes())
    twin = make_parts(make_engine(f"sqlite:///{tmp_path}/twin/hardcase.db"), tmp_path / "twin")
    twin_project = make_project(twin.database, policy=POLICY)

    for where, which in ((parts, project), (twin, twin_project)):
        seed_images(where, which, 80)
        choose_query(where, which.id, Trigger.PRELABELED)
        choose_query(where, which.id, Trigger.HAND, force=True)
    twin.database.dispose()

    facts = [(r.image_id, r.kind, r.blind, r.place, r.probability) for r in _reviews(parts)]
    assert facts == [(r.image_id, r.kind, r.blind, r.place, r.probability) for r in _reviews(twin)]


def test_a_champion_asks_for_what_it_doubts_and_leaves_its_prediction_as_evidence(
    parts: Parts, project: Project
) -> None:
    images = seed_images(parts, project, 200)
    probs = np.tile([0.98, 0.01, 0.01], (200, 1))
    doubted = [i for i in range(200) if i % 4 and i < 80]
    probs[doubted] = [0.4, 0.39, 0.21]
    version = add_champion(parts, project, images, probs)

    counts = choose_query(parts, project.id, Trigger.PROMOTED)

    hard = {one.image_id for one in _reviews(parts) if one.kind == ReviewKind.HARD and not one.representative}
    with reading(parts.database) as session:
        evidence = list(session.scalars(sa.select(PredictionRow)))
        query = session.scalars(sa.select(QueryRow)).one()
    assert hard and hard < {images[i] for i in doubted}
    assert len(evidence) == counts["asked"]
    assert {(row.version_id, row.asked_in) for row in evidence} == {(version, query.id)}
    assert query.version_id == version


def test_a_lost_prediction_file_falls_back_on_prelabels(parts: Parts, project: Project) -> None:
    images = seed_images(parts, project, 60)
    add_champion(parts, project, images, np.full((60, 3), 1 / 3))
    for file in (parts.settings.home / "predictions").rglob("*.safetensors"):
        file.unlink()

    choose_query(parts, project.id, Trigger.PROMOTED)

    with reading(parts.database) as session:
        assert session.scalars(sa.select(QueryRow.version_id)).all() == [None]
        assert session.scalar(sa.select(sa.func.count()).select_from(PredictionRow)) == 0


def test_labelled_groups_are_not_asked_and_an_unanswered_end_frees_its_group(parts: Parts, project: Project) -> None:
    images = seed_images(parts, project, 16)
    with transaction(parts.database) as session:
        factories.label(session, project.id, images[1], "cat", source=LabelSource.IMPORT)
    choose_query(parts, project.id, Trigger.PRELABELED)
    once = {review.image_id for review in _reviews(parts)}
    with transaction(parts.database) as session:
        for i, review in enumerate(session.scalars(sa.select(ReviewRow).order_by(ReviewRow.id))):
            if i == 0:
                answer(session, review, "cat")
            factories.review_end(session, review.id)
        answered = session.scalars(sa.select(ReviewRow.image_id).order_by(ReviewRow.id)).first()

    choose_query(parts, project.id, Trigger.SCHEDULE)

    again = {review.image_id for review in _reviews(parts) if review.query_id > 1}
    assert images[1] not in once
    assert again
    assert answered not in again
    assert images[1] not in again


def test_what_is_deleted_or_labelled_while_we_compute_is_left_out(parts: Parts, project: Project) -> None:
    images = seed_images(parts, project, 40)
    gone: list[int] = []

    def meanwhile(name: str) -> None:
        if name == "select.before_write":
            with transaction(parts.database) as session:
                factories.label(session, project.id, images[5], "cat")
                gone.extend(images[6:30])
                session.execute(sa.update(ImageRow).where(ImageRow.id.in_(gone)).values(group_id=None))

    counts = choose_query(replace(parts, failpoint=meanwhile), project.id, Trigger.PRELABELED)  # type: ignore[arg-type]

    asked = {review.image_id for review in _reviews(parts)}
    assert len(asked) == counts["asked"] > 0
    assert not asked & {images[5], *gone}


def test_the_random_strategy_asks_every_group_with_the_same_chance(
    parts: Parts, make_project: Callable[..., Project]
) -> None:
    project = make_project(parts.database, policy=replace(POLICY, strategy="random"))
    seed_images(parts, project, 100)

    choose_query(parts, project.id, Trigger.PRELABELED)

    chances = {review.kind: review.probability for review in _reviews(parts)}
    assert chances == {ReviewKind.HARD: 16 / 75, ReviewKind.RANDOM: 4 / 25}
    assert len({(review.kind, review.probability) for review in _reviews(parts)}) == 2


def test_an_empty_project_asks_nothing(parts: Parts, project: Project) -> None:
    assert choose_query(parts, project.id, Trigger.SCHEDULE) == {"asked": 0, "query": 0}


def test_a_number_that_another_worker_took_is_not_written_twice(parts: Parts, project: Project) -> None:
    images = seed_images(parts, project, 8)
    query = NewQuery(project.id, 1, "margin", 0, None, 6, Trigger.HAND)

    def review(image: int) -> NewReview:
        return NewReview(images[image], ReviewKind.HARD, False, 1.0, 0.0, f"token{image}", None)  # type: ignore[arg-type]

    with transaction(parts.database) as session:
        first = queries.add_query(session, query, [review(1)], NOW)
        second = queries.add_query(session, query, [review(2)], NOW)

    assert first == (QueryId(1), 1)
    assert second == (QueryId(0), 0)
