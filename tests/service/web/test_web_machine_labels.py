"""Machine labels by API and on their page: listed, downloaded, chosen by a threshold, hidden from who may not see."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from db.session import transaction
from labeling.jobs import Role
from labeling.project import Project
from labeling.types import ReviewKind
from service.work.figures.refresh import refresh
from tests import factories
from tests.service.labelled_pool import Ground, add_champion, add_images, make_ground
from tests.service.web.test_web_pages import HTML, log_in
from tests.service.web_client import bearer, make_key, web

API = "/api/projects/animals"
PAGE = "/projects/animals/machine-labels"


@pytest.fixture
def ground(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Ground:
    """60 images, 10 of them labelled, and 40 sampled ones; no version yet."""
    ground = make_ground(database, tmp_path, make_project(database), pool=60, reserved=40)
    ground.label(ground.pool[:10], ReviewKind.HARD)
    ground.label(ground.reserved, ReviewKind.RANDOM)
    return ground


@pytest.fixture
def client(ground: Ground, database: sa.Engine, tmp_path: Path) -> Iterator[TestClient]:
    with web(database, tmp_path) as client:
        yield client


def promoted(ground: Ground) -> None:
    """A version that is right but for one sampled image in ten; the later the image, the surer."""
    images = ground.pool + ground.reserved
    named = [(ground.truth[i] + (i in ground.reserved[::10])) % 3 for i in images]
    sure = np.linspace(0.5, 0.95, len(images))
    probs = [np.where(np.arange(3) == n, p, (1 - p) / 2) for n, p in zip(named, sure, strict=True)]
    add_champion(ground.parts, ground.project, images, np.array(probs))


def key(ground: Ground, role: Role = Role.ENGINEER) -> dict[str, str]:
    return bearer(make_key(ground.parts.database, role))


def get(client: TestClient, ground: Ground, path: str, role: Role = Role.ENGINEER, status: int = 200) -> Any:
    answer = client.get(f"{API}{path}", headers=key(ground, role))
    assert answer.status_code == status, answer.text
    return answer.json()


def shown(client: TestClient, ground: Ground, query: str = "", role: Role = Role.ENGINEER) -> str:
    """The page after the worker has counted."""
    refresh(ground.parts, ground.project.id)
    client.headers.update(HTML)
    log_in(client, make_key(ground.parts.database, role))
    answer = client.get(f"{PAGE}{query}")
    assert answer.status_code == 200, answer.text
    return " ".join(answer.text.split())


def test_before_the_first_version_everything_says_that_there_is_none(client: TestClient, ground: Ground) -> None:
    one = get(client, ground, f"/images/{ground.pool[0]}/machine-label")
    listed = get(client, ground, "/machine-labels")["items"]
    refused = get(client, ground, "/machine-labels/download", status=409)
    page = shown(client, ground)

    assert one["machine_label"] is None and "no version yet" in one["why"]
    assert {item["machine_label"] for item in listed} == {None}
    assert "no version yet" in refused["detail"]
    assert "No version yet" in page and "Download" not in page
    assert "None: There is no version yet" in client.get(f"/projects/animals/images/{ground.pool[20]}").text


def test_an_image_is_given_with_label_and_machine_label(client: TestClient, ground: Ground) -> None:
    promoted(ground)

    found = get(client, ground, f"/images/{ground.pool[0]}/machine-label", Role.READ)

    assert found == {
        "image_id": ground.pool[0],
        "label": "cat",
        "machine_label": "cat",
        "probability": 0.5,
        "score": pytest.approx(0.5, abs=1e-3),
        "version": 1,
        "why": "",
        "hidden": False,
    }
    assert get(client, ground, "/images/9999/machine-label", status=404)["detail"] == "This project has no such image."


def test_the_list_names_every_image_in_slices(client: TestClient, ground: Ground) -> None:
    promoted(ground)
    [late] = add_images(ground, 1, False)
    found, cursor = [], ""
    while True:
        part = get(client, ground, f"/machine-labels?limit=30{cursor}")
        found += part["items"]
        if part["next_cursor"] is None:
            break
        cursor = f"&cursor={part['next_cursor']}"

    assert [item["image_id"] for item in found] == sorted([*ground.truth], reverse=True)
    assert {item["image_id"]: item["why"] for item in found if item["why"]} == {
        late: "it came after version 1 had predicted"
    }
    rest = get(client, ground, "/machine-labels?images=rest&at_least=0.7&limit=200")["items"]
    assert rest and all(item["label"] is None and item["score"] >= 0.7 for item in rest)


@pytest.mark.parametrize("query", ["at_least=2", "at_least=nan", "images=none", "label=lion", "limit=0"])
def test_a_filter_that_cannot_be_used_is_refused(client: TestClient, ground: Ground, query: str) -> None:
    promoted(ground)

    get(client, ground, f"/machine-labels?{query}", status=422)


def test_what_a_blind_review_hides_is_hidden_from_readers_everywhere(client: TestClient, ground: Ground) -> None:
    promoted(ground)
    image = ground.pool[-1]
    with transaction(ground.parts.database) as session:
        factories.review(session, ground.project.id, image, ReviewKind.RANDOM, blind=True)

    one = get(client, ground, f"/images/{image}/machine-label", Role.READ)
    facts = get(client, ground, f"/images/{image}/history", Role.READ)["facts"]
    page = shown(client, ground, role=Role.READ)
    of_image = client.get(f"/projects/animals/images/{image}").text
    lead = get(client, ground, f"/images/{image}/machine-label", Role.ENGINEER)

    assert (one["hidden"], one["machine_label"], one["score"]) == (True, None, None)
    assert "prediction" not in {fact["what"] for fact in facts}
    assert f'/images/{image}"' not in page and "Machine label</h2>" not in of_image
    assert "Download" not in page
    assert lead["machine_label"] is not None
    assert get(client, ground, "/machine-labels/download", Role.READ, status=403)


def test_the_download_is_a_file_of_machine_labels_alone(client: TestClient, ground: Ground) -> None:
    promoted(ground)

    lines = client.get(f"{API}/machine-labels/download?form=jsonl&at_least=0.6", headers=key(ground))
    cells = client.get(f"{API}/machine-labels/download?images=all", headers=key(ground))

    rows = [json.loads(line) for line in lines.text.splitlines()]
    assert {row["source"] for row in rows} == {"machine"} and all(row["score"] >= 0.6 for row in rows)
    assert {row["image"] for row in rows} <= set(ground.pool[10:])
    assert lines.headers["content-disposition"] == 'attachment; filename="machine-labels-1-version-1.jsonl"'
    assert lines.headers["content-type"].startswith("application/jsonl")
    assert len(list(csv.DictReader(cells.text.splitlines()))) == 100


def test_a_download_of_another_versions_thresholds_is_refused(client: TestClient, ground: Ground) -> None:
    promoted(ground)
    promoted(ground)

    refused = get(client, ground, "/machine-labels/download?version=1", status=409)

    assert "Version 2 is in use now" in refused["detail"] and "Open the page again" in refused["detail"]


def test_the_page_shows_each_threshold_with_its_bound_and_offers_its_file(client: TestClient, ground: Ground) -> None:
    promoted(ground)

    page = shown(client, ground)

    [loosest] = re.findall(
        r"With a score of (0\.\d{4}) or more: 50 of 50 images, of whose machine labels at least", page
    )
    assert page.count("</tr>") == 10
    assert "never a certificate" in page and "98.75 %" in page
    assert f'name="at_least" value="{float(loosest)}"' in page
    download = client.get(f"{PAGE}/download?at_least={float(loosest)}&version=1&images=rest&form=csv")
    assert len(list(csv.DictReader(download.text.splitlines()))) == 50
    assert "<script" not in page and "style=" not in page


def test_a_chosen_threshold_is_read_out_and_stays_chosen(client: TestClient, ground: Ground) -> None:
    promoted(ground)
    refresh(ground.parts, ground.project.id)
    found = get(client, ground, "/figures/machine_labels")["data"]["thresholds"]

    page = shown(client, ground, f"?at_least={found[3]['score']}")

    assert f"With a score of {found[3]['score']:.4f} or more: {found[3]['images']} of 50 images" in page
    assert page.count(" selected>") == 1


def test_under_thirty_sampled_images_the_page_says_not_yet_known(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    ground = make_ground(database, tmp_path, make_project(database), pool=60, reserved=20)
    ground.label(ground.reserved, ReviewKind.RANDOM)
    promoted(ground)

    with web(database, tmp_path) as client:
        page = shown(client, ground)

    assert "is not yet known." in page and "of 30 sampled" in page
    assert "right at least" not in page and "at least 0.0 %" not in page


def test_pictures_of_the_rest_are_by_class_and_leave_out_what_got_a_label_since(
    client: TestClient, ground: Ground
) -> None:
    promoted(ground)
    before = shown(client, ground, "?label=cat")
    shown_cats = re.findall(r'href="/projects/1/images/(\d+)"><img', before)
    ground.label([int(shown_cats[0])], ReviewKind.HARD)

    after = client.get(f"{PAGE}?label=cat").text
    every = client.get(PAGE).text

    assert len(shown_cats) == 12 and all(ground.truth[int(image)] == 0 for image in shown_cats)
    assert f'images/{shown_cats[0]}"><img' not in after and f'images/{shown_cats[1]}"><img' in after
    assert 'src="/media/picture/' in every


def test_an_images_page_shows_its_machine_label_and_the_way_to_how_right_it_is(
    client: TestClient, ground: Ground
) -> None:
    promoted(ground)
    client.headers.update(HTML)
    log_in(client, make_key(ground.parts.database, Role.READ))

    page = client.get(f"/projects/animals/images/{ground.pool[20]}").text

    assert "Machine label</h2>" in page and "version 1" in page and "/machine-labels" in page


def test_images_with_neither_are_named_on_the_page(client: TestClient, ground: Ground) -> None:
    promoted(ground)
    [late] = add_images(ground, 1, False)

    page = shown(client, ground)

    assert f'images/{late}">Image {late}</a>: it came after version 1 had predicted' in page
