"""A query by what members disagree about: members are fitted on the training labels alone, and only where needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from db.session import reading
from db.tables import ReviewRow
from labeling.jobs import Trigger
from labeling.project import Policy, Project
from labeling.select.strategies.disagreement.members import bald
from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Ensemble
from labeling.types import ReviewKind
from service.work.pool.pool import load_pool
from service.work.pool.training_set import training_examples
from service.work.select.ensemble import members_of
from service.work.select.query import choose_query
from service.work.select.replay import replay_query
from tests.service.labelled_pool import Ground, add_champion, add_images, make_ground

ASKED = 16


def _ground(database: sa.Engine, home: Path, project: Project) -> Ground:
    """A champion that is wholly unsure of every image, so that nothing but members can choose; 60 labels."""
    ground = make_ground(database, home, project, pool=160, reserved=40)
    ground.label(ground.pool[:60], ReviewKind.HARD)
    images = ground.pool + ground.reserved
    add_champion(ground.parts, project, images, np.full((len(images), 3), 1 / 3))
    return ground


def _members(ground: Ground, kind: Ensemble = Ensemble.BAGGED) -> tuple[np.ndarray, np.ndarray]:
    """The images, and what the members predict of them."""
    pool = load_pool(ground.parts, ground.project)
    with reading(ground.parts.database) as session:
        examples = training_examples(session, ground.project, imported=True)
    members = members_of(ground.project, pool, np.arange(len(pool)), examples, kind)
    assert members is not None
    return pool.image_ids, members(np.arange(len(pool)))


def _hard(ground: Ground) -> list[ReviewRow]:
    with reading(ground.parts.database) as session:
        reviews = session.scalars(sa.select(ReviewRow).where(ReviewRow.query_id.is_not(None)).order_by(ReviewRow.place))
        return [one for one in reviews if one.kind == ReviewKind.HARD and not one.representative]


@pytest.fixture
def project(database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    return make_project(database, policy=Policy(strategy="bald", query_size=ASKED))


def test_a_query_asks_for_what_members_disagree_about(database: sa.Engine, tmp_path: Path, project: Project) -> None:
    ground = _ground(database, tmp_path, project)
    images, members = _members(ground)

    choose_query(ground.parts, project.id, Trigger.PROMOTED, force=True)

    asked = [review.image_id for review in _hard(ground) if review.image_id not in ground.pool[:60]]
    free = np.isin(images, ground.pool[60:])
    scores = dict(zip(images.tolist(), bald(members).tolist(), strict=True))
    least = np.sort(bald(members)[free])[-3 * len(asked)]
    assert len(asked) > 5 and min(scores[image] for image in asked) >= least - 1e-6
    assert scores[asked[0]] == pytest.approx(max(bald(members)[free]), abs=1e-6)


def test_labels_of_the_random_stream_change_no_member(database: sa.Engine, tmp_path: Path, project: Project) -> None:
    ground = _ground(database, tmp_path, project)
    _, before = _members(ground)

    ground.label(ground.reserved[:20], ReviewKind.RANDOM, "cat")

    assert _members(ground)[1].tobytes() == before.tobytes()
    ground.label(ground.pool[60:64], ReviewKind.HARD)
    assert _members(ground)[1].tobytes() != before.tobytes()


@pytest.mark.parametrize("kind", Ensemble)
def test_an_image_without_a_vector_has_no_members_and_one_class_alone_no_ensemble(
    database: sa.Engine, tmp_path: Path, project: Project, kind: Ensemble
) -> None:
    ground = make_ground(database, tmp_path, project, pool=40, reserved=8)
    pool = load_pool(ground.parts, project)
    assert members_of(project, pool, np.arange(len(pool)), [], kind) is None
    ground.label(ground.pool[:30:3], ReviewKind.HARD, "cat")
    with reading(database) as session:
        examples = training_examples(session, project, imported=True)
    assert members_of(project, pool, np.arange(len(pool)), examples, kind) is None

    ground.label(ground.pool[1:30:3], ReviewKind.HARD)
    (broken,) = add_images(ground, 1, False, vector=lambda vector: np.full_like(vector, np.nan))
    images, members = _members(ground, kind)

    assert np.isnan(members[:, images == broken]).all()
    assert np.isfinite(members[:, images != broken]).all() and np.ptp(members[:, images != broken], axis=0).max() > 0


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_of_ours_makes_a_query_of_a_project_that_can_be_drawn_again(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project], name: str
) -> None:
    ground = _ground(database, tmp_path, make_project(database, policy=Policy(strategy=name, query_size=ASKED)))

    asked = choose_query(ground.parts, ground.project.id, Trigger.PROMOTED, force=True)

    again = replay_query(ground.parts, ground.project.id, asked["query"])
    assert asked["asked"] == ASKED and again.equal and not again.gone
