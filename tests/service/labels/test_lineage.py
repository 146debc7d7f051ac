"""Which versions have learnt from an image: the same as their rebuilt training sets say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.repositories.versions import versions
from db.session import reading
from labeling.project import Project
from labeling.types import ImageId, ReviewKind
from service.labels.image_history import story_of
from service.labels.image_standing import Standing
from service.labels.lineage import lineage_of
from service.work.pool.training_set import rebuild_snapshot
from tests.service.labelled_pool import Ground
from tests.service.learn import versions_ground
from tests.service.learn.versions_ground import learnt


@pytest.fixture
def ground(any_database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Ground:
    """Two versions; the answers of the random stream came before both, a third version follows corrections."""
    made = versions_ground.two_versions(any_database, tmp_path / "home", make_project, answered=35)
    made.label(made.pool[:3], ReviewKind.RELABEL, "dog")
    assert learnt(made) == 3
    return made


def standing(ground: Ground, image: int) -> Standing:
    with reading(ground.parts.database) as session:
        home = ground.parts.settings.home
        found = story_of(session, home, ground.project, ImageId(image), leads=True).standing
    assert found is not None
    return found


def test_every_image_names_the_versions_whose_rebuilt_training_set_has_it(ground: Ground) -> None:
    with reading(ground.parts.database) as session:
        saved = versions.everyone(session, ground.project.id)
        rebuilt = {one.number: rebuild_snapshot(session, ground.project, one) for one in saved}
        assert [rebuilt[one.number].hash for one in saved] == [one.snapshot_hash for one in saved]
        trained = {number: {e.image_id for e in one.train} for number, one in rebuilt.items()}
        calibrated = {number: {e.image_id for e in one.temperature} for number, one in rebuilt.items()}
        for image in [*ground.pool, *ground.reserved]:
            found = lineage_of(session, ground.project, ImageId(image))

            assert found.trained == tuple(number for number in trained if image in trained[number])
            assert found.calibrated == tuple(number for number in calibrated if image in calibrated[number])


def test_an_early_label_a_late_one_a_measuring_one_and_none_differ(ground: Ground) -> None:
    images = ground.pool[0], ground.pool[50], ground.reserved[0], ground.reserved[-1]

    found = [standing(ground, image) for image in images]

    assert [one.trained for one in found] == [(1, 2, 3), (2, 3), (), ()]
    assert [one.calibrated for one in found] == [(), (), (1, 2, 3), ()]
