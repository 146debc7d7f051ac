"""One reader says what is predicted now: to rank by, whatever the calibration is, and to show, calibrated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from db.session import transaction
from db.tables import VersionRow
from labeling.jobs import Trigger
from labeling.project import Policy, Project
from labeling.select.strategies.uncertainty import margin
from labeling.types import ImageId, ReviewKind
from labeling.vectors import softmax
from service.work.learn.learn import learn
from service.work.pool.champion import champion_predictions
from service.work.pool.pool import load_pool
from service.work.pool.predictions import current_predictions, predictions_of_images
from service.work.promote.judge import promote_by_hand
from service.work.promote.predict import predict
from service.work.review.push import read_queue
from service.work.select.query import choose_query
from service.work.wiring import Parts
from tests.service.labelled_pool import add_champion, make_ground, make_parts, seed_images

FITTED, FIXED = 1.25, 0.5
N = 40


@pytest.fixture
def parts(database: sa.Engine, tmp_path: Path) -> Parts:
    return make_parts(database, tmp_path / "home")


@pytest.fixture
def project(parts: Parts, make_project: Callable[..., Project]) -> Project:
    return make_project(parts.database, policy=Policy(query_size=20, low_water=5))


def _logits(n: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(1).normal(size=(n, 3))


def _champion(parts: Parts, project: Project, images: list[int], temperature: float = FITTED) -> None:
    version = add_champion(parts, project, images, softmax(_logits(len(images)) / temperature))
    report = {"temperature": temperature, "fixed_temperature": FIXED}
    with transaction(parts.database) as session:
        session.execute(sa.update(VersionRow).where(VersionRow.id == version).values(report=report))


def test_images_are_ranked_at_the_fixed_temperature_and_shown_at_the_fitted_one(parts: Parts, project: Project) -> None:
    images = seed_images(parts, project, N)
    _champion(parts, project, images)

    current = current_predictions(parts, project, load_pool(parts, project))

    assert current.by_champion.all() and current.champion is not None and current.champion.number == 1
    assert current.shown == pytest.approx(softmax(_logits(N) / FITTED), abs=1e-3)
    assert current.ranking == pytest.approx(softmax(_logits(N) / FIXED), abs=5e-3)


@pytest.mark.parametrize("temperature", [0.3, 4.0])
def test_another_calibration_changes_no_order(parts: Parts, project: Project, temperature: float) -> None:
    images = seed_images(parts, project, N)
    _champion(parts, project, images)
    before = current_predictions(parts, project, load_pool(parts, project))
    _champion(parts, project, images, temperature)

    after = current_predictions(parts, project, load_pool(parts, project))

    assert not np.allclose(after.shown, before.shown, atol=0.05)
    assert margin(after.ranking) == pytest.approx(margin(before.ranking), abs=0.02)


def test_what_the_champion_has_not_predicted_is_the_engines(parts: Parts, project: Project) -> None:
    images = seed_images(parts, project, N)
    _champion(parts, project, images[:10])
    pool = load_pool(parts, project)

    current = current_predictions(parts, project, pool)

    assert current.by_champion.tolist() == [True] * 10 + [False] * 30
    assert np.array_equal(current.ranking[10:], pool.prelabel_probs[10:])


def test_single_images_are_predicted_as_in_the_pool(parts: Parts, project: Project) -> None:
    images = seed_images(parts, project, N)
    _champion(parts, project, images[:10])
    current = current_predictions(parts, project, load_pool(parts, project))

    found = predictions_of_images(parts, project, [ImageId(images[3]), ImageId(images[30]), ImageId(10_000)])

    assert list(found) == [images[3], images[30]]
    for image, one in found.items():
        row = images.index(image)
        assert one.ranking == pytest.approx(current.ranking[row]) and one.shown == pytest.approx(current.shown[row])
    assert found[ImageId(images[3])].champion and not found[ImageId(images[30])].champion


def test_label_studio_serves_in_the_order_that_was_picked(parts: Parts, project: Project) -> None:
    images = seed_images(parts, project, N)
    _champion(parts, project, images)
    choose_query(parts, project.id, Trigger.PROMOTED)
    current = predictions_of_images(parts, project, [ImageId(image) for image in images])

    asked = [review for review in read_queue(parts, project.id).reviews if review.kind is ReviewKind.HARD]
    hard = [review.image_id for review in asked if not review.representative]

    doubts = margin(np.array([current[image].ranking for image in hard]))
    assert len(hard) > 5 and (np.diff(doubts) <= 1e-6).all()


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_damaged_file_counts_as_no_prediction_until_it_is_made_again(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project], damage: str
) -> None:
    ground = make_ground(database, tmp_path, make_project(database))
    ground.label(ground.pool[:30], ReviewKind.HARD)
    version = learn(ground.parts, ground.project.id, Trigger.HAND)["version"]
    promote_by_hand(ground.parts, ground.project.id, version, "ada", "to predict")
    predict(ground.parts, ground.project.id)
    before = champion_predictions(ground.parts, ground.project.id)
    [path] = (tmp_path / "predictions").rglob("*.safetensors")
    path.unlink() if damage == "gone" else path.write_bytes(path.read_bytes()[:-1])

    assert champion_predictions(ground.parts, ground.project.id) is None
    predict(ground.parts, ground.project.id)

    after = champion_predictions(ground.parts, ground.project.id)
    assert before is not None and after is not None and np.array_equal(after.shown, before.shown)
