"""Terms per engine: fitted on the random stream only, once for the same labels, used where engines are compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.engines import calibrations, engines_in_force
from db.repositories.engines.engines_in_force import Stage
from db.session import reading, transaction
from db.views import dashboard
from labeling.project import Project
from labeling.types import NONE_OF_THESE, ReviewKind
from service.work.figures.refresh import refresh
from service.work.pool.pool import load_pool
from service.work.pool.predictions import current_predictions
from service.work.prelabel.calibrate import calibrate
from tests import factories
from tests.conftest import NOW
from tests.service.labelled_pool import REVISION, Ground, make_ground

AGENT = Stage(1, "agent:box/small", "agent-1")


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Ground:
    made = make_ground(database, tmp_path, make_project(database), pool=120, reserved=60)
    with transaction(database) as session:
        engines_in_force.note(session, made.project.id, Stage(0, "bundled", REVISION), NOW)
    return made


def _numbers(ground: Ground, revision: str = REVISION) -> tuple[int, int]:
    """The number of the terms in force, and the labels they rest on; zeros where there are none."""
    with reading(ground.parts.database) as session:
        found = calibrations.newest(session, ground.project.id, revision)
    return (found.number, found.labels) if found else (0, 0)


def _agent_says(ground: Ground, images: list[int], *, right: float) -> None:
    """An engine of the escalation that only names a class and says how sure it is."""
    classes = ground.project.config.classes
    with transaction(ground.parts.database) as session:
        engines_in_force.note(session, ground.project.id, AGENT, NOW)
        wrong = np.random.default_rng(0).permutation(np.arange(len(images)) >= right * len(images))
        for image, errs in zip(images, wrong, strict=True):
            named = classes[(ground.truth[image] + errs) % len(classes)]
            said = {"answer": named, "evidence": {"raw": '{"confidence": "high"}'}}
            factories.prelabel(session, image, [], engine="agent", revision=AGENT.revision, **said)


def test_terms_rest_on_the_random_stream_alone_and_the_same_labels_make_no_second_row(ground: Ground) -> None:
    ground.label(ground.reserved[:30], ReviewKind.RANDOM)
    ground.label(ground.pool[:40], ReviewKind.HARD)
    ground.label(ground.reserved[40:50], ReviewKind.HARD)
    ground.label(ground.reserved[50:], None)

    first, second = calibrate(ground.parts, ground.project.id), calibrate(ground.parts, ground.project.id)

    assert (first, second) == ({"calibrated": 1}, {"calibrated": 0})
    assert _numbers(ground) == (1, 30)


def test_a_tenth_more_labels_or_a_changed_one_make_a_new_number(ground: Ground) -> None:
    ground.label(ground.reserved[:30], ReviewKind.RANDOM)
    calibrate(ground.parts, ground.project.id)

    ground.label(ground.reserved[30:32], ReviewKind.RANDOM)
    few = calibrate(ground.parts, ground.project.id)
    ground.label(ground.reserved[32:33], ReviewKind.RANDOM)
    enough = calibrate(ground.parts, ground.project.id)
    ground.label(ground.reserved[:1], ReviewKind.RANDOM, NONE_OF_THESE)
    changed = calibrate(ground.parts, ground.project.id)

    assert [few, enough, changed] == [{"calibrated": 0}, {"calibrated": 1}, {"calibrated": 1}]
    assert _numbers(ground) == (3, 32), "none of these is of no class"


def test_below_twenty_labels_an_engine_stays_uncalibrated(ground: Ground) -> None:
    ground.label(ground.reserved[:14], ReviewKind.RANDOM)

    counts = calibrate(ground.parts, ground.project.id)

    assert counts == {"calibrated": 0} and _numbers(ground) == (0, 0)


def test_the_features_of_a_classifier_stay_as_the_engine_gave_them(ground: Ground) -> None:
    before = load_pool(ground.parts, ground.project).prelabel_probs
    ground.label(ground.reserved[:40], ReviewKind.RANDOM)
    calibrate(ground.parts, ground.project.id)

    pool = load_pool(ground.parts, ground.project)
    current = current_predictions(ground.parts, ground.project, pool)

    assert np.array_equal(pool.prelabel_probs, before)
    assert np.array_equal(current.ranking, before)
    assert not np.allclose(current.shown, before)


def test_an_engine_that_only_names_classes_is_believed_as_often_as_it_was_right(ground: Ground) -> None:
    _agent_says(ground, ground.reserved, right=0.8)
    pool = load_pool(ground.parts, ground.project)

    before = current_predictions(ground.parts, ground.project, pool).engines[0].shown
    ground.label(ground.reserved[:50], ReviewKind.RANDOM)
    calibrate(ground.parts, ground.project.id)
    after = current_predictions(ground.parts, ground.project, pool).engines[0].shown

    said = np.isfinite(after).all(axis=1)
    assert np.isnan(before).all()
    assert set(pool.image_ids[said].tolist()) == set(ground.reserved)
    assert after[said].max(axis=1) == pytest.approx(0.8, abs=0.08)


def test_the_figure_shows_each_engine_before_and_after_on_labels_that_fitted_nothing(ground: Ground) -> None:
    _agent_says(ground, ground.reserved, right=0.8)
    ground.label(ground.reserved[:50], ReviewKind.RANDOM)
    calibrate(ground.parts, ground.project.id)

    refresh(ground.parts, ground.project.id)

    with reading(ground.parts.database) as session:
        figure = dashboard.figures(session, ground.project.id)["engine_reliability"]
    first, agent = figure.data["engines"]
    assert (first["engine"], first["measured_on"], first["as_given"]["n"]) == ("bundled", "the random stream", 50)
    assert first["calibrated"]["calibration_error"] <= first["as_given"]["calibration_error"]
    assert agent["as_given"] == {"known": False, "n": 0, "calibration_error": None, "bins": []}
    assert agent["calibrated"]["n"] == 50 and agent["calibrated"]["calibration_error"] < 0.15
