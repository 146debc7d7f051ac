"""The Team page, its API and its commands, over figures that the worker really computed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from db.repositories.people import annotators
from db.repositories.projects import projects
from db.session import reading, transaction
from db.tables import FigureRow, VoidRow
from labeling.jobs import Role
from labeling.project import Policy, Project, Team
from labeling.types import Actor, ReviewKind
from service.cli.app import app
from service.projects.pseudonyms import shown_name
from service.work.quality.annotators.team import refresh_team
from tests.conftest import NOW
from tests.service.labelled_pool import Ground
from tests.service.team_ground import (
    answers_of,
    ask_people,
    make_gold_of,
    people,
    rows,
    team_ground,
    truth_of,
    wrong_of,
)
from tests.service.web_client import bearer, make_key, web

HARD, GOLD = ReviewKind.HARD, ReviewKind.GOLD
HTML = {"Accept": "text/html"}


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Ground:
    """Ann is right, Bob never is, and the rule has paused Bob; <Cem> has answered two images."""
    ground = team_ground(database, tmp_path, make_project(database), pool=48, reserved=0)
    ann, bob, cem = people(ground, "ann@example.com", "bob@example.com", "<Cem>")
    make_gold_of(ground, ground.pool[:30])
    measured = ask_people(ground, ground.pool[:30], GOLD, wanted=3)
    asked = ask_people(ground, ground.pool[30:36], HARD, wanted=2)
    for who, how in ((ann, truth_of), (bob, wrong_of)):
        said = zip([*measured, *asked], ground.pool, strict=False)
        answers_of(ground, who, {review: how(ground, image) for review, image in said})
    alone = ask_people(ground, ground.pool[40:42], HARD)
    answers_of(ground, cem, dict.fromkeys(alone, "cat"))
    refresh_team(ground.parts, ground.project.id)
    return ground


@pytest.fixture
def client(ground: Ground, tmp_path: Path) -> Iterator[TestClient]:
    with web(ground.parts.database, tmp_path) as client:
        yield client


def log_in(client: TestClient, key: str) -> None:
    token = token_of(client.get("/login", headers=HTML).text)
    answer = client.post("/login", data={"key": key, "form_token": token}, headers=HTML)
    assert answer.status_code == 303, answer.text


def token_of(page: str) -> str:
    match = re.search(r'name="form_token" value="([^"]+)"', page)
    assert match
    return match[1]


def paused(ground: Ground) -> dict[str, bool]:
    with reading(ground.parts.database) as session:
        return {one.name: one.paused for one in annotators.everyone(session, ground.project.id)}


def numbers(ground: Ground) -> dict[str, int]:
    with reading(ground.parts.database) as session:
        return {one.name: one.id for one in annotators.everyone(session, ground.project.id)}


# --- the page -------------------------------------------------------------------------------------------


def test_the_page_shows_the_paused_one_first_with_the_rules_evidence(client: TestClient, ground: Ground) -> None:
    log_in(client, make_key(ground.parts.database, Role.READ))

    page = client.get(f"/projects/{ground.project.id}/team", headers=HTML).text

    assert page.index("bob@example.com") < page.index("ann@example.com")
    assert "by the rule" in page and "30 of 30 answers" in page
    assert "not yet known, of 0" in page
    assert "&lt;Cem&gt;" in page and "<Cem>" not in page
    assert '<svg class="interval"' in page
    assert "/void" not in page  # who may only look sees no switches


def test_images_on_which_somebody_differs_lead_to_their_history(client: TestClient, ground: Ground) -> None:
    log_in(client, make_key(ground.parts.database, Role.READ))

    page = client.get(f"/projects/{ground.project.id}/team", headers=HTML).text

    for image in ground.pool[30:36]:
        assert f'href="/projects/{ground.project.id}/images/{image}"' in page
    assert f"/images/{ground.pool[0]}" not in page  # gold is not shown


def test_a_lead_pauses_resumes_and_voids_on_a_second_page_with_a_reason(client: TestClient, ground: Ground) -> None:
    log_in(client, make_key(ground.parts.database, Role.ENGINEER))
    home, number = f"/projects/{ground.project.id}/team", numbers(ground)

    def do(name: str, deed: str, reason: str = "we talked about it") -> int:
        address = f"{home}/{number[name]}/{deed}"
        form = client.get(address, headers=HTML)
        assert form.status_code == 200 and "Why" in form.text
        data = {"reason": reason, "form_token": token_of(form.text)}
        return client.post(address, data=data, headers=HTML).status_code

    codes = [
        do("bob@example.com", "resume"),
        do("ann@example.com", "pause"),
        do("ann@example.com", "pause"),
        do("bob@example.com", "void"),
        do("ann@example.com", "resume", reason=" "),
    ]

    assert codes == [303, 303, 409, 303, 422]
    assert paused(ground) == {"ann@example.com": True, "bob@example.com": False, "<Cem>": False}
    assert [row.annotator_id for row in rows(ground.parts, VoidRow)] == [number["bob@example.com"]]
    assert "no longer count" in client.get(f"{home}?done=void", headers=HTML).text


def test_a_form_without_its_token_changes_nothing(client: TestClient, ground: Ground) -> None:
    log_in(client, make_key(ground.parts.database, Role.ENGINEER))
    address = f"/projects/{ground.project.id}/team/{numbers(ground)['ann@example.com']}/void"

    answer = client.post(address, data={"reason": "x", "form_token": "forged"}, headers=HTML)

    assert answer.status_code == 403
    assert rows(ground.parts, VoidRow) == []


def test_pseudonyms_hide_every_name(client: TestClient, ground: Ground) -> None:
    with transaction(ground.parts.database) as session:
        config = replace(ground.project.config, policy=Policy(team=Team(pseudonyms=True)))
        hidden = projects.configure(session, ground.project.id, config, Actor("test", "the works council asked", NOW))
    log_in(client, make_key(ground.parts.database, Role.READ))

    page = client.get(f"/projects/{ground.project.id}/team", headers=HTML).text

    assert "example.com" not in page and "Cem" not in page
    assert shown_name(hidden, numbers(ground)["ann@example.com"], "") in page


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (None, "No answer that counts yet"),
        ({}, "Being computed again"),
        ({"annotators": [{"annotator": "x"}]}, "Being computed again"),
    ],
)
def test_a_figure_that_is_missing_or_of_another_form_leaves_the_names(
    client: TestClient, ground: Ground, stored: dict[str, object] | None, words: str
) -> None:
    with transaction(ground.parts.database) as session:
        if stored is None:
            session.execute(sa.delete(FigureRow))
        else:
            session.execute(sa.update(FigureRow).where(FigureRow.name == "team").values(data=stored))
    log_in(client, make_key(ground.parts.database, Role.READ))

    page = client.get(f"/projects/{ground.project.id}/team", headers=HTML)

    assert page.status_code == 200
    assert "ann@example.com" in page.text and words in page.text


# --- API and commands -----------------------------------------------------------------------------------


def test_the_api_gives_the_figures_and_does_the_deeds(client: TestClient, ground: Ground) -> None:
    key, number = bearer(make_key(ground.parts.database, Role.ENGINEER)), numbers(ground)
    home = "/api/projects/animals/team"

    shown = client.get(home, headers=key).json()
    voided = client.post(f"{home}/{number['bob@example.com']}/void", json={"reason": "flips"}, headers=key)
    silent = client.post(f"{home}/{number['ann@example.com']}/pause", json={"reason": ""}, headers=key)
    unknown = client.post(f"{home}/999/pause", json={"reason": "who"}, headers=key)

    by_name = {one["name"]: one for one in shown["annotators"]}
    assert by_name["bob@example.com"]["evidence"]["harm"] == "errs more than the team"
    assert by_name["ann@example.com"]["figures"]["gold"] == {
        "known": True, "n": 30, "value": 1.0, "lower": 0.8843, "upper": 1.0,
    }  # fmt: skip
    assert voided.json()["voided"] == {"answers": 36, "images": 36, "labels": 6}
    assert (silent.status_code, unknown.status_code) == (422, 404)


def test_commands_and_api_say_that_figures_are_computed_again(
    client: TestClient, ground: Ground, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HARDCASE_HOME", str(tmp_path))
    monkeypatch.setenv("HARDCASE_DATABASE_URL", ground.parts.database.url.render_as_string(hide_password=False))
    with transaction(ground.parts.database) as session:
        session.execute(sa.update(FigureRow).where(FigureRow.name == "team").values(data={"old": "form"}))

    table = CliRunner().invoke(app, ["team", "show", "animals"]).stdout
    key = bearer(make_key(ground.parts.database, Role.READ))
    given = client.get(f"/api/projects/{ground.project.id}/team", headers=key).json()

    assert "being computed again" in table and " 0 " not in table
    assert given["outdated"] is True and {one["figures"] for one in given["annotators"]} == {None}


def test_the_commands_say_and_do_the_same(ground: Ground, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARDCASE_HOME", str(tmp_path))
    monkeypatch.setenv("HARDCASE_DATABASE_URL", ground.parts.database.url.render_as_string(hide_password=False))
    ann, run = str(numbers(ground)["ann@example.com"]), CliRunner()

    def said(*words: str) -> dict[str, object]:
        result = run.invoke(app, ["team", *words, "--json"])
        assert result.exit_code in (0, 1), result.output
        document: dict[str, object] = json.loads(result.stdout)
        return document

    table = run.invoke(app, ["team", "show", "animals"]).stdout
    one = said("show", "animals", ann)["annotators"]
    held = said("pause", "animals", ann, "--reason", "on holiday")
    again = said("pause", "animals", ann, "--reason", "on holiday")
    back = said("resume", "animals", ann, "--reason", "is back")
    voided = said("void", "animals", ann, "--reason", "wrong guidelines")

    assert "ann@exam" in table and "paused" in table
    assert [person["name"] for person in one] == ["ann@example.com"]  # type: ignore[attr-defined]
    assert (held["paused"], back["paused"], again["error"]) == (True, False, "Conflict")
    assert voided == {"answers": 36, "images": 36, "labels": 6}
