"""Too many wrong logins, and too many uploads, of a running app: limited, and told in the log with whose they are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from labeling.project import Project
from service.logs import set_up_logs
from tests.service.web_client import bearer, make_key, png, web


def test_wrong_logins_are_429_on_pages_and_in_the_api_and_the_log_names_prefix_and_address(
    database: sa.Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logs()
    wrong = make_key(database)[:-4] + "AAAA"
    with web(database, tmp_path, wrong_keys_a_minute=5) as client:
        answers = [client.get("/api/projects", headers=bearer(wrong)) for _ in range(500)]
        form = re.search(r'name="form_token" value="([^"]+)"', client.get("/login").text)
        assert form
        page = client.post("/login", data={"key": wrong, "form_token": form[1]}, headers={"accept": "text/html"})

    assert [one.status_code for one in answers] == [401] * 5 + [429] * 495
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert answers[-1].json()["type"] == "urn:hardcase:problem:too-often"
    assert (page.status_code, "text/html" in page.headers["content-type"]) == (429, True)
    told = capsys.readouterr()
    line = next(one for one in (told.out + told.err).splitlines() if "status=429" in one)
    assert f"key='{wrong.split('_')[1]}'" in line and "address='testclient'" in line and "caller=None" in line
    assert wrong.split("_", 2)[2] not in told.out + told.err


def test_behind_a_trusted_proxy_each_client_has_tries_of_its_own(database: sa.Engine, tmp_path: Path) -> None:
    with web(database, tmp_path, wrong_keys_a_minute=2, trusted_proxies="10.0.0.1") as client:
        client._transport.client = ("10.0.0.1", 1)  # type: ignore[attr-defined]

        def status(client_address: str) -> int:
            headers = bearer("hck_x") | {"X-Forwarded-For": client_address}
            return client.get("/api/projects", headers=headers).status_code

        assert [status("1.1.1.1") for _ in range(3)] == [401, 401, 429]
        assert status("6.6.6.6, 1.1.1.1") == 429  # what it says itself counts for nothing
        assert status("2.2.2.2") == 401


def test_uploads_are_limited_by_key(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> None:
    make_project(database, name="animals")
    one, other = make_key(database, name="one"), make_key(database, name="other")
    named = {"items": [{"url": "https://example.org/a.png"}]}
    with web(database, tmp_path, uploads_a_minute=3) as client:

        def upload(key: str) -> int:
            files = [("files", ("a.png", png("red")))]
            return client.post("/api/projects/animals/images", headers=bearer(key), files=files).status_code

        first = [upload(one) for _ in range(4)]
        answer = client.post("/api/projects/animals/images/by-address", headers=bearer(one), json=named)

        assert first == [202, 202, 202, 429]
        assert (answer.status_code, int(answer.headers["Retry-After"])) == (429, 20)
        assert upload(other) == 202
        assert client.get("/api/projects", headers=bearer(one)).status_code == 200
