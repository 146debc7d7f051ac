"""`hardcase why` and `hardcase replay`: one image's story, and a stored query drawn again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.session import transaction
from labeling.jobs import Role, Trigger
from labeling.project import Policy, Project
from labeling.types import ImageId, ReviewKind
from service.work.select.query import choose_query
from tests import factories
from tests.service.cli.test_cli import Cli, fits
from tests.service.labelled_pool import Ground, add_champion, make_ground
from tests.service.web_client import bearer, make_key, web


@dataclass(frozen=True)
class Home:
    """A home with the project `animals`, in which one query was chosen, and an image that it asked about."""

    cli: Cli
    ground: Ground
    image: ImageId


@pytest.fixture
def home(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Iterator[Home]:
    project = make_project(database, policy=Policy(query_size=10))
    ground = make_ground(database, tmp_path, project, pool=24, reserved=8)
    choose_query(ground.parts, project.id, Trigger.HAND)
    images = ground.pool + ground.reserved
    add_champion(ground.parts, project, images, [[0.7, 0.2, 0.1]] * len(images))
    hard = "SELECT image_id FROM review WHERE kind = 'hard' LIMIT 1"
    with transaction(database) as session:
        image = ImageId(session.execute(sa.text(hard)).scalar_one())
        known = factories.registration(session, project.id, "cat/1.jpg", details={"site": "north"})
        factories.fetch(session, known, image)
    yield Home(Cli(tmp_path), ground, image)


def test_why_tells_what_the_api_tells(home: Home, database: sa.Engine, tmp_path: Path) -> None:
    by_number = home.cli.document("why", str(home.image), "--project", "animals")
    by_name = home.cli.document("why", "cat/1.jpg")

    with web(database, tmp_path) as client:
        path = f"/api/projects/animals/images/{home.image}/why"
        by_api = client.get(path, headers=bearer(make_key(database, Role.ENGINEER))).json()

    assert by_number == by_name
    assert by_number.keys() == by_api.keys()
    for name in ("image_id", "reference", "label", "standing"):
        assert by_number[name] == by_api[name], name
    assert [fact["what"] for fact in by_number["facts"]] == [fact["what"] for fact in by_api["facts"]]
    assert by_number["machine"]["machine_label"] == by_api["machine"]["machine_label"] == "cat"


def test_why_is_readable(home: Home) -> None:
    told = home.cli("why", str(home.image)).stdout

    for words in (
        f"Image {home.image}, cat/1.jpg",
        "hash 0000",
        "Label: none",
        "Machine label: cat, calibrated probability 0.700, version 1",
        "People are asked about it now.",
        "of 1 image",
        "margin, by hand: typical of its cluster",
        "query 1",
    ):
        assert words in told, words
    assert fits(home.cli("why", str(home.image), COLUMNS="80"))


def test_an_image_that_is_not_there_and_several_projects_are_said(
    home: Home, make_project: Callable[..., Project]
) -> None:
    missing = home.cli.document("why", "no.jpg", code=1)
    make_project(home.ground.parts.database, name="plants")

    unclear = home.cli.document("why", "1", code=1)

    assert missing["error"] == "NotFound" and "no.jpg" in missing["message"]
    assert unclear["error"] == "Invalid" and "--project: animals, plants" in unclear["message"]
    assert home.cli.document("why", "1", "--project", "", code=1)["error"] == "NotFound"


def test_replay_says_how_many_images_came_out_again(home: Home) -> None:
    document, told = home.cli.document("replay", "1"), home.cli("replay", "1", "--project", "animals")

    assert (document["equal"], document["asked"], document["same"], document["gone"]) == (True, 10, 10, [])
    assert told.stdout.splitlines() == [
        f"Query 1: 10 of 10 images the same. (margin, seed {home.ground.project.config.policy.seed})"
    ]


def test_replay_of_another_draw_ends_with_1_and_of_none_says_why(home: Home) -> None:
    with transaction(home.ground.parts.database) as session:
        asked = factories.review(session, home.ground.project.id, home.image, ReviewKind.RELABEL)
        other = session.execute(sa.text(f"SELECT query_id FROM review WHERE id = {asked}")).scalar_one()
        session.execute(sa.text("UPDATE review SET place = 0.99 WHERE id = 1"))

    differs = home.cli.document("replay", "1", code=1)
    number = "SELECT number FROM query WHERE id = :id"
    with home.ground.parts.database.connect() as connection:
        named = connection.execute(sa.text(number), {"id": other}).scalar_one()

    assert (differs["equal"], differs["same"], len(differs["differing"])) == (False, 9, 1)
    assert "was not kept" in home.cli.document("replay", str(named), code=1)["message"]
    assert "no query 77" in home.cli.document("replay", "77", code=1)["message"]
    assert home.cli("replay", "none").exit_code == 2
