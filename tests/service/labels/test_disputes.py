"""Disputes by page and API: highest expected damage first, blind where it must be; the label follows a decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from db.repositories.people import annotators
from db.session import transaction
from db.tables import DecisionRow, ImageRow, LabelRow, OverlapRow
from labeling.jobs import Role
from labeling.project import Policy, Project, Team
from labeling.types import Actor, ImageId, ReviewId, ReviewKind
from service.labels.resolution import resolve_labels
from tests import factories
from tests.answering import answer, engine_in_force, images_of, people
from tests.conftest import NOW
from tests.reviewing import ask, label_values, rows_of
from tests.service.web.test_web_pages import HTML, log_in, token_of
from tests.service.web_client import bearer, make_key, web

PAGE, API = "/projects/1/disputes", "/api/projects/1"
HARD, AUDIT, RANDOM = ReviewKind.HARD, ReviewKind.AUDIT, ReviewKind.RANDOM
CONFLICT = {"ann": "cat", "bob": "dog"}


@pytest.fixture
def project(database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    return make_project(database)


@pytest.fixture
def client(database: sa.Engine, project: Project, tmp_path: Path) -> Iterator[TestClient]:
    with web(database, tmp_path) as client:
        yield client


def _disputed(
    database: sa.Engine, project: Project, kinds: list[ReviewKind], said: dict[str, str] = CONFLICT
) -> tuple[list[ReviewId], list[ImageId]]:
    with transaction(database) as session:
        known = people(session, project, "ann", "bob", "eve")
        engine_in_force(session, project)
        number = len(session.execute(sa.text("SELECT id FROM query")).all()) + 1
        made = ask(session, project, number, kinds, probs=[[0.05, 0.05, 0.9]] * len(kinds))
        for review in made:
            answer(session, review, {known[name]: value for name, value in said.items()})
        images = images_of(session, made)
        resolve_labels(session, project, images, NOW)
    return made, images


def _listed(client: TestClient, database: sa.Engine) -> list[dict[str, object]]:
    answer = client.get(f"{API}/disputes", headers=bearer(make_key(database, Role.READ)))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, object]] = answer.json()["items"]
    return items


def test_the_highest_expected_damage_comes_first_with_each_answer(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    _, [hard] = _disputed(database, project, [HARD])
    _, [twins] = _disputed(database, project, [HARD])
    with transaction(database) as session:
        group = session.get_one(ImageRow, twins).group_id
        for name in "xy":  # two more that look like it
            factories.image(session, project.id, name * 16, group_id=group)
    _disputed(database, project, [HARD], {"ann": "cat", "bob": "cat", "eve": "dog"})

    items = _listed(client, database)

    assert [(item["image_id"], item["damage"]) for item in items] == [(twins, 1.5), (hard, 0.5)]
    assert items[0]["votes"] == [
        {"who": "ann", "answer": "cat", "probability": None},
        {"who": "bob", "answer": "dog", "probability": None},
    ]
    assert items[0]["engine"] == {"who": "test", "answer": "bird", "probability": 0.9}


def test_what_certificates_and_gates_rest_on_weighs_more_and_is_decided_blind(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    _disputed(database, project, [HARD, RANDOM, AUDIT])

    items = _listed(client, database)

    assert ({item["kind"] for item in items[:2]}, items[2]["kind"]) == ({"random", "audit"}, "hard")
    assert [(item["blind"], item["votes"], item["engine"]) for item in items[:2]] == [(True, [], None)] * 2


def test_names_are_pseudonyms_where_the_policy_says_so(
    client: TestClient, database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    shy = make_project(database, name="shy", policy=Policy(team=Team(pseudonyms=True)))
    _disputed(database, shy, [HARD])

    found = client.get("/api/projects/shy/disputes", headers=bearer(make_key(database)))

    assert "annotator" in found.text
    assert '"ann"' not in found.text and '"bob"' not in found.text


def test_a_later_review_that_contradicts_an_earlier_one_is_a_dispute_until_one_is_void(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    _, [image] = _disputed(database, project, [HARD], {"ann": "cat"})
    with transaction(database) as session:
        known = people(session, project, "ann", "bob", "eve")
        [again] = ask(session, project, 9, [ReviewKind.RELABEL])
        session.execute(sa.text("UPDATE review SET image_id = :image WHERE id = :id"), {"image": image, "id": again})
        answer(session, again, {known["bob"]: "dog"}, at=NOW + timedelta(minutes=5))
        resolve_labels(session, project, [image], NOW)

    before = _listed(client, database)
    with transaction(database) as session:
        annotators.void(session, known["ann"], Actor("lead", "random", NOW))
    after = _listed(client, database)

    assert [(item["image_id"], item["why"], item["label"]) for item in before] == [
        (image, "a later answer contradicts an earlier one", "dog")
    ]
    assert after == []


def test_decisions_of_one_or_many_make_labels_at_once_and_can_be_taken_back(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    _, [first, second, third] = _disputed(database, project, [HARD, RANDOM, HARD])
    key = bearer(make_key(database, Role.ENGINEER, name="lena"))
    values = [(first, "cat"), (second, "dog"), (third, "unsure")]
    body = {
        "decisions": [{"image_id": image, "value": value} for image, value in values],
        "kind": "adjudication",
        "reason": "checked closely",
    }

    decided = client.post(f"{API}/decisions", json=body, headers=key)
    held, open_ = label_values(database, project.id), _listed(client, database)
    back = {"decisions": [{"image_id": first, "value": None}], "reason": "not so sure"}
    taken = client.post(f"{API}/decisions", json=back, headers=key)

    assert (decided.status_code, decided.json()) == (200, {"decided": 3})
    assert (held, open_) == ({first: "cat", second: "dog"}, [])
    assert taken.json() == {"decided": 1}
    assert [item["image_id"] for item in _listed(client, database)] == [first]
    row = rows_of(database, DecisionRow)[0]
    assert (row.kind, row.author, row.reason) == ("adjudication", "lena", "checked closely")
    label = next(row for row in rows_of(database, LabelRow) if row.value == "dog")
    assert label.review_id is not None and label.evidence["kind"] == "adjudication"


@pytest.mark.parametrize(
    "body",
    [
        {"decisions": [{"image_id": 1, "value": "wolf"}], "reason": "so"},
        {"decisions": [{"image_id": 99, "value": "cat"}], "reason": "so"},
        {"decisions": [{"image_id": 1, "value": "cat"}], "reason": " "},
        {"decisions": [{"image_id": 1, "value": "cat"}]},
        {"decisions": [], "reason": "so"},
    ],
)
def test_what_is_no_decision_is_refused_and_changes_nothing(
    client: TestClient, database: sa.Engine, project: Project, body: dict[str, object]
) -> None:
    _disputed(database, project, [HARD])

    answer = client.post(f"{API}/decisions", json=body, headers=bearer(make_key(database)))

    assert answer.status_code == 422
    assert rows_of(database, DecisionRow) == []


def test_what_nobody_could_tell_is_listed_by_state_with_who_and_is_decided_here(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    [review], [image] = _disputed(database, project, [ReviewKind.RANDOM], {"ann": "unsure", "bob": ""})
    _disputed(database, project, [HARD], {"ann": "cat", "bob": "unsure"})
    key = bearer(make_key(database, name="lena"))

    found = client.get(f"{API}/undecided?state=lead", headers=key).json()
    none = client.get(f"{API}/undecided?state=asked", headers=key).json()
    dispute = _listed(client, database)[0]
    body = {"decisions": [{"image_id": image, "value": "unsure"}], "kind": "adjudication", "reason": "too dark"}
    client.post(f"{API}/decisions", json=body, headers=key)
    after = client.get(f"{API}/undecided", headers=key).json()

    assert found["counts"] == {"asked": 0, "lead": 1, "undecidable": 0}
    [item] = found["items"]
    assert (item["image_id"], item["review_id"], item["kind"], item["state"]) == (image, review, "random", "lead")
    assert (item["unsure"], item["skipped"], item["unviewed"]) == (["ann"], ["bob"], [])
    assert none["items"] == []
    assert (dispute["image_id"], dispute["why"], dispute["votes"]) == (image, "nobody could tell", [])
    assert [(one["image_id"], one["state"]) for one in after["items"]] == [(image, "undecidable")]
    assert _listed(client, database) == []


def test_asking_again_wants_a_third_person(client: TestClient, database: sa.Engine, project: Project) -> None:
    [review], [image] = _disputed(database, project, [HARD])
    body = {"image_ids": [image], "reason": "too dark"}

    asked = client.post(f"{API}/ask-again", json=body, headers=bearer(make_key(database, name="lena")))

    assert asked.json() == {"another": 1, "new": 0, "open": 0}
    assert [(row.review_id, row.people, row.author) for row in rows_of(database, OverlapRow)] == [(review, 3, "lena")]
    assert [item["waiting"] for item in _listed(client, database)] == [True]


def test_the_page_shows_one_at_a_time_and_the_next_comes_with_the_reason_kept(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    _, [first, second] = _disputed(database, project, [HARD, HARD])
    client.headers.update(HTML)
    log_in(client, make_key(database, Role.ENGINEER, name="lena"))
    page = client.get(PAGE).text
    fields = {"form_token": token_of(page), "image": first, "value": "bird", "reason": "beak & wings"}

    answer = client.post(PAGE, data=fields)
    following = client.get(answer.headers["location"]).text

    assert f"<h2>Image {first}</h2>" in page and "ann" in page and 'accesskey="1"' in page
    assert answer.status_code == 303
    assert label_values(database, project.id) == {first: "bird"}
    assert f"<h2>Image {second}</h2>" in following and "beak &amp; wings" in following and "1 image done" in following


def test_the_page_says_how_many_were_really_asked_again(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    _, [image] = _disputed(database, project, [HARD])
    client.headers.update(HTML)
    log_in(client, make_key(database, Role.ENGINEER))
    fields = {"form_token": token_of(client.get(PAGE).text), "image": image, "reason": "too dark", "deed": "ask"}

    first, again = (client.post(PAGE, data=fields).headers["location"] for _ in range(2))

    assert first.endswith("done=1") and again.endswith("done=0")


def test_the_page_of_a_blind_dispute_shows_neither_votes_nor_engine(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    _disputed(database, project, [RANDOM])
    client.headers.update(HTML)
    log_in(client, make_key(database, Role.ENGINEER))

    page = client.get(PAGE).text

    assert "decided blind" in page
    assert "<th>ann</th>" not in page and "<dt>ann</dt>" not in page and "test</th>" not in page


def test_several_are_decided_from_the_list_and_who_may_only_read_sees_no_buttons(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    _, images = _disputed(database, project, [HARD] * 3)
    client.headers.update(HTML)
    log_in(client, make_key(database, Role.ENGINEER))
    token = token_of(client.get(PAGE).text)

    client.post(PAGE, data={"form_token": token, "image": images[:2], "value": "cat", "reason": "both"})
    log_in(client, make_key(database, Role.READ))
    shown = client.get(PAGE).text

    assert label_values(database, project.id) == dict.fromkeys(images[:2], "cat")
    assert "Ask another person" not in shown
