"""Strategies played again: on a project's labels, on a folder, and on data where the better one is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from labeling.errors import Conflict, Invalid
from labeling.learn.classifier import Inputs
from labeling.learn.heads.logistic import Logistic
from labeling.project import Policy, Project
from labeling.select.strategies.registry import STRATEGIES
from labeling.types import ReviewKind
from service.work.select.simulation import Known, curve, known_of, simulate
from tests.service.cli.test_cli import Cli
from tests.service.labelled_pool import Ground, make_ground


def blobs(n: int, rng: np.random.Generator, *, twins: int = 1) -> Known:
    """Four classes around corners in 16 dimensions, every image `twins` times."""
    labels = rng.integers(0, 4, n)
    corners = 2.5 * rng.normal(size=(4, 16))
    vectors = (corners[labels] + rng.normal(size=(n, 16))).astype(np.float32)
    rows = np.repeat(np.arange(n), twins)
    inputs = Inputs(vectors[rows], np.empty((len(rows), 0), np.float32), np.full((len(rows), 4), np.nan, np.float32))
    return Known(inputs, labels[rows], rows, 4)


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Ground:
    return make_ground(database, tmp_path, make_project(database, policy=Policy(query_size=8)), pool=90, reserved=40)


def test_the_same_seed_gives_the_same_and_random_is_the_measure() -> None:
    known, terms = blobs(240, np.random.default_rng(0)), {"query_size": 10, "most": 40, "splits": 2, "seed": 3}

    first = simulate(known, ["margin", "badge"], "logistic", **terms)  # type: ignore[arg-type]
    again = simulate(known, ["margin", "badge"], "logistic", **terms)  # type: ignore[arg-type]

    assert first == again
    assert [gain.strategy for gain in first.gains] == ["random", "margin", "badge"]
    assert first.gains[0].points == 0 and first.labels == (10, 20, 30, 40)
    assert all(len(gain.accuracy) == 4 and 0.25 < gain.accuracy[-1] <= 1 for gain in first.gains)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_can_be_played_and_asks_no_group_twice(name: str) -> None:
    rng = np.random.default_rng(1)
    pool, test = blobs(60, rng, twins=2), blobs(40, rng)

    found = list(curve(pool, test, STRATEGIES[name], Logistic(), (10, 20, 30, 60), np.random.default_rng(0)))

    assert len(found) == 4 and all(0 <= accuracy <= 1 for accuracy in found)


def test_of_one_class_so_far_everything_is_said_to_be_that() -> None:
    known = blobs(80, np.random.default_rng(2))
    pool = Known(known.inputs, np.zeros(80, np.int64), known.groups, 4)

    found = list(curve(pool, known, STRATEGIES["margin"], Logistic(), (10, 20), np.random.default_rng(0)))

    assert found == pytest.approx([(known.labels == 0).mean()] * 2)


def test_a_projects_labels_are_those_that_teach(ground: Ground) -> None:
    ground.label(ground.pool[:70], ReviewKind.HARD)
    ground.label(ground.reserved, ReviewKind.RANDOM)

    known = known_of(ground.parts, ground.project)

    assert len(known.labels) == 70 and len(known.inputs.image) == 70


def test_too_few_labels_and_an_unknown_strategy_are_refused(ground: Ground) -> None:
    ground.label(ground.pool[:59], ReviewKind.HARD)
    ground.label(ground.reserved, ReviewKind.RANDOM)

    with pytest.raises(Conflict, match="59 of 3"):
        known_of(ground.parts, ground.project)
    terms = {"most": 50, "splits": 1, "seed": 0}
    with pytest.raises(Invalid, match="magic"):
        simulate(blobs(80, np.random.default_rng(0)), ["magic"], "logistic", query_size=10, **terms)
    with pytest.raises(Conflict, match="too few"):
        simulate(blobs(80, np.random.default_rng(0)), ["margin"], "logistic", query_size=50, **terms)


def test_the_command_plays_a_folder_and_refuses_a_project_without_labels(ground: Ground, tmp_path: Path) -> None:
    folder, rng = tmp_path / "pictures", np.random.default_rng(0)
    for name, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        (folder / name).mkdir(parents=True)
        for number in range(32):
            noise = rng.integers(-25, 25, (24, 24, 3))
            picture = Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))
            picture.save(folder / name / f"{number}.png")

    of = ("--strategies", "margin", "--query-size", "8", "--most", "16", "--splits", "2")
    refused = Cli(tmp_path).document("simulate", "--from", ground.project.config.name, *of, code=1)
    unknown = Cli(tmp_path).document("simulate", "--from", str(folder), "--strategies", "margins", code=1)
    pictures = Cli(tmp_path).document("simulate", "--from", str(folder), *of)

    assert unknown["error"] == "Invalid" and "margin" in unknown["message"] and "badge" in unknown["message"]
    assert refused["error"] == "Conflict" and "there are 0 of 0" in refused["message"]
    assert (pictures["images"], pictures["classes"], pictures["labels"]) == (64, 2, [8, 16])
    assert pictures["gains"][1]["accuracy"][-1] > 0.9  # red and blue are told apart
