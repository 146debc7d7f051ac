"""What to do next, from answers and predictions to the figure, the page, the API, the command and second answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db.repositories.engines import engines_in_force
from db.repositories.engines.engines_in_force import Stage
from db.session import reading, transaction
from db.tables import ReviewRow
from labeling.jobs import Role
from labeling.project import EngineUse, Policy, Project, Stop
from labeling.types import ReviewId, ReviewKind
from service.figures.figures import stored
from service.figures.next_action import NextAction, OneAction
from service.work.quality.next_action.refresh import ASSUMED_S, refresh_next_action
from tests import factories
from tests.answering import answer
from tests.conftest import NOW
from tests.service.cli.test_cli import Cli, fits
from tests.service.labelled_pool import REVISION, Ground, add_champion, make_ground, prelabel
from tests.service.web.test_web_pages import HTML, log_in
from tests.service.web_client import bearer, make_key, web

HARD, RANDOM = ReviewKind.HARD, ReviewKind.RANDOM
SECOND_ENGINE = "few-shot"


@pytest.fixture
def make(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Callable[..., Ground]:
    def made(**policy: Any) -> Ground:
        project = make_project(database, policy=Policy(**policy))
        ground = make_ground(database, tmp_path, project, pool=90, reserved=12)
        with transaction(database) as session:
            engines_in_force.note(session, project.id, Stage(0, "seeded", REVISION), NOW)
        return ground

    return made


def ranked(ground: Ground) -> NextAction:
    refresh_next_action(ground.parts, ground.project.id)
    with reading(ground.parts.database) as session:
        found = stored(session, ground.project.id, NextAction)
    assert found is not None
    return found


def of(found: NextAction, action: str, engine: str = "") -> OneAction:
    [one] = [one for one in found.actions if (one.action, one.engine) == (action, engine)]
    return one


def say(ground: Ground, image: int, *answers: str, kind: ReviewKind = HARD, seconds: float = 4.0) -> None:
    """People say this of an image, ann first, then bob; the label follows from what all say."""
    with transaction(ground.parts.database) as session:
        review = factories.review(session, ground.project.id, image, kind, blind=True)
        for name, value in zip(("ann", "bob"), answers, strict=False):
            person = factories.annotator(session, ground.project.id, f"{name} {image}")
            answer(session, ReviewId(review), {person: value}, seconds=seconds)
        if len(set(answers)) == 1:
            factories.label(session, ground.project.id, image, answers[0], review_id=review)


def believe(ground: Ground, probs: dict[int, list[float]], rest: list[float]) -> None:
    """A champion predicts this of the pool."""
    images = sorted(ground.truth)
    add_champion(ground.parts, ground.project, images, [probs.get(image, rest) for image in images])


def sure(ground: Ground, code: int = 0, share: float = 0.98) -> list[float]:
    k = len(ground.project.config.classes)
    return [share if at == code else (1 - share) / (k - 1) for at in range(k)]


def test_people_are_asked_first_about_what_is_least_sure_and_never_about_the_reserve(
    make: Callable[..., Ground],
) -> None:
    ground = make()
    doubtful = ground.pool[7]
    believe(ground, {doubtful: sure(ground, 1, 0.4), ground.reserved[0]: sure(ground, 1, 0.35)}, sure(ground))

    found = ranked(ground)

    assert found.first[0].image_id == doubtful
    assert (found.first[0].action, found.first[0].wrong_now) == ("person", pytest.approx(0.6, abs=0.01))
    assert ground.reserved[0] not in {one.image_id for one in found.first}
    assert found.pool == 102
    assert found.accept == found.pool - sum(one.images for one in found.actions) - len(ground.reserved)


def test_what_is_surer_than_people_are_is_left_as_it_is(make: Callable[..., Ground]) -> None:
    ground = make()
    believe(ground, {}, sure(ground, share=1.0))

    found = ranked(ground)

    assert (found.first, found.accept, found.expected_wrong) == ([], 90, 0.0)
    assert of(found, "person").seconds is None


def test_an_answer_that_a_sure_prediction_contradicts_is_asked_again_and_the_stream_never_by_doubt(
    make: Callable[..., Ground],
) -> None:
    ground = make()
    classes = ground.project.config.classes
    contradicted, of_stream = ground.pool[0], ground.reserved[0]
    with transaction(ground.parts.database) as session:
        prelabel(session, contradicted, sure(ground, 1), "seeded-2")
        prelabel(session, of_stream, sure(ground, 1), "seeded-2")
        engines_in_force.note(session, ground.project.id, Stage(0, "seeded", "seeded-2"), NOW)
    say(ground, contradicted, classes[0])
    say(ground, of_stream, classes[0], kind=RANDOM)

    found = ranked(ground)

    again = [one for one in found.first if one.action == "second answer"]
    assert [one.image_id for one in again] == [contradicted]
    assert again[0].reason == f"one person said {classes[0]}; predicted {classes[1]} with 98 %"
    assert again[0].seconds > found.seconds  # where they differ a third is asked


def test_a_lead_is_asked_where_people_disagree(make: Callable[..., Ground]) -> None:
    ground = make()
    classes = ground.project.config.classes
    say(ground, ground.pool[3], classes[0], classes[1])

    found = ranked(ground)

    [one] = [one for one in found.first if one.action == "adjudicate"]
    assert (one.image_id, one.reason) == (ground.pool[3], "people disagree")
    assert 0.2 < one.wrong_now < 0.5


def test_seconds_are_assumed_until_thirty_answers_were_timed(make: Callable[..., Ground]) -> None:
    ground = make()
    classes = ground.project.config.classes
    say(ground, ground.pool[0], classes[0], seconds=700)
    assert (ranked(ground).seconds, ranked(ground).timed) == (ASSUMED_S, 1)

    for image in ground.pool[1:31]:
        say(ground, image, classes[ground.truth[image]], seconds=6)

    assert (ranked(ground).seconds, ranked(ground).timed) == (6.0, 31)


def test_an_engine_is_ranked_once_it_is_known_how_often_it_is_right(make: Callable[..., Ground]) -> None:
    ground = make(escalation=(EngineUse(SECOND_ENGINE),), stop=Stop(wage=36))
    classes = ground.project.config.classes
    with transaction(ground.parts.database) as session:
        engines_in_force.note(session, ground.project.id, Stage(1, SECOND_ENGINE, "second-1"), NOW)
        for image in ground.pool[:40]:
            prelabel(session, image, sure(ground, ground.truth[image]), "second-1")
    for image in ground.pool[:20]:
        say(ground, image, classes[ground.truth[image]])
    few = of(ranked(ground), "engine", SECOND_ENGINE)
    for image in ground.pool[20:40]:
        say(ground, image, classes[ground.truth[image]])

    enough = ranked(ground)

    assert (few.images, few.per_hour) == (0, None)
    assert few.note == "not yet known: 20 of 30 images that people labelled and it was asked about"
    engine, person = of(enough, "engine", SECOND_ENGINE), of(enough, "person")
    assert (engine.note, person.images) == ("", 0)  # it costs nothing, so it goes first everywhere
    assert engine.images == 50 + 12
    assert (engine.money, engine.per_money) == (0.0, None)


def test_it_is_ranked_again_only_when_something_has_changed(make: Callable[..., Ground]) -> None:
    ground = make()
    first, second = (refresh_next_action(ground.parts, ground.project.id) for _ in range(2))
    say(ground, ground.pool[0], ground.project.config.classes[0])
    third = refresh_next_action(ground.parts, ground.project.id)

    assert first["next_action"] > 0 and third["next_action"] > 0
    assert second == {"next_action": 0}


def test_page_api_and_command_say_the_same_and_that_it_is_not_measured(
    make: Callable[..., Ground], database: sa.Engine, tmp_path: Path
) -> None:
    ground = make(stop=Stop(wage=36))
    with web(database, tmp_path) as client:
        key = make_key(database, Role.ENGINEER)
        before = client.get("/api/projects/animals/next", headers=bearer(key)).json()
        nothing = Cli(tmp_path)("next", "animals").stdout
        ranked(ground)
        given = client.get("/api/projects/animals/next?limit=3", headers=bearer(key)).json()
        client.headers.update(HTML)
        log_in(client, key)
        page = " ".join(client.get("/projects/animals/savings").text.split())
    command = Cli(tmp_path).document("next", "animals", "--limit", "3")
    typed = Cli(tmp_path)("next", "animals", "--limit", "3").stdout

    assert before["ranking"] is None
    assert nothing.startswith("Not counted yet")
    assert typed.startswith("Expected by a model") and "by money: 36 USD an hour" in typed
    assert command["first"][0]["reason"] in typed
    assert fits(Cli(tmp_path)("next", "animals", "--limit", "3", COLUMNS="80"))
    assert given["ranking"] == command
    assert len(command["first"]) == 3
    person = next(one for one in command["actions"] if one["action"] == "person")
    assert person["money"] == pytest.approx(ASSUMED_S / 3600 * 36)
    assert person["per_money"] == pytest.approx(person["per_hour"] / 36, rel=0.01)
    assert "not measured" in given["measured"] and given["measured"] in page
    assert f"image {command['first'][0]['image_id']}</a>" in page
    assert "assumed: fewer than 30 answers were timed" in page


def test_reviews_that_nobody_has_answered_stand_next(make: Callable[..., Ground]) -> None:
    ground = make()
    believe(ground, {ground.pool[4]: sure(ground, 1, 0.5)}, sure(ground, share=0.99))
    alone = ranked(ground).new_answer
    with transaction(ground.parts.database) as session:
        review = factories.review(session, ground.project.id, ground.pool[4], HARD)
        assert session.get_one(ReviewRow, review)

    queued = ranked(ground).new_answer

    assert queued > alone
    assert queued == pytest.approx(0.4, abs=0.02)  # half wrong, and people err in a tenth
