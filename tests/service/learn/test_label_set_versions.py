"""Versions when the label set changes: what they predicted is read by name, and the next one is fitted on today's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.projects import projects
from db.repositories.versions import versions
from db.session import reading, transaction
from labeling.errors import Conflict
from labeling.jobs import Trigger
from labeling.project import LabelOperation, Policy, Project
from labeling.types import Actor, ReviewKind, Verdict
from service.jobs.jobs import Jobs
from service.labels.label_set import change_label_set
from service.labels.machine_labels import champion_labels
from service.projects.label_operations import read_change
from service.work.learn.learn import due, learn
from service.work.pool.champion import champion_predictions
from service.work.pool.pool import load_pool
from service.work.pool.predictions import current_predictions
from service.work.pool.training_set import rebuild_snapshot
from service.work.promote.judge import judge, promote_by_hand, roll_back
from service.work.promote.predict import predict
from tests.factories import NOW
from tests.service.labelled_pool import Ground, make_ground, prelabel

HARD, RANDOM = ReviewKind.HARD, ReviewKind.RANDOM
LEAD = Actor("lead", "as the client calls them", NOW)


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Ground:
    """With a version in use that has predicted all images."""
    project = make_project(database, policy=Policy(learn_after_labels=12))
    made = make_ground(database, tmp_path / "home", project, reserved=60)
    made.label(made.pool[:30], HARD)
    made.label(made.reserved, RANDOM)
    _learn(made)
    promote_by_hand(made.parts, project.id, 1, "lead", "to begin with")
    predict(made.parts, project.id)
    return made


def _learn(ground: Ground) -> int:
    return learn(ground.parts, ground.project.id, Trigger.ANSWERED)["version"]


def _change(ground: Ground, operation: str, classes: Sequence[str] = (), into: Sequence[Any] = ()) -> Ground:
    change = read_change(LabelOperation(operation), classes, into).to_operation()
    with transaction(ground.parts.database) as session:
        by = replace(LEAD, now=ground.clock())
        change_label_set(session, Jobs(ground.parts.database), ground.project.id, change, by)
    with reading(ground.parts.database) as session:
        return replace(ground, project=projects.by_id(session, ground.project.id))


def _look(ground: Ground, revision: str, images: Sequence[int]) -> Ground:
    """An engine that knows the classes of now is asked about these images."""
    k = len(ground.project.config.classes)
    with transaction(ground.parts.database) as session:
        for image in images:
            prelabel(session, image, [1 / k] * k, revision)
    return ground.with_engine(revision)


def _versions(ground: Ground) -> list[versions.Version]:
    with reading(ground.parts.database) as session:
        return versions.everyone(session, ground.project.id)


def test_what_a_version_predicted_is_read_by_the_names_of_the_classes(ground: Ground) -> None:
    before = champion_predictions(ground.parts, ground.project.id)
    assert before is not None

    now = _change(ground, "merge", ["cat", "dog"], ["pet"])
    now = _change(now, "add", [], ["fox"])

    after = champion_predictions(now.parts, now.project.id)
    with reading(now.parts.database) as session:
        machine = champion_labels(session, now.parts.settings.home, now.project.id)
    assert after is not None
    assert now.project.config.classes == ("pet", "bird", "fox")
    assert np.allclose(after.fitted[:, 0], before.fitted[:, 0] + before.fitted[:, 1], atol=1e-3)
    assert np.allclose(after.fitted[:, 1], before.fitted[:, 2], atol=1e-3)
    assert not after.fitted[:, 2].any()
    assert np.allclose(after.ranking(np.arange(5)).sum(axis=1), 1)
    assert set(machine.said(slice(None)).positions.tolist()) <= {0, 1}
    pool = load_pool(now.parts, now.project)  # of an engine that has said nothing of the new classes
    current = current_predictions(now.parts, now.project, pool)
    assert current.shown.shape == (len(pool), 3) and current.by_champion.all()


def test_of_a_split_class_the_parts_share_what_it_had_and_a_retired_one_is_left_out(ground: Ground) -> None:
    now = _change(ground, "split", ["dog"], ["puppy", "adult dog"])
    now = _change(now, "retire", ["bird"])

    found = champion_predictions(now.parts, now.project.id)

    assert found is not None
    assert now.project.config.classes == ("cat", "puppy", "adult dog")
    assert np.allclose(found.fitted[:, 1], found.fitted[:, 2])
    assert np.allclose(found.fitted.sum(axis=1), 1, atol=1e-3)


def test_merged_classes_train_at_once_and_the_next_version_is_judged_against_the_one_of_before(ground: Ground) -> None:
    now = _change(ground, "merge", ["cat", "dog"], ["pet"])
    now = _look(now, "seeded-2", [*now.pool, *now.reserved])

    asked = due(now.parts, now.project.id)
    number = _learn(now)
    judge(now.parts, now.project.id, Trigger.LEARNED)

    first, second = _versions(now)
    with reading(now.parts.database) as session:
        [verdict] = versions.promotions(session, now.project.id, second.id)
        rebuilt = [rebuild_snapshot(session, now.project, one).hash for one in (first, second)]
    assert (asked, number) == (True, 2)
    assert (first.classes, second.classes) == (("cat", "dog", "bird"), ("pet", "bird"))
    assert second.report["examples_by_class"] == {"pet": 20, "bird": 10}
    assert rebuilt == [first.snapshot_hash, second.snapshot_hash]
    assert verdict.verdict is not Verdict.NOT_YET_KNOWN
    assert verdict.report["labels"] == 30  # training labels of both carry it, and none is lost


def test_of_a_split_class_the_next_version_learns_what_was_said_again(ground: Ground) -> None:
    now = _change(ground, "split", ["bird"], ["finch", "owl"])
    now = _look(now, "seeded-2", [*now.pool, *now.reserved])

    number, asked = _learn(now), due(now.parts, now.project.id)

    assert (number, asked) == (2, False)
    assert _versions(now)[1].report["examples_by_class"] == {"cat": 10, "dog": 10, "finch": 0, "owl": 0}


def test_a_label_set_that_changes_while_a_version_is_fitted_starts_the_fit_over(ground: Ground) -> None:
    ground.label(ground.pool[30:45], HARD)

    def at(name: str) -> None:
        if name == "learn.before_write":
            _change(ground, "merge", ["cat", "dog"], ["pet"])

    with pytest.raises(Conflict, match="starts over"):
        learn(replace(ground.parts, failpoint=cast(Any, at)), ground.project.id, Trigger.ANSWERED)

    assert len(_versions(ground)) == 1


def test_a_version_of_before_is_in_use_again_where_it_knows_classes_of_now(ground: Ground) -> None:
    now = _change(ground, "rename", ["cat"], ["feline"])
    now = _look(now, "seeded-2", [*now.pool, *now.reserved])
    _learn(now)
    promote_by_hand(now.parts, now.project.id, 2, "lead", "it knows the new name")
    predict(now.parts, now.project.id)

    roll_back(now.parts, now.project.id, "lead", "to compare")
    predict(now.parts, now.project.id)
    found = champion_predictions(now.parts, now.project.id)
    assert found is not None and found.version.number == 1

    for old, new in (("feline", ["a", "b"]), ("dog", ["c", "d"]), ("bird", ["e", "f"])):
        now = _change(now, "split", [old], new)
    for name in ("a", "b", "c", "d", "e"):
        now = _change(now, "add", [], [f"new {name}"])
        now = _change(now, "retire", [name])

    with pytest.raises(Conflict, match="fewer than two classes"):
        promote_by_hand(now.parts, now.project.id, 2, "lead", "again")
