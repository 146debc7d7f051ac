"""What is shown of certificates, by page, API and command line, and the forecast before the first answer certifies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.session import reading
from db.tables import ShadowPickRow
from labeling.errors import Conflict
from labeling.jobs import Role
from labeling.project import Project
from service.exporting.columns import Record
from service.exporting.label_set import open_label_set
from service.labels.certificates import NO_GOLD, Certificates, read_certificates
from service.labels.image_history import story_of
from service.work.certify.forecast import forecast
from tests.service.certify.ground import POLICY, Certifying
from tests.service.cli.test_cli import Cli
from tests.service.web.test_web_pages import HTML, log_in
from tests.service.web_client import bearer, make_key, web

MakeGround = Callable[..., Certifying]


def state(made: Certifying) -> Certificates:
    with reading(made.ground.parts.database) as session:
        return read_certificates(session, made.ground.project)


def test_the_terms_and_what_is_due_are_shown_before_anything_was_tried(make: MakeGround) -> None:
    made = make()
    before = state(made)
    made.certify()
    made.play(1)

    after = state(made)

    assert before.due is not None and after.due is not None
    assert (before.due.size, before.attempts, before.standing) == (40, (), None)
    assert after.since is not None and 0 < after.due.answered <= 20
    assert after.sentence == "No certificate stands: nothing is promised."


def test_a_reserve_that_is_too_small_for_a_planned_size_is_named(make: MakeGround) -> None:
    small = make(pool=60, reserved=20)
    small.certify()

    found = state(small)

    assert found.due is not None and "The reserve holds 20 that may belong to it" in found.due.words


def test_what_a_strategy_would_have_picked_is_not_counted_for_a_planned_size(make: MakeGround) -> None:
    made = make(pool=60, reserved=50)
    made.certify()
    made.play(1)
    made.version()
    shadows = set(made.ground.scalars(sa.select(ShadowPickRow.group_id)))

    found = state(made)

    assert len(shadows) > 10 and found.due is not None
    assert f"The reserve holds {50 - len(shadows)} that may" in found.due.words


def test_a_last_attempt_with_fewer_than_planned_says_that_the_reserve_is_used_up(make: MakeGround) -> None:
    made = make(pool=120, reserved=60)
    made.certify()
    made.play(1)
    made.version()
    for _ in range(6):
        made.play(1)
        made.certify()

    last, found = made.all()[-1], state(made)

    assert (last.look, found.due is not None and found.due.size) == (2, None) and last.sampled < 80
    assert found.due is not None and f"with the {last.sampled} sampled images that there were (80 " in found.due.words


def test_a_project_without_a_target_says_so(make: MakeGround) -> None:
    found = state(make(replace(POLICY, certificate=None)))

    assert (found.terms, found.due, found.attempts) == (None, None, ())


def test_a_certificate_is_shown_with_its_terms_and_one_sentence(certified: Certifying) -> None:
    found = state(certified)

    one = found.standing
    assert one is not None and found.attempts == (one,)
    assert one.delivered == one.accepted and one.lower is not None and one.lower >= 0.8
    assert f"labelled {one.accepted:,} others" in found.sentence
    assert "at least 80 %" in found.sentence and "relative to adjudicated people" in found.sentence
    assert found.due is not None and found.due.size == 80


def test_page_and_api_show_it_to_everybody_who_may_read(
    certified: Certifying, database: sa.Engine, tmp_path: Path
) -> None:
    with web(database, tmp_path) as client:
        key = make_key(database, Role.READ)
        answer = client.get("/api/projects/animals/certificates", headers=bearer(key))
        client.headers.update(HTML)
        log_in(client, key)
        page = client.get("/projects/animals/certificates")

    body, found = answer.json(), state(certified)
    assert (answer.status_code, page.status_code) == (200, 200)
    assert body["sentence"] == found.sentence and len(body["attempts"]) == 1
    assert body["standing"]["accepted"] == len(certified.labels())
    words = " ".join(page.text.split()).replace("&#39;", "'")
    assert found.sentence in words and NO_GOLD in words
    assert found.standing is not None and found.standing.excluded == body["standing"]["excluded"] != {}
    assert all(why in words for why in found.standing.excluded)
    assert page.text.count("<img") > 12


def test_the_page_of_a_project_without_a_target_says_that_nothing_comes_from_the_machine(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    make_project(database)

    with web(database, tmp_path) as client:
        client.headers.update(HTML)
        log_in(client, make_key(database, Role.READ))
        page = client.get("/projects/animals/certificates")

    assert page.status_code == 200 and "names no target" in page.text


def test_the_history_of_an_image_names_its_certificate(certified: Certifying) -> None:
    image = next(iter(certified.labels()))

    with reading(certified.ground.parts.database) as session:
        home = certified.ground.parts.settings.home
        story = story_of(session, home, certified.ground.project, image, leads=True)

    [fact] = [one for one in story.facts if one.what == "label"]
    assert fact.details["certificate"] == 1 and fact.details["version"] == 1
    assert fact.why.startswith("accepted by certificate 1: at least 80 %")
    assert story.standing is not None and not story.standing.trains and not story.standing.measures


def test_an_export_marks_its_labels_and_names_the_version(certified: Certifying) -> None:
    parts = certified.ground.parts
    labels = open_label_set(parts.database, certified.ground.project, parts.images, None)

    found: list[Record] = [one for one in labels.records() if one.source == "certificate"]

    assert len(found) == len(certified.labels())
    assert {(one.decided, one.version, one.split, one.people) for one in found} == {("certificate", 1, "other", 0)}


def test_the_forecast_counts_answers_that_are_missing_and_reads_none_as_right(make: MakeGround) -> None:
    made = make()
    made.certify()
    with pytest.raises(Conflict, match="no version in use"):
        forecast(made.ground.parts, made.ground.project.id)
    made.play(1)
    made.version()
    made.play(1)

    ahead = forecast(made.ground.parts, made.ground.project.id)
    made.answer_all_wrong()

    assert (ahead.look, ahead.planned, ahead.version) == (1, 40, 1)
    assert ahead.missing is not None and ahead.missing >= 40 - ahead.answered > 0
    assert forecast(made.ground.parts, made.ground.project.id) == ahead
    assert made.all() == []


def test_without_a_target_there_is_no_forecast(make: MakeGround) -> None:
    made = make(replace(POLICY, certificate=None))

    with pytest.raises(Conflict, match="names no target"):
        forecast(made.ground.parts, made.ground.project.id)


def test_the_command_prints_what_stands_and_its_json_is_that_of_the_api(
    certified: Certifying, database: sa.Engine, tmp_path: Path
) -> None:
    cli = Cli(tmp_path)

    document, text = cli.document("certify", "animals"), cli("certify", "--project", "animals").output

    with web(database, tmp_path) as client:
        key = bearer(make_key(database, Role.READ))
        body = client.get("/api/projects/animals/certificates", headers=key).json()
    assert document["sentence"] == body["sentence"] == state(certified).sentence
    assert [one["accepted"] for one in document["attempts"]] == [one["accepted"] for one in body["attempts"]]
    assert "Promise: at least 80 %" in " ".join(text.split())
