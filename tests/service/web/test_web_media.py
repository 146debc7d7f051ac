"""Signed media: what Label Studio and our pages may load, and everything that is refused."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from PIL import Image
from pydantic import SecretStr

from db.repositories.reviews import overlays
from db.session import reading, transaction
from db.tables import ReviewRow, ViewRow
from labeling.adapters.storage.image_store import ImageStore
from labeling.project import Project
from labeling.types import ReviewId
from service.label_studio.signed_urls import sign_media, sign_picture, sign_region
from tests import factories
from tests.service.web_client import SECRET, Clock, web

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
ORIGIN = "http://127.0.0.1:8321"


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(out, "PNG")
    return out.getvalue()


HASH = sha256(picture()).hexdigest()


@pytest.fixture
def review(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> str:
    """The token of a review whose image lies in the store."""
    project = make_project(database)
    ImageStore(str(tmp_path / "media")).keep(HASH, picture(), "image/png", None)
    with transaction(database) as session:
        image = factories.image(session, project.id, HASH)
        factories.review(session, project.id, image, token="tok-1")
    return "tok-1"


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def client(database: sa.Engine, review: str, tmp_path: Path, clock: Clock) -> Iterator[TestClient]:
    with web(database, tmp_path, clock) as client:
        yield client


def address(token: str = "tok-1", secret: str = SECRET) -> str:
    return sign_media(secret, token=token, expires_at=LATER, now=NOW)


def viewed(database: sa.Engine) -> list[int]:
    with reading(database) as session:
        return list(session.scalars(sa.select(ViewRow.review_id)))


def test_a_reviews_image_is_served_so_that_a_browser_can_only_show_it(client: TestClient) -> None:
    answer = client.get(address(), headers={"Origin": ORIGIN})

    assert answer.status_code == 200
    assert answer.content == picture()
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"].startswith("private")
    assert answer.headers["vary"] == "Origin"


def test_only_label_studios_origin_may_read_it(client: TestClient) -> None:
    by_its_other_name = client.get(address(), headers={"Origin": "http://localhost:8321"})
    by_a_stranger = client.get(address(), headers={"Origin": "http://evil.example"})

    assert by_its_other_name.headers["access-control-allow-origin"] == "http://localhost:8321"
    assert "access-control-allow-origin" not in by_a_stranger.headers


def test_the_second_picture_is_what_was_drawn_and_until_then_and_where_blind_the_image_itself(
    client: TestClient, database: sa.Engine, tmp_path: Path
) -> None:
    where = sign_region(SECRET, token="tok-1", expires_at=LATER, now=NOW)
    before = client.get(where)
    ImageStore(str(tmp_path / "media")).keep_drawing("b" * 64, b"drawn")
    with transaction(database) as session:
        overlays.record(session, ReviewId(1), answer="cat", revision="r", picture="b" * 64, now=NOW)

    after = client.get(where, headers={"Origin": ORIGIN})
    with transaction(database) as session:
        session.execute(sa.update(ReviewRow).values(blind=True))
    blind = client.get(where)

    assert (before.content, after.content, blind.content) == (picture(), b"drawn", picture())
    assert after.headers["content-type"] == "image/jpeg"
    assert after.headers["access-control-allow-origin"] == ORIGIN
    assert client.get(where.replace("region", "review", 1)).status_code == 403
    assert viewed(database) == []  # the overlay alone is no view of the image


def test_the_first_fetch_is_written_down_once(client: TestClient, database: sa.Engine) -> None:
    for _ in range(3):
        assert client.get(address()).status_code == 200

    assert viewed(database) == [1]


def test_a_fetch_after_a_restart_is_not_written_twice(
    database: sa.Engine, review: str, tmp_path: Path, clock: Clock
) -> None:
    for _ in range(2):
        with web(database, tmp_path, clock) as client:
            assert client.get(address()).status_code == 200

    assert viewed(database) == [1]


def test_a_busy_database_does_not_keep_the_image_back_and_the_fact_follows(
    client: TestClient, database: sa.Engine
) -> None:
    with transaction(database):  # holds SQLite's one write lock
        started = time.monotonic()
        answer = client.get(address())
        took_s = time.monotonic() - started

    assert answer.status_code == 200
    assert took_s < 2.0
    deadline = time.monotonic() + 15
    while not viewed(database) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert viewed(database) == [1]


def test_a_pages_picture_is_served_and_does_not_count_as_a_view(client: TestClient, database: sa.Engine) -> None:
    path = sign_picture(SECRET, project_id=1, content_hash=HASH, expires_at=LATER, now=NOW)

    answer = client.get(path, headers={"Origin": ORIGIN})

    assert answer.content == picture()
    assert "access-control-allow-origin" not in answer.headers
    assert viewed(database) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.replace("tok-1", "tok-2"),
        lambda a: a.replace("tok-1", "tok%2D1"),
        lambda a: a.replace("/media/review/", "/media/picture/1/"),
        lambda a: a.replace("expires=1", "expires=2"),
        lambda a: a.replace("expires=", "expires=0"),
        lambda a: a.split("?")[0],
        lambda a: a.replace("signature=", "signature=A"),
        lambda a: a[:-1],
        lambda a: a + "A",
        lambda a: a.replace("key=", "key=0"),
        lambda a: a.replace("/media/review/tok-1", "/media/picture/1/" + HASH),
        lambda a: address(secret="t" * 48),
        lambda a: address(token="unknown"),
        lambda a: a.replace("signature=", "signature=%F0%9F%98%80"),
    ],
)
def test_whatever_is_changed_is_403(client: TestClient, database: sa.Engine, change: Callable[[str], str]) -> None:
    answer = client.get(change(address()), headers={"X-Original-URL": address(), "X-Forwarded-Host": "evil"})

    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert viewed(database) == []


def test_a_picture_signed_for_one_project_is_not_anothers(client: TestClient) -> None:
    path = sign_picture(SECRET, project_id=1, content_hash=HASH, expires_at=LATER, now=NOW)

    assert client.get(path.replace("/picture/1/", "/picture/2/")).status_code == 403


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_another_method_gets_nothing(client: TestClient, database: sa.Engine, method: str) -> None:
    answer = client.request(method, address())

    assert answer.status_code in (403, 405)
    assert picture() not in answer.content
    assert viewed(database) == []


def test_an_address_ends_with_its_second(client: TestClient, clock: Clock) -> None:
    path = address()

    clock.at = LATER - timedelta(seconds=1)
    assert client.get(path).status_code == 200
    clock.at = LATER + timedelta(seconds=1)
    assert client.get(path).status_code == 403


def test_after_a_rotation_old_addresses_live_until_they_expire_and_die_with_the_old_secret(
    database: sa.Engine, review: str, tmp_path: Path, clock: Clock
) -> None:
    path, new = address(), SecretStr("fedcba9876543210" * 3)

    with web(database, tmp_path, clock, secret=new, previous_secret=SecretStr(SECRET)) as rotated:
        assert rotated.get(path).status_code == 200
        assert rotated.get(address(secret=new.get_secret_value())).status_code == 200
    with web(database, tmp_path, clock, secret=new) as dropped:
        assert dropped.get(path).status_code == 403


def test_an_image_whose_bytes_are_gone_is_404(client: TestClient, tmp_path: Path) -> None:
    for file in (tmp_path / "media").rglob("*.png"):
        file.unlink()

    assert client.get(address()).status_code == 404


def test_ten_thousand_ranges_get_the_whole_image(client: TestClient) -> None:
    ranges = "bytes=" + ",".join(f"{i}-{i}" for i in range(10_000))

    answer = client.get(address(), headers={"Range": ranges})

    assert (answer.status_code, answer.content) == (200, picture())
