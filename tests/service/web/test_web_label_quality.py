"""The Label quality page and its routes: the answer on top, suspects handled by page and by API, alarms ended."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.repositories.reviews import overlaps, reviews
from db.repositories.running import alarms
from db.session import reading, transaction
from db.tables import AuditRow, LabelCheckRow, OverlapRow, ReReviewRequestRow
from db.views import dashboard
from labeling.jobs import Role
from labeling.project import Project
from labeling.types import Actor, ReviewId
from service.figures.figures import OF_PEOPLE
from service.work.quality.wrong_labels import refresh_wrong_labels
from tests import factories
from tests.conftest import NOW, copied
from tests.reviewing import rows_of
from tests.service.labelled_pool import Ground, make_parts
from tests.service.shipping_ground import shipping_ground
from tests.service.web.test_authorisation import form_token, log_in
from tests.service.web_client import bearer, make_key, web


@dataclass(frozen=True)
class World:
    """The ground, and what stands on its list of suspects."""

    ground: Ground
    home: Path
    labels: list[int]

    @property
    def address(self) -> str:
        return f"/projects/{self.ground.project.id}"


@pytest.fixture(scope="module")
def first(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """What each test gets a copy of: it takes half a second to make."""
    home = tmp_path_factory.mktemp("shipping")
    with copied(sa.make_url(f"sqlite:///{empty_database}"), home) as database:
        with transaction(database) as session:
            project = factories.project(session)
        ground = shipping_ground(database, home, project)
        with reading(database) as session:
            data = dashboard.figures(session, ground.project.id)["label_errors"].data
        database.dispose()
        yield World(ground, home, [one["label_id"] for one in data["suspects"] if not one["random"]])


@pytest.fixture
def database(first: World, tmp_path: Path) -> Iterator[sa.Engine]:
    with copied(first.ground.parts.database.url, tmp_path) as engine:
        yield engine


@pytest.fixture
def world(first: World, database: sa.Engine, tmp_path: Path) -> World:
    shutil.copytree(first.home, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("hardcase.db*"))
    parts = replace(make_parts(database, tmp_path), now=first.ground.clock)
    return replace(first, ground=replace(first.ground, parts=parts), home=tmp_path)


def test_the_answer_stands_on_top_with_each_criterion_and_the_suspects_below(world: World, database: sa.Engine) -> None:
    with web(database, world.home) as client:
        log_in(client, make_key(database, Role.READ))
        page = client.get(f"{world.address}/label-quality").text

    assert "some criteria are missed." in page and "this is no certificate" in page
    for words in ("Krippendorff", "several people", "labels of the random stream were ever corrected", "version 3"):
        assert words in page, words
    assert page.index("criteria are missed") < page.index("Where the labels come from") < page.index("Alarms</h2>")
    assert "data?task=9" in page
    assert "Back to review" not in page and "End it" not in page  # a reader only reads


def test_one_click_sends_a_label_back_or_finds_it_right_and_it_is_gone_from_the_page(
    world: World, database: sa.Engine
) -> None:
    back, right, *_ = world.labels
    with web(database, world.home) as client:
        log_in(client, make_key(database, Role.ENGINEER))
        before = client.get(f"{world.address}/label-quality").text
        token = form_token(before)
        for what, label in (("review", back), ("right", right)):
            data = {"form_token": token, "what": what, "label": str(label)}
            answer = client.post(f"{world.address}/suspects", data=data)
            assert answer.status_code == 303 and "done=1" in answer.headers["location"]
        after = client.get(answer.headers["location"]).text

    assert all(f'value="{label}"' in before for label in (back, right))
    assert not any(f'value="{label}"' in after for label in (back, right))
    assert [row.label_id for row in rows_of(database, LabelCheckRow)] == [right]
    assert [row.reason for row in rows_of(database, OverlapRow)] == ["the label is suspected to be wrong"]
    assert {row.action for row in rows_of(database, AuditRow)} >= {"suspects.review", "suspects.right"}


def test_many_are_handled_at_once_and_none_chosen_changes_nothing(world: World, database: sa.Engine) -> None:
    with web(database, world.home) as client:
        log_in(client, make_key(database, Role.ENGINEER))
        token = form_token(client.get(f"{world.address}/label-quality").text)
        data = {"form_token": token, "what": "right"}
        none = client.post(f"{world.address}/suspects", data=data)
        all_of_them = client.post(f"{world.address}/suspects", data={**data, "label": [str(x) for x in world.labels]})

    assert "done=0" in none.headers["location"]
    assert f"done={len(world.labels)}" in all_of_them.headers["location"]


def test_the_api_handles_the_same_and_says_what_no_longer_stands(world: World, database: sa.Engine) -> None:
    key, project = make_key(database, Role.ENGINEER), world.ground.project.id
    first = world.labels[0]
    with web(database, world.home) as client:
        listed = client.get(f"/api/projects/{project}/suspects", headers=bearer(key)).json()["figure"]["suspects"]
        address = f"/api/projects/{project}/suspects/review"
        answers = [
            client.post(address, headers=bearer(key), json={"labels": [first, 999_999]}).json() for _ in range(2)
        ]
        jobs = client.get(f"/api/projects/{project}/jobs", headers=bearer(key)).json()["items"]

    assert first in [one["label_id"] for one in listed]
    assert answers == [{"done": 1, "already": 0, "gone": 1}, {"done": 0, "already": 1, "gone": 1}]
    assert [job["job"] for job in jobs] == ["review"]


def test_more_re_reviews_are_asked_for_with_a_button_that_says_what_they_would_tell(
    world: World, database: sa.Engine
) -> None:
    project = world.ground.project.id
    with web(database, world.home) as client:
        log_in(client, make_key(database, Role.ENGINEER))
        refresh_wrong_labels(world.ground.parts, project)
        page = client.get(f"{world.address}/label-quality").text
        data = {"form_token": form_token(page), "more": "30"}
        first, second = (client.post(f"{world.address}/re-reviews", data=data) for _ in range(2))
        after = [client.get(one.headers["location"]).text for one in (first, second)]

    assert "not yet known" in page and "30 more blind re-reviews give an interval about" in page
    assert [one.headers["location"].split("asked=")[1] for one in (first, second)] == ["30#wrong", "0#wrong"]
    assert "30 more labels will be re-reviewed" in after[0] and "earlier request still waits" in after[1]
    assert [(row.wanted, row.reason) for row in rows_of(database, ReReviewRequestRow)] == [(30, "from the page")]
    assert "re-reviews" in {row.action for row in rows_of(database, AuditRow)}


def test_a_reader_sees_what_re_reviews_would_tell_and_asks_for_none(world: World, database: sa.Engine) -> None:
    key, project = make_key(database, Role.READ), world.ground.project.id
    address = f"/api/projects/{project}/re-reviews"
    with web(database, world.home) as client:
        early = client.get(address, headers=bearer(key))
        refresh_wrong_labels(world.ground.parts, project)
        found = client.get(address, headers=bearer(key)).json()
        log_in(client, key)
        page = client.get(f"{world.address}/label-quality").text
        refused = client.post(address, headers=bearer(key), json={"more": 30})

    assert early.status_code == 404
    assert found["words"].startswith("not yet known") and "30 more" in found["offer"]
    assert found["figure"]["asked"] == 0
    assert "Ask for 30 more re-reviews" not in page and refused.status_code == 403


@pytest.mark.parametrize("body", [{"more": 0}, {"more": 1_001}, {"more": 3, "else": 1}])
def test_a_request_for_re_reviews_that_makes_no_sense_is_refused(
    world: World, database: sa.Engine, body: dict[str, int]
) -> None:
    with web(database, world.home) as client:
        key = make_key(database, Role.ENGINEER)
        answer = client.post(f"/api/projects/{world.ground.project.id}/re-reviews", headers=bearer(key), json=body)

    assert answer.status_code == 422
    assert rows_of(database, ReReviewRequestRow) == []


def test_figures_of_another_form_are_said_to_be_computed_again(world: World, database: sa.Engine) -> None:
    with transaction(database) as session:
        for name in OF_PEOPLE:
            factories.figure(session, world.ground.project.id, name, {"old": "form"})
    key = make_key(database, Role.READ)
    with web(database, world.home) as client:
        log_in(client, key)

        page = client.get(f"{world.address}/label-quality")
        suspects = client.get("/api/projects/animals/suspects", headers=bearer(key))

    assert page.status_code == 200
    assert page.text.count("Being computed again") == 6
    assert suspects.status_code == 404 and "computed again" in suspects.text


def test_a_form_without_its_token_is_refused(world: World, database: sa.Engine) -> None:
    with web(database, world.home) as client:
        log_in(client, make_key(database, Role.ENGINEER))
        answer = client.post(f"{world.address}/suspects", data={"what": "right", "label": str(world.labels[0])})

    assert answer.status_code == 403
    assert rows_of(database, LabelCheckRow) == []


def test_an_alarm_is_ended_on_the_page_with_a_reason(world: World, database: sa.Engine) -> None:
    with reading(database) as session:
        (alarm, *_) = alarms.open_alarms(session, world.ground.project.id)
    with web(database, world.home) as client:
        log_in(client, make_key(database, Role.ENGINEER, name="lea"))
        token = form_token(client.get(f"{world.address}/label-quality").text)
        data = {"form_token": token, "reason": "new camera, known"}
        client.post(f"{world.address}/alarms/{alarm.id}/end", data=data)
        after = client.get(f"{world.address}/label-quality").text

    assert "lea: new camera, known" in after


def test_a_project_without_figures_has_a_page(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(database, name="plain")

    with web(database, tmp_path) as client:
        log_in(client, make_key(database, Role.READ))
        answer = client.get(f"/projects/{project.id}/label-quality")

    assert answer.status_code == 200 and "Not yet known" in answer.text


def test_what_somebody_is_asked_about_again_is_not_shown(world: World, database: sa.Engine) -> None:
    """Its task may be blind: the page must not show what is still to be answered."""
    with reading(database) as session:
        data = dashboard.figures(session, world.ground.project.id)["label_errors"].data
        one = next(one for one in data["suspects"] if one["random"])
    with transaction(database) as session:
        standing = reviews.newest_of_images(session, world.ground.project.id, [one["image_id"]])[one["image_id"]]
        overlaps.want(session, {ReviewId(standing.review_id): 3}, Actor("x", "x", NOW))

    with web(database, world.home) as client:
        log_in(client, make_key(database, Role.ENGINEER))
        page = client.get(f"{world.address}/label-quality").text

    assert f'value="{one["label_id"]}"' not in page
