"""The queue in Label Studio: hard reviews in the order of the project's own strategy, over what is predicted now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.versions import predictions
from db.session import reading, transaction
from db.tables import ReviewRow
from labeling.jobs import Trigger
from labeling.project import Policy, Project
from labeling.select.strategies.registry import STRATEGIES
from labeling.types import ReviewKind
from service.work.review.push import read_queue
from service.work.select.query import choose_query
from service.work.wiring import Parts
from tests.conftest import NOW
from tests.reviewing import ask
from tests.service.labelled_pool import add_champion, make_parts, seed_images

HARD = ReviewKind.HARD
A, B, SURE = [0.50, 0.49, 0.01], [0.40, 0.30, 0.30], [0.90, 0.05, 0.05]
"""A is the more doubtful by margin (.99 against .90), B by entropy (1.09 against .74) and by its best class."""


@pytest.fixture
def parts(database: sa.Engine, tmp_path: Path) -> Parts:
    return make_parts(database, tmp_path)


def _served(parts: Parts, project: Project) -> list[int]:
    return [review.id for review in read_queue(parts, project.id).reviews]


@pytest.mark.parametrize(
    ("strategy", "order"), [("margin", [1, 2, 0]), ("entropy", [2, 1, 0]), ("least_confidence", [2, 1, 0])]
)
def test_hard_reviews_are_served_in_the_order_of_the_projects_strategy(
    parts: Parts, make_project: Callable[..., Project], strategy: str, order: list[int]
) -> None:
    project = make_project(parts.database, policy=Policy(strategy=strategy))
    with transaction(parts.database) as session:
        made = ask(session, project, 1, [HARD] * 3, probs=[SURE, A, B])

    served = _served(parts, project)

    assert served == [made[position] for position in order]


@pytest.mark.parametrize("strategy", sorted(set(STRATEGIES) - {"margin", "entropy", "least_confidence"}))
def test_a_strategy_without_a_score_serves_hard_reviews_as_they_were_picked(
    parts: Parts, make_project: Callable[..., Project], strategy: str
) -> None:
    project = make_project(parts.database, policy=Policy(strategy=strategy))
    with transaction(parts.database) as session:
        first = ask(session, project, 1, [HARD] * 3, probs=[SURE, A, B])  # at places .00, .37 and .74
        second = ask(session, project, 2, [HARD] * 3, probs=[A, SURE, A])

    served = _served(parts, project)

    assert served == [*first, *second]


@pytest.mark.parametrize("strategy", ["margin", "entropy"])
def test_a_review_without_probabilities_is_as_doubtful_as_a_uniform_row(
    parts: Parts, make_project: Callable[..., Project], strategy: str
) -> None:
    project = make_project(parts.database, policy=Policy(strategy=strategy))
    with transaction(parts.database) as session:
        known = ask(session, project, 1, [HARD] * 2, probs=[SURE, B])
        unknown = ask(session, project, 2, [HARD])

    served = _served(parts, project)

    assert served == [*unknown, known[1], known[0]]


@pytest.mark.parametrize("strategy", ["entropy", "k_center", "least_confidence", "margin", "typical"])
def test_label_studio_serves_hard_images_in_the_order_in_which_the_strategy_asked_for_them(
    parts: Parts, make_project: Callable[..., Project], strategy: str
) -> None:
    project = make_project(parts.database, policy=Policy(strategy=strategy, query_size=40))
    images = seed_images(parts, project, 200)
    add_champion(parts, project, images, np.random.default_rng(1).dirichlet(np.ones(3), size=200))
    choose_query(parts, project.id, Trigger.PROMOTED)
    with reading(parts.database) as session:
        hard = sa.select(ReviewRow.id).where(ReviewRow.kind == HARD).order_by(ReviewRow.place)
        asked = list(session.scalars(hard))

    served = _served(parts, project)

    assert [review for review in served if review in asked] == asked and len(asked) > 20


def test_a_new_champion_orders_what_is_open_anew_by_the_same_strategy(
    parts: Parts, make_project: Callable[..., Project]
) -> None:
    project = make_project(parts.database, policy=Policy(strategy="entropy"))
    with transaction(parts.database) as session:
        made = ask(session, project, 1, [HARD] * 2)
    served = []
    for probs in ([A, B], [B, A]):
        with reading(parts.database) as session:
            images = list(session.scalars(sa.select(ReviewRow.image_id).order_by(ReviewRow.id)))
        version = add_champion(parts, project, images, np.array(probs))
        with transaction(parts.database) as session:
            predictions.add_evidence(session, version, zip(images, probs, strict=True), NOW)

        served.append(_served(parts, project))

    assert served == [[made[1], made[0]], [made[0], made[1]]]
