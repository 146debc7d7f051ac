"""The figure of agreement: blind answers apart, engines against blind answers only, and who confuses what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db.repositories.engines import engines_in_force
from db.repositories.engines.engines_in_force import Stage
from db.repositories.people import annotators
from db.session import reading, transaction
from db.views import dashboard
from labeling.project import Policy, Project, Team
from labeling.types import Actor, ReviewKind
from service.work.quality.agreement import refresh_agreement
from tests import factories
from tests.answering import asked_about, people
from tests.conftest import NOW
from tests.service.labelled_pool import REVISION, Ground, make_ground


def figure(ground: Ground, name: str = "agreement") -> dict[str, Any]:
    with reading(ground.parts.database) as session:
        return dashboard.figures(session, ground.project.id)[name].data


@pytest.fixture
def ground(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Ground:
    return make_ground(database, tmp_path, make_project(database), pool=120, reserved=0)


def fill(ground: Ground) -> list[int]:
    """Ann is right; Bob takes every second dog for a cat where nothing was shown, and keeps what is shown."""
    classes = ground.project.config.classes
    with transaction(ground.parts.database) as session:
        ann, bob = people(session, ground.project, "ann", "bob").values()
        engines_in_force.note(session, ground.project.id, Stage(0, "seeded", REVISION), NOW)
        for i, image in enumerate(ground.pool):
            true, blind = classes[ground.truth[image]], i < 80
            wrong = blind and true == "dog" and i % 2 == 0
            asked_about(
                session, ground.project, image, {ann: true, bob: "cat" if wrong else true}, blind=blind, settled=False
            )
    return [ann, bob]


def test_blind_answers_stand_apart_and_confusions_are_told_with_their_images(ground: Ground) -> None:
    ann, bob = fill(ground)

    counted = [refresh_agreement(ground.parts, ground.project.id) for _ in range(2)]

    data = figure(ground)
    assert counted == [{"agreement": 1}, {"agreement": 0}]
    assert (data["people"]["all"]["images"], data["people"]["blind"]["images"]) == (120, 80)
    assert data["people"]["anchored"]["alpha"]["value"] == 1.0
    assert 0.6 < data["people"]["blind"]["alpha"]["value"] < data["people"]["all"]["alpha"]["value"] < 1
    (pair,) = data["pairs"]
    assert [pair["first"]["name"], pair["second"]["name"]] == ["ann", "bob"]
    (cell,) = pair["disagreements"]
    assert (cell["first"], cell["second"], cell["count"]) == ("dog", "cat", 13)
    (confused,) = data["confusion"]
    assert {confused["one"], confused["other"], confused["count"]} == {"cat", "dog", 13}
    assert ground.truth[confused["images"][0]["image_id"]] == 1
    assert [row["label"] for row in data["classes"]] == ["cat", "dog", "bird"]


def test_a_prelabel_that_comes_after_the_answers_is_compared(ground: Ground) -> None:
    fill(ground)
    with transaction(ground.parts.database) as session:
        engines_in_force.note(session, ground.project.id, Stage(1, "agent", "agent-1"), NOW)
    refresh_agreement(ground.parts, ground.project.id)
    before = figure(ground)["engines"][1]["same"]["n"]

    with transaction(ground.parts.database) as session:
        factories.prelabel(session, ground.pool[0], [0.8, 0.1, 0.1], engine="agent", revision="agent-1")
    refresh_agreement(ground.parts, ground.project.id)

    assert (before, figure(ground)["engines"][1]["same"]["n"]) == (0, 1)


def test_an_engine_is_compared_with_blind_answers_only(ground: Ground) -> None:
    fill(ground)

    refresh_agreement(ground.parts, ground.project.id)

    (engine,) = figure(ground)["engines"]
    assert (engine["engine"], engine["revision"]) == ("seeded", REVISION)
    assert engine["same"]["n"] == 80 - 13  # two people who disagree say nothing about an engine
    assert 0.5 < engine["same"]["value"] < 0.95 and engine["kappa"]["lower"] > 0


def test_void_answers_say_nothing_from_then_on(ground: Ground) -> None:
    _, bob = fill(ground)
    refresh_agreement(ground.parts, ground.project.id)

    with transaction(ground.parts.database) as session:
        annotators.void(session, bob, Actor("lead", "guessed", NOW))
    counted = refresh_agreement(ground.parts, ground.project.id)

    assert counted == {"agreement": 1}
    assert figure(ground)["people"]["all"]["alpha"] == {
        "known": False, "n": 0, "value": None, "lower": None, "upper": None,
    }  # fmt: skip


def test_names_are_pseudonyms_where_the_policy_says_so(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(database, policy=Policy(team=Team(pseudonyms=True)))
    ground = make_ground(database, tmp_path, project, pool=40, reserved=0)
    fill(ground)

    refresh_agreement(ground.parts, ground.project.id)

    (pair,) = figure(ground)["pairs"]
    assert all(person["name"].startswith("annotator ") for person in (pair["first"], pair["second"]))


def test_an_image_about_which_somebody_is_still_asked_is_not_shown(ground: Ground) -> None:
    with transaction(ground.parts.database) as session:
        ann, bob = people(session, ground.project, "ann", "bob").values()
        for image in ground.pool[:40]:
            asked_about(session, ground.project, image, {ann: "cat", bob: "dog"}, settled=False)
            asked_about(session, ground.project, image, {}, kind=ReviewKind.RELABEL, settled=False)

    refresh_agreement(ground.parts, ground.project.id)

    (cell,) = figure(ground)["confusion"]
    assert (cell["count"], cell["images"]) == (40, [])
