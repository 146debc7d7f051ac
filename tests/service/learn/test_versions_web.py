"""Versions by API and on their pages: what is shown, who may act, and that the stream is withheld for a certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from db.repositories.certificates import certificates
from db.session import transaction
from db.tables import AuditRow, ReviewRow
from labeling.jobs import Role
from labeling.project import CertificateTerms, Project
from labeling.types import ReviewKind
from service.jobs.arguments import CompareArguments
from service.projects.version_comparison import NOT_THE_STREAM
from service.work.promote.compare import answer
from tests import factories
from tests.service.labelled_pool import Ground
from tests.service.learn import versions_ground
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
