"""Versions by API and on their pages: what is shown, who may act, and that the stream is withheld for a certificate."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from httpx import Response

from db.repositories.certificates import certificates
from db.repositories.versions import versions
from db.session import reading, transaction
from db.tables import AuditRow, ReviewRow
from labeling.jobs import JobName, Role
from labeling.project import CertificateTerms, Project
from labeling.types import ReviewKind, Verdict
from service.jobs.arguments import CompareArguments
from service.projects.version_comparison import NOT_THE_STREAM, VersionComparison, newest_comparison
from service.work.promote.compare import answer
from service.work.promote.judge import promote_by_hand
from service.work.worker import running_worker
from tests import factories
from tests.service.labelled_pool import Ground
from tests.service.learn import versions_ground
from tests.service.test_workflows import home_of
from tests.service.web.test_web_pages import HTML, log_in, token_of
from tests.service.web_client import bearer, make_key, web

MakeProject = Callable[..., Project]
VERSIONS = "/api/projects/animals/versions"


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: MakeProject) -> Ground:
    return versions_ground.two_versions(database, tmp_path, make_project)


@pytest.fixture
def measured(database: sa.Engine, tmp_path: Path, make_project: MakeProject) -> Ground:
    return versions_ground.two_versions(database, tmp_path, make_project, reserved=120, answered=100)


@pytest.fixture
def client(database: sa.Engine, tmp_path: Path) -> Iterator[TestClient]:
    """A client that calls the API as an engineer."""
    with web(database, tmp_path) as client:
        client.headers.update(bearer(make_key(database, Role.ENGINEER)))
        yield client


def compared(ground: Ground) -> None:
    """What the worker does when somebody has asked for it."""
    answer(ground.parts, ground.project.id, CompareArguments(2, 1, 20, "ada"))


def plan_a_certificate(ground: Ground) -> None:
    with transaction(ground.parts.database) as session:
        terms = {"config_version": 1, "newest_review": 0, "cursor": 0.0, "now": ground.clock()}
        certificates.add_terms(session, ground.project.id, CertificateTerms(precision=0.9), **terms)


# --- the API --------------------------------------------------------------------------------------------


def test_a_version_is_shown_with_its_card_and_its_verdicts(ground: Ground, client: TestClient) -> None:
    body, gone = client.get(f"{VERSIONS}/2").json(), client.get(f"{VERSIONS}/7")

    assert (body["listed"]["number"], body["listed"]["verdict"], body["listed"]["labels"]) == (2, "refused", 60)
    assert body["card"]["classes"] == ["cat", "dog", "bird"] and body["damage"] == ""
    assert body["verdicts"][0]["against"] == 1 and body["verdicts"][0]["passes"] > 0
    assert body["accuracy"] == {"known": False, "n": 0, "value": None, "lower": None, "upper": None}
    assert gone.status_code == 404


def test_a_comparison_is_asked_for_made_by_the_worker_and_shown(
    ground: Ground, client: TestClient, database: sa.Engine
) -> None:
    before = client.get(f"{VERSIONS}/2/comparison")
    asked = client.post(f"{VERSIONS}/2/comparison", json={"limit": 3})
    again = client.post(f"{VERSIONS}/2/comparison", json={"against": 1, "limit": 3})
    job = client.get(asked.json()["address"]).json()
    compared(ground)

    body = client.get(f"{VERSIONS}/2/comparison", params={"against": 1}).json()

    assert (before.status_code, "by POST" in before.json()["detail"]) == (404, True)
    assert (asked.status_code, job["job"], job["state"]) == (202, "compare", "ENQUEUED")
    assert again.json() == asked.json()  # the champion is version 1
    assert (body["first"], body["second"], body["pool"]) == (2, 1, 100)
    assert body["test"]["lower"] < body["test"]["difference"] < body["test"]["upper"]
    assert body["flipped"] == sum(one["images"] for one in body["flips"]) == len(body["images"]) + body["hidden"]
    assert "job.compare" in ground.scalars(sa.select(AuditRow.action))


def test_what_cannot_be_compared_is_refused_at_once(ground: Ground, client: TestClient) -> None:
    answers = [
        client.post(f"{VERSIONS}/{number}/comparison", json=body).status_code
        for number, body in ((1, {}), (2, {"against": 2}), (2, {"against": 9}), (9, {}), (2, {"limit": 999}))
    ]

    assert answers == [409, 422, 404, 404, 422]


def test_by_the_api_the_stream_is_withheld_while_a_certificate_is_planned(measured: Ground, client: TestClient) -> None:
    compared(measured)
    open_, version = client.get(f"{VERSIONS}/2/comparison").json(), client.get(f"{VERSIONS}/1").json()
    plan_a_certificate(measured)

    closed, withheld = client.get(f"{VERSIONS}/2/comparison").json(), client.get(f"{VERSIONS}/1").json()
    compared(measured)
    anew = client.get(f"{VERSIONS}/2/comparison").json()

    assert open_["from_stream"] and open_["test"]["images"] == 100 and version["accuracy"]["n"] == 100
    assert closed["test"] is None and closed["images"] == [] and closed["why"] == NOT_THE_STREAM
    assert withheld["accuracy"]["value"] is None and withheld["recall"] == [] and withheld["withheld"]
    assert not anew["from_stream"] and anew["test"]["images"] == 60 and anew["unlisted"] > 0


def test_what_a_blind_review_hides_is_shown_to_leads_only(
    ground: Ground, client: TestClient, database: sa.Engine
) -> None:
    compared(ground)
    image = client.get(f"{VERSIONS}/2/comparison").json()["images"][0]["image_id"]
    with transaction(database) as session:
        factories.review(session, ground.project.id, image, ReviewKind.RANDOM, blind=True)

    of_reader = client.get(f"{VERSIONS}/2/comparison", headers=bearer(make_key(database, Role.READ))).json()
    of_lead = client.get(f"{VERSIONS}/2/comparison").json()

    assert image in ground.scalars(sa.select(ReviewRow.image_id))
    assert of_reader["hidden"] == 1 and image not in {one["image_id"] for one in of_reader["images"]}
    assert of_lead["hidden"] == 0 and of_lead["images"][0]["image_id"] == image


# --- the pages ------------------------------------------------------------------------------------------

PAGES = "/projects/animals/models"


@pytest.fixture
def browser(database: sa.Engine, tmp_path: Path) -> Iterator[TestClient]:
    with web(database, tmp_path) as client:
        client.headers.update(HTML)
        yield client


def page(browser: TestClient, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200, answer.text
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text.replace("&#39;", "'")).split())


def send(browser: TestClient, number: int, **form: str) -> Response:
    token = token_of(browser.get(PAGES).text)
    return browser.post(f"{PAGES}/{number}", data={"form_token": token, **form})


def test_the_page_lists_every_version_with_its_verdict_and_gain(ground: Ground, browser: TestClient) -> None:
    log_in(browser, make_key(ground.parts.database, Role.READ))

    words = page(browser, PAGES)

    assert re.search(r"Version 2 2026-11-21 12:00 UTC answered 60 refused 60 training images, .* [+-]\d+\.\d \(", words)
    assert "Version 1 champion" in words and "promoted by hand nothing yet not yet known" in words


def test_the_page_of_a_version_has_its_card_its_verdicts_and_what_they_could_detect(
    ground: Ground, browser: TestClient
) -> None:
    log_in(browser, make_key(ground.parts.database, Role.READ))

    words = page(browser, f"{PAGES}/2")

    assert "logistic, concatenation" in words and "refused, against version 1" in words
    assert "What this could have detected" in words and "The two were not compared yet." in words
    assert "Class Trained on cat" in words
    assert "<form" not in browser.get(f"{PAGES}/2").text.split("<main")[1]  # a reader may not act
    assert browser.get(f"{PAGES}/9").status_code == 404


def test_the_champion_beside_it_is_shown_with_pictures_of_what_changes(ground: Ground, browser: TestClient) -> None:
    compared(ground)
    log_in(browser, make_key(ground.parts.database, Role.ENGINEER))

    text = browser.get(f"{PAGES}/2").text
    words = page(browser, f"{PAGES}/2")

    flipped = int(re.findall(r"they say different classes of (\d+)", words)[0])
    assert text.count("<img") == min(flipped, 20) > 0 and "/media/picture/" in text
    assert "Version 2 against version 1:" in words and "What changes, the most frequent first" in words
    assert "Compare with version 1 again" in words


def test_on_the_page_the_stream_is_withheld_while_a_certificate_is_planned(
    measured: Ground, browser: TestClient
) -> None:
    compared(measured)
    log_in(browser, make_key(measured.parts.database, Role.ENGINEER))
    open_ = page(browser, f"{PAGES}/2"), page(browser, f"{PAGES}/1")
    plots = [len(re.findall(r'<img class="plot"', browser.get(of).text)) for of in (PAGES, f"{PAGES}/1")]
    plan_a_certificate(measured)

    closed = page(browser, f"{PAGES}/2"), page(browser, f"{PAGES}/1")

    assert "Version 2 against version 1" in open_[0] and "Right, random stream" in open_[1]
    assert "Version 2 against version 1" not in closed[0] and NOT_THE_STREAM in closed[0]
    assert "Right, random stream" not in closed[1] and "Accuracy on the collection" not in closed[1]
    assert plots == [1, 1] and NOT_THE_STREAM in page(browser, PAGES)
    assert not [of for of in (PAGES, f"{PAGES}/1", f"{PAGES}/2") if "<img" in browser.get(of).text]


def test_a_promotion_and_a_comparison_are_asked_for_with_name_and_reason(ground: Ground, browser: TestClient) -> None:
    log_in(browser, make_key(ground.parts.database, Role.ENGINEER, name="ada"))

    promoted = send(browser, 2, deed="promote", reason="new camera")
    asked = send(browser, 2, deed="compare", against="1")
    shown = page(browser, f"{PAGES}/2?done=promote")

    assert (promoted.status_code, promoted.headers["location"]) == (303, "/projects/1/models/2?done=promote")
    assert asked.headers["location"] == "/projects/1/models/2?done=compare&against=1"
    assert "The worker is at it" in shown and "Putting it in use is asked for" in shown
    jobs = [row.detail["args"] for row in rows_of_audit(ground) if row.action == "job.promote"]
    assert jobs == [['{"by_hand":{"action":"promote","version":2,"author":"ada","reason":"new camera"}}']]


def test_what_would_do_nothing_or_another_thing_is_refused_on_the_page(ground: Ground, browser: TestClient) -> None:
    log_in(browser, make_key(ground.parts.database, Role.ENGINEER))

    answers = [
        send(browser, 1, deed="promote", reason="again"),  # in use already
        send(browser, 2, deed="rollback", reason="not in use"),
        send(browser, 1, deed="rollback", reason="none before"),
        send(browser, 2, deed="promote", reason="  "),
        send(browser, 9, deed="promote", reason="gone"),
    ]

    assert [answer.status_code for answer in answers] == [409, 409, 409, 422, 404]
    assert not [row for row in rows_of_audit(ground) if row.action == "job.promote"]


def test_only_who_may_act_does_and_only_by_a_form_of_ours(ground: Ground, browser: TestClient) -> None:
    log_in(browser, make_key(ground.parts.database, Role.READ))
    reader = send(browser, 2, deed="promote", reason="mine")
    log_in(browser, make_key(ground.parts.database, Role.ENGINEER))
    forged = browser.post(f"{PAGES}/2", data={"form_token": "x", "deed": "promote", "reason": "forged"})

    assert (reader.status_code, forged.status_code) == (403, 403)
    assert not [row for row in rows_of_audit(ground) if row.action == "job.promote"]


def test_a_rollback_on_the_page_changes_the_champion_and_the_queue_is_asked_for_anew(
    ground: Ground, browser: TestClient, tmp_path: Path
) -> None:
    promote_by_hand(ground.parts, ground.project.id, 2, "ada", "new camera")
    log_in(browser, make_key(ground.parts.database, Role.ENGINEER, name="ada"))
    before = page(browser, f"{PAGES}/2")

    done = send(browser, 2, deed="rollback", reason="worse at night")
    home = home_of(ground.parts.database, tmp_path)
    [job] = [one for one in home.jobs.list() if one.job == "promote"]
    with running_worker(home.settings):
        state = home.ended(job.id)
        asked = {one.job for one in home.jobs.list()}
    home.jobs.close()

    assert "Roll back to version 1" in before and done.status_code == 303 and state == "SUCCESS"
    with reading(ground.parts.database) as session:
        champion = versions.champion(session, ground.project.id)
        verdict = versions.promotions(session, ground.project.id)[-1]
    assert champion is not None and champion.number == 1
    assert (verdict.verdict, verdict.author) == (Verdict.ROLLED_BACK, "ada") and "worse at night" in verdict.reasons[0]
    assert {"review", "select", "figures"} <= asked  # review pushes the order of the queue
    assert "Version 1 champion" in page(browser, PAGES)


def test_the_job_compare_is_done_by_the_worker(ground: Ground, tmp_path: Path) -> None:
    home = home_of(ground.parts.database, tmp_path)

    with running_worker(home.settings):
        job = home.ask(JobName.COMPARE, ground.project, arguments=CompareArguments(2, 1, 5, "ada"))
        state = home.ended(job)
    home.jobs.close()

    with reading(ground.parts.database) as session:
        made = newest_comparison(session, ground.project, 2, 1)
    assert state == "SUCCESS" and isinstance(made, VersionComparison) and len(made.images) == 5


def rows_of_audit(ground: Ground) -> list[AuditRow]:
    with reading(ground.parts.database) as session:
        return list(session.scalars(sa.select(AuditRow)))
