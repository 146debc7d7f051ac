"""The figure of machine labels: counted over the images without a label, right against what was seeded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.versions import predictions, versions
from db.session import reading, transaction
from db.tables import ImageRow
from labeling.adapters.storage.prediction_files import write_predictions
from labeling.project import Project
from labeling.quality.finite_samples import finite_interval
from labeling.types import NONE_OF_THESE, ReviewKind
from service.figures.figures import stored
from service.figures.machine_labels import MachineLabels
from service.work.figures.refresh import refresh
from tests.service.labelled_pool import Ground, add_champion, add_images, make_ground

WRONG = 5


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Ground:
    return make_ground(database, tmp_path / "home", make_project(database), pool=60, reserved=40)


def probs_of(ground: Ground, images: list[int]) -> np.ndarray:
    """The true class with .60 to .99, the later the surer; wrong in the first `WRONG` of the hold-out."""
    wrong = set(ground.reserved[:WRONG])
    rows = []
    for place, image in enumerate(images):
        named = (ground.truth[image] + (image in wrong)) % 3
        sure = 0.6 + 0.39 * place / len(images)
        rows.append(np.where(np.arange(3) == named, sure, (1 - sure) / 2))
    return np.array(rows)


def figure(ground: Ground) -> MachineLabels:
    refresh(ground.parts, ground.project.id)
    with reading(ground.parts.database) as session:
        found = stored(session, ground.project.id, MachineLabels)
    assert found is not None
    return found


def test_without_a_version_it_says_so(ground: Ground) -> None:
    ground.label(ground.pool[:7], ReviewKind.HARD)

    found = figure(ground)

    assert (found.version, found.labelled, found.rest, found.waiting) == (None, 7, 0, 93)
    assert found.thresholds == found.classes == []


def test_each_threshold_counts_images_without_a_label_and_the_sample_above_it(ground: Ground) -> None:
    ground.label(ground.pool[:20], ReviewKind.HARD)
    ground.label(ground.reserved, ReviewKind.RANDOM)
    images = sorted(ground.reserved + ground.pool)
    add_champion(ground.parts, ground.project, images, probs_of(ground, images))

    found = figure(ground)

    assert (found.version, found.labelled, found.rest, found.waiting) == (1, 60, 40, 0)
    assert [one.images for one in found.thresholds] == [8, 12, 16, 20, 24, 28, 32, 36, 40]
    loosest = found.thresholds[-1]
    scores = probs_of(ground, images).max(axis=1)
    sampled = [image for image, score in zip(images, scores, strict=True) if image in ground.reserved]
    above = [image for image in sampled if scores[images.index(image)] >= loosest.score]
    right = sum(image not in ground.reserved[:WRONG] for image in above)
    assert (loosest.n, loosest.right, loosest.known) == (len(above), right, len(above) >= 30)
    if loosest.known:
        of_all = finite_interval(right, len(above), len(above) + loosest.images, 0.9875)
        lower, upper = ((count - right) / loosest.images for count in of_all)
        assert (loosest.lower, loosest.upper) == (pytest.approx(lower, abs=1e-4), pytest.approx(upper, abs=1e-4))
        assert loosest.lower <= lower  # never rounded up
        assert loosest.precision is not None and loosest.lower <= loosest.precision <= loosest.upper


def test_under_thirty_sampled_images_nothing_is_known(ground: Ground) -> None:
    ground.label(ground.reserved[:29], ReviewKind.RANDOM)
    add_champion(
        ground.parts, ground.project, ground.pool + ground.reserved, probs_of(ground, ground.pool + ground.reserved)
    )

    found = figure(ground)

    assert {(one.known, one.precision, one.lower, one.upper) for one in found.thresholds} == {(False, None, None, None)}
    assert max(one.n for one in found.thresholds) <= 29


def test_none_of_these_in_the_sample_is_an_error(ground: Ground) -> None:
    ground.label(ground.reserved, ReviewKind.RANDOM, NONE_OF_THESE)
    images = ground.pool + ground.reserved
    add_champion(ground.parts, ground.project, images, [[0.8, 0.1, 0.1]] * 100)

    [only] = figure(ground).thresholds

    assert (only.n, only.right, only.lower, only.images) == (40, 0, 0.0, 60)


def test_it_names_the_images_that_are_not_predicted(ground: Ground) -> None:
    add_champion(ground.parts, ground.project, ground.pool + ground.reserved, [[0.8, 0.1, 0.1]] * 100)
    later = add_images(ground, 3, False)
    ground.label(later[:1], ReviewKind.HARD)

    found = figure(ground)

    assert (found.rest, found.waiting) == (100, 2)
    assert [one.image_id for one in found.first_waiting] == later[1:]
    assert {one.why for one in found.first_waiting} == {"it came after version 1 had predicted"}


def test_pictures_are_the_surest_and_the_least_sure_of_each_class_and_no_image_is_both(ground: Ground) -> None:
    images = sorted(ground.pool + ground.reserved)
    probs = [[0.9 - i / 200, 0.1 + i / 200, 0] if i < 8 else [0, 1 - i / 200, i / 200] for i in range(100)]
    add_champion(ground.parts, ground.project, images, probs)

    cat, dog = figure(ground).classes

    assert (cat.label, cat.images, dog.label, dog.images) == ("cat", 8, "dog", 92)
    assert [one.image_id for one in cat.surest] == images[:6]
    assert [one.image_id for one in cat.least_sure] == [images[7], images[6]]
    assert [one.image_id for one in dog.surest] == images[8:14]
    assert [one.image_id for one in dog.least_sure] == images[:93:-1]


def test_a_new_file_of_the_same_version_is_counted_anew_and_nothing_else_twice(ground: Ground) -> None:
    add_champion(ground.parts, ground.project, ground.pool, [[0.8, 0.1, 0.1]] * 60)
    before = figure(ground)
    again = refresh(ground.parts, ground.project.id)
    images = np.array(sorted(ground.pool + ground.reserved), np.int64)
    with transaction(ground.parts.database) as session:
        champion = versions.champion(session, ground.project.id)
        assert champion is not None
        written = write_predictions(ground.parts.settings.home, "predictions/1/1", images, np.full((100, 3), 1 / 3))
        file = predictions.PredictionFile(written.path, written.rows, written.sha256, ground.clock())
        predictions.keep_prediction_file(session, champion.id, file)

    after = figure(ground)

    assert again == {"figures": 0}
    assert (before.rest, before.waiting, after.rest, after.waiting) == (60, 40, 100, 0)


def test_a_project_without_images_has_an_empty_figure(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    empty = make_ground(database, tmp_path / "home", make_project(database), pool=0, reserved=0)
    add_champion(empty.parts, empty.project, [], np.empty((0, 3)))

    found = figure(empty)

    assert (found.rest, found.waiting, found.thresholds, found.classes) == (0, 0, [], [])
    assert empty.scalars(sa.select(ImageRow.id)) == []
