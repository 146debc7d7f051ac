"""The pool: put together once while nothing changes, brought up to date by the rows that are new, rebuilt when lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from db.repositories.images import groups
from db.repositories.images.groups import Move
from db.session import transaction
from labeling.project import Project
from labeling.types import ImageId
from service.work.pool.pool import load_pool
from tests.conftest import NOW
from tests.service.labelled_pool import Ground, add_images, make_ground


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Ground:
    return make_ground(database, tmp_path / "home", make_project(database))


@pytest.fixture
def statements(database: sa.Engine) -> Iterator[list[str]]:
    """Every statement that reads prelabels' probabilities, as it is sent."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "prelabel.probs" in statement:
            sent.append(statement)

    event.listen(database, "before_cursor_execute", note)
    yield sent
    event.remove(database, "before_cursor_execute", note)


def test_a_pool_is_put_together_once_while_no_image_becomes_ready(ground: Ground, statements: list[str]) -> None:
    first = load_pool(ground.parts, ground.project)

    again = load_pool(ground.parts, ground.project)

    assert again is first and len(statements) == 1


def test_new_images_are_added_to_what_was_read_and_the_arrays_are_as_if_read_anew(
    ground: Ground, statements: list[str]
) -> None:
    before = load_pool(ground.parts, ground.project)
    add_images(ground, 3, False)

    after = load_pool(ground.parts, ground.project)
    shutil.rmtree(ground.parts.settings.home / "pool")
    ground.parts.memo.clear()
    anew = load_pool(ground.parts, ground.project)

    assert len(after) == len(before) + 3
    assert len(statements) == 3  # all, those that were new, all again
    for name in ("image_ids", "group_ids", "image_vectors", "text_vectors", "prelabel_probs"):
        assert np.array_equal(getattr(after, name), getattr(anew, name), equal_nan=name.endswith(("vectors", "probs")))


def test_an_image_that_came_into_another_group_stands_there_in_the_pool(ground: Ground) -> None:
    before = load_pool(ground.parts, ground.project)
    images, numbers = before.image_ids[:2].tolist(), before.group_ids[:2].tolist()
    with transaction(ground.parts.database) as session:
        first = groups.standing(session, [images[0]])[0]
        move = Move(ImageId(images[1]), numbers[1], first.founder, first.position)
        moved = groups.move(session, ground.project.id, [move], "test", NOW)
        again = groups.move(session, ground.project.id, [move], "test", NOW)

    after = load_pool(ground.parts, ground.project)

    assert (moved, again) == (1, 0)
    assert after.group_ids[:2].tolist() == [numbers[0], numbers[0]]
    assert np.array_equal(after.group_ids[2:], before.group_ids[2:])
