"""The figure of the next attempt: counted by the worker, refreshed when facts change, shown everywhere, blind to what
certifies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.session import reading
from labeling.jobs import Role
from labeling.project import CertificateTerms, Policy, Project
from service.figures.machine_labels import NextAttempt
from service.projects.savings import NOT_COUNTED, next_attempt
from service.work.figures.next_attempt import refresh_next_attempt
from tests.service.certify.ground import POLICY, TERMS, Certifying
from tests.service.cli.test_cli import Cli
from tests.service.labelled_pool import make_ground
from tests.service.web.test_web_pages import HTML, log_in
from tests.service.web_client import bearer, make_key, web

MakeGround = Callable[..., Certifying]


@pytest.fixture
def make(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> MakeGround:
    def made(policy: Policy = POLICY, **sizes: int) -> Certifying:
        project = make_project(database, policy=policy)
        return Certifying(make_ground(database, tmp_path, project, **{"pool": 240, "reserved": 80, **sizes}))

    return made


def with_version(made: Certifying) -> Certifying:
    """One version in use, and half of the first planned size answered."""
    made.certify()
    made.play(2)
    made.version()
    return made


def counted(made: Certifying) -> NextAttempt:
    """Count it, and read it as pages do."""
    refresh_next_attempt(made.ground.parts, made.ground.project.id)
    with reading(made.ground.parts.database) as session:
        found = next_attempt(session, made.ground.project)
    assert found is not None
    return found


def test_it_says_how_many_images_may_be_accepted_and_which_answers_are_missing(make: MakeGround) -> None:
    made = with_version(make(replace(POLICY, certificate=replace(TERMS, first_size=60, sizes=1))))

    found = counted(made)

    assert found.missing and found.answered and found.expected and found.others
    assert (found.version, found.planned) == (1, 60) and found.labels >= 30
    assert 0 <= (found.at_least or 0) <= found.expected <= found.others
    assert f"About {found.missing} more answers of the stream" in found.words and "not measured" in found.words
    assert f"{found.expected} of {found.others} others" in found.words


def test_it_is_counted_again_when_facts_change_and_not_else(make: MakeGround) -> None:
    made = with_version(make())
    parts, of = made.ground.parts, made.ground.project.id

    first, again = refresh_next_attempt(parts, of), refresh_next_attempt(parts, of)
    made.play(1)

    assert (first, again, refresh_next_attempt(parts, of)) == ({"next_attempt": 1}, {"next_attempt": 0}, first)


def test_it_is_the_same_whether_certifying_answers_are_right_or_wrong(make: MakeGround) -> None:
    made = with_version(make(replace(POLICY, certificate=replace(TERMS, people=1))))
    before = counted(made)

    made.answer_all_wrong()

    assert counted(made) == before


def test_a_finished_data_set_is_forecast_too(make: MakeGround) -> None:
    terms = CertificateTerms(finished=0.2, first_size=60, sizes=1, audit=0)

    found = counted(with_version(make(replace(POLICY, certificate=terms))))

    assert found.expected and found.others and found.expected <= found.others


def test_where_the_reserve_holds_too_few_the_attempt_with_all_of_them_is_forecast(make: MakeGround) -> None:
    made = with_version(make(replace(POLICY, certificate=replace(TERMS, first_size=400, sizes=1)), reserved=60))

    found = counted(made)

    assert found.planned is not None and found.planned < 60 and found.missing is not None
    assert "The reserve holds no more of them" in found.words


def test_without_a_version_and_after_the_last_size_it_says_why(make: MakeGround) -> None:
    made = make(replace(POLICY, certificate=replace(TERMS, sizes=1)))
    made.certify()
    before = counted(made)
    made.until_certified()

    after = counted(made)

    assert (before.expected, after.expected) == (None, None)
    assert "no version in use" in before.words and "every planned size" in after.words


def test_a_project_without_a_target_has_none(make: MakeGround) -> None:
    made = make(replace(POLICY, certificate=None))

    assert refresh_next_attempt(made.ground.parts, made.ground.project.id) == {}
    with reading(made.ground.parts.database) as session:
        assert next_attempt(session, made.ground.project) is None


def test_pages_api_and_commands_say_it_in_the_same_words(make: MakeGround, database: sa.Engine, tmp_path: Path) -> None:
    made = with_version(make(replace(POLICY, certificate=replace(TERMS, first_size=60, sizes=1))))
    cli = Cli(tmp_path)
    uncounted = [" ".join(cli(command, "animals").output.split()) for command in ("savings", "certify")]
    words = counted(made).words

    with web(database, tmp_path) as client:
        key = make_key(database, Role.READ)
        about = ("savings", "certificates")
        bodies = [client.get(f"/api/projects/animals/{of}", headers=bearer(key)).json() for of in about]
        client.headers.update(HTML)
        log_in(client, key)
        pages = [client.get(f"/projects/animals/{of}").text for of in about]
    said = [cli(command, "animals").output for command in ("savings", "certify")]

    assert all(NOT_COUNTED in one for one in uncounted)
    assert {body["next_attempt"]["words"] for body in bodies} == {words}
    assert all(f"Next attempt: {words}" in " ".join(one.split()) for one in (*pages, *said))
    assert "images the next certificate may accept" in pages[0] and "a forecast, not measured" in pages[0]
    assert cli.document("certify", "animals")["next_attempt"] == bodies[0]["next_attempt"]
    assert "at_most" not in cli.document("certify", "animals", "--dry-run")
