"""The pages without a browser: login, forms, escaping, safe plots, and a quality page from stored figures."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from db.repositories.people import keys
from db.repositories.running import heartbeats
from db.session import reading, transaction
from db.tables import AuditRow, FailureRow
from labeling.adapters.storage.image_store import ImageStore
from labeling.jobs import Role
from labeling.project import Project
from service import auth
from service.figures.figures import PLOT_FORMAT
from service.web.pages.rendering import safe_next
from tests import factories
from tests.conftest import NOW
from tests.service.quality_data import fill
from tests.service.web_client import SECRET, bearer, make_key, web

HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def project(database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    return make_project(database)


@pytest.fixture
def client(database: sa.Engine, project: Project, tmp_path: Path) -> Iterator[TestClient]:
    with web(database, tmp_path) as client:
        client.headers.update(HTML)
        yield client


def token_of(page: str) -> str:
    match = re.search(r'name="form_token" value="([^"]+)"', page)
    assert match
    return match[1]


def log_in(client: TestClient, key: str, following: str = "/") -> str:
    """Log in as a person would; returns where that leads."""
    page = client.get("/login").text
    answer = client.post("/login", data={"key": key, "following": following, "form_token": token_of(page)})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_whoever_is_not_logged_in_sees_the_login_form_and_comes_back_after(
    client: TestClient, database: sa.Engine
) -> None:
    asked = client.get("/projects/1")
    key = make_key(database, Role.READ)

    page = {"key": key, "following": "/projects/1", "form_token": token_of(asked.text)}
    answer = client.post("/login", data=page)

    assert asked.status_code == 401
    assert 'value="/projects/1"' in asked.text
    assert (answer.status_code, answer.headers["location"]) == (303, "/projects/1")
    assert client.get("/projects/1").status_code == 200
    with reading(database) as session:
        assert "login" in session.scalars(sa.select(AuditRow.action)).all()


def test_the_cookie_is_kept_from_scripts_and_other_sites(client: TestClient, database: sa.Engine) -> None:
    page = client.get("/login")
    answer = client.post("/login", data={"key": make_key(database), "form_token": token_of(page.text)})

    for cookie in (page.headers["set-cookie"], answer.headers["set-cookie"]):
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    assert "Secure" not in answer.headers["set-cookie"]


def test_the_cookie_is_for_https_only_where_we_are_reached_so(
    database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    with web(database, tmp_path, public_url="https://labels.example.org") as client:
        assert "Secure" in client.get("/login").headers["set-cookie"]


def test_logging_in_changes_the_session(client: TestClient, database: sa.Engine) -> None:
    client.get("/login")
    before = client.cookies["hardcase_session"]

    log_in(client, make_key(database))

    assert client.cookies["hardcase_session"] != before


@pytest.mark.parametrize("key", ["", "hck_a_b", "x" * 200, "<script>alert(1)</script>"])
def test_a_wrong_key_is_refused_in_words(client: TestClient, key: str) -> None:
    page = client.get("/login").text

    answer = client.post("/login", data={"key": key, "form_token": token_of(page)})

    assert answer.status_code == 401
    assert "not in force" in answer.text
    assert "<script>" not in answer.text


def test_a_form_without_its_token_does_nothing(client: TestClient, database: sa.Engine) -> None:
    key = make_key(database)
    assert client.post("/login", data={"key": key}).status_code == 403
    log_in(client, key)

    for token in ("", "0" * 64, "é"):
        for path, data in (("/projects/1/jobs", {"job": "learn"}), ("/projects/1/retry", {}), ("/logout", {})):
            answer = client.post(path, data={**data, "form_token": token})
            assert answer.status_code == 403
    assert client.get("/api/projects/1/jobs", headers=bearer(key)).json()["items"] == []


def test_a_form_token_of_another_session_does_nothing(client: TestClient, database: sa.Engine) -> None:
    log_in(client, make_key(database))
    stolen = token_of(client.get("/").text)
    client.cookies.clear()
    log_in(client, make_key(database))

    assert client.post("/projects/1/retry", data={"form_token": stolen}).status_code == 403


def test_logging_out_ends_the_session(client: TestClient, database: sa.Engine) -> None:
    log_in(client, make_key(database))

    answer = client.post("/logout", data={"form_token": token_of(client.get("/").text)})

    assert answer.headers["location"] == "/login"
    assert client.get("/").status_code == 401


def test_revoking_a_key_ends_its_sessions(client: TestClient, database: sa.Engine) -> None:
    key = make_key(database)
    log_in(client, key)

    with transaction(database) as session:
        keys.revoke(session, key.split("_")[1], datetime.now(UTC))

    assert client.get("/").status_code == 401


def test_a_session_that_was_changed_or_signed_by_another_secret_is_none(client: TestClient) -> None:
    sealed = auth.seal_session(["another secret of fair length 1234"], auth.open_session(None))

    for cookie in (sealed, "rubbish", "a.b.c", ""):
        assert auth.read_session([SECRET], cookie) is None
    assert auth.read_session([SECRET, "another secret of fair length 1234"], sealed) is not None


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/projects/1", "/projects/1"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/login", "/"),
        ("", "/"),
        ("/a\r\nSet-Cookie: x", "/aSet-Cookie%3A%20x"),
    ],
)
def test_login_leads_only_to_pages_of_ours(target: str, leads_to: str) -> None:
    assert safe_next(target) == leads_to
    assert not urlsplit(safe_next(target)).netloc


def test_every_page_forbids_scripts_framing_and_sniffing(client: TestClient, database: sa.Engine) -> None:
    log_in(client, make_key(database))

    for path in ("/", "/projects/1", "/projects/1/jobs", "/login", "/nothing"):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "<script" not in answer.text and "style=" not in answer.text and " onclick" not in answer.text
        assert "server" not in answer.headers


def test_the_quality_page_of_a_new_project_says_what_is_not_there_yet(client: TestClient, database: sa.Engine) -> None:
    log_in(client, make_key(database, Role.READ, ["animals"]))

    answer = client.get("/projects/1")

    assert answer.status_code == 200
    assert "not yet known" in answer.text
    assert "No version yet" in answer.text


def test_the_quality_page_shows_every_stored_figure(
    client: TestClient, database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    fill(database, project, ImageStore(str(tmp_path / "media")))
    log_in(client, make_key(database, Role.READ))

    page = client.get("/projects/1").text

    assert "83.0 %" in page and "75.0 % to 89.0 %" in page
    assert "gain 12.0 points" in page
    assert page.count('class="plot"') == 4
    assert "72 %" in page and "79 of 110" in page
    assert "none of these" in page
    assert 'href="http://127.0.0.1:8321/projects/7/data?labeling=1"' in page
    assert 'href="http://127.0.0.1:8321/projects/7/data?task=901"' in page
    pictures = re.findall(r'src="(/media/picture/[^"]+)"', page)
    assert len(pictures) == 5
    assert client.get(pictures[0].replace("&amp;", "&")).headers["content-type"] == "image/png"


def test_a_figure_of_another_form_is_said_to_be_computed_again(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    with transaction(database) as session:
        for name in ("accuracy_by_version", "hardest", "confusion", "acceptance", "rounds"):
            factories.figure(session, project.id, name, {"v": 2})
    log_in(client, make_key(database))

    shown = client.get("/projects/1")

    assert shown.status_code == 200
    assert shown.text.count("Being computed again") == 5


def test_the_api_gives_no_figure_of_another_form(client: TestClient, database: sa.Engine, project: Project) -> None:
    with transaction(database) as session:
        factories.figure(session, project.id, "hardest", {"images": []})
        factories.figure(session, project.id, "confusion", {"v": 2})
    key = bearer(make_key(database, Role.READ))

    listed = client.get("/api/projects/animals/figures", headers=key).json()["items"]
    shown = client.get("/api/projects/animals/figures/confusion", headers=key)

    assert [(one["name"], one["data"]) for one in listed] == [("hardest", {"images": []})]
    assert shown.status_code == 404 and "computed again" in shown.text


def test_near_duplicates_are_shown_with_their_images_on_the_page_and_by_the_api(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    with transaction(database) as session:
        one = factories.group(session, project.id)
        images = [factories.image(session, project.id, group_id=one) for _ in range(3)]
        factories.image(session, project.id, reserved=False)
        factories.label(session, project.id, images[0], "cat")
    key = make_key(database, Role.READ)
    log_in(client, key)

    page = client.get(f"/projects/{project.id}/groups").text
    given = client.get(f"/api/projects/{project.id}/groups", headers=bearer(key)).json()

    assert "<strong>3</strong> of 4 images (75 %)" in page and page.count("/media/picture/") == 3
    assert "<strong>cat</strong>" in page
    assert (given["images"], given["groups"], given["in_groups"], given["sizes"]) == (4, 2, 3, {"1": 1, "3": 1})
    assert [member["image_id"] for member in given["largest_groups"][0]["members"]] == images


def test_the_page_of_near_duplicates_of_a_new_project_says_that_there_are_none(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    log_in(client, make_key(database, Role.READ))

    assert "No image is a near-duplicate of another." in client.get(f"/projects/{project.id}/groups").text


def test_the_overview_shows_only_the_keys_projects(
    client: TestClient, database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    make_project(database, name="plants")
    log_in(client, make_key(database, Role.READ, ["plants"]))

    page = client.get("/").text

    assert "plants" in page and "animals" not in page


def test_the_jobs_page_shows_failures_and_retries_them(
    client: TestClient, database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    fill(database, project, ImageStore(str(tmp_path / "media")))
    log_in(client, make_key(database, Role.ENGINEER))
    page = client.get("/projects/1/jobs").text

    answer = client.post("/projects/1/retry", data={"form_token": token_of(page)})

    assert "cut short" in page and "waits for you" in page and "alive" in page
    assert (answer.status_code, answer.headers["location"]) == (303, "/projects/1/jobs")
    with reading(database) as session:
        assert session.scalars(sa.select(FailureRow)).all() == []
    assert "Nothing." in client.get("/projects/1/jobs").text


def test_the_jobs_page_asks_for_work(client: TestClient, database: sa.Engine) -> None:
    log_in(client, make_key(database, Role.ENGINEER))
    page = client.get("/projects/1/jobs").text

    client.post("/projects/1/jobs", data={"form_token": token_of(page), "job": "learn"})
    strange = client.post("/projects/1/jobs", data={"form_token": token_of(page), "job": "sweep"})

    assert "waits" in client.get("/projects/1/jobs").text
    assert strange.status_code == 422


def test_a_label_studio_that_does_not_answer_is_named_on_the_jobs_page_and_in_the_metrics(
    client: TestClient, database: sa.Engine
) -> None:
    key = make_key(database, Role.ENGINEER)
    log_in(client, key)
    named = []
    for failures in (4, 5):
        with transaction(database) as session:
            heartbeats.beat(session, "worker-0", NOW, NOW, {"label_studio_failures": failures})
        named.append("Label Studio does not answer" in client.get("/projects/1/jobs").text)

    metrics = client.get("/metrics", headers=bearer(key)).text

    assert named == [False, True]
    assert 'hardcase_worker{counter="label_studio_failures",executor="worker-0"} 5.0' in metrics


def test_who_may_only_read_sees_no_buttons(client: TestClient, database: sa.Engine) -> None:
    log_in(client, make_key(database, Role.READ))

    assert "Ask for work" not in client.get("/projects/1/jobs").text


def test_an_error_on_a_page_is_a_page(client: TestClient, database: sa.Engine) -> None:
    log_in(client, make_key(database))

    answer = client.get("/projects/99")

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "no such thing here" in answer.text


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}}",
    "{% raw %}",
    "</textarea><iframe src=//evil.example>",
    "<!--",
    "]]>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_shown_as_they_are_written(
    client: TestClient, database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path, text: str
) -> None:
    project = make_project(database, name=f"p {text}", classes=(text, f"b{text}", "c"))
    fill(database, project, ImageStore(str(tmp_path / "media")))
    log_in(client, make_key(database, name=text))

    for path in ("/", f"/projects/{project.id}", f"/projects/{project.id}/jobs"):
        page = client.get(path).text
        assert "<script" not in page and "<iframe" not in page and "<img src=x" not in page
        assert "<svg onload" not in page and 'href="javascript' not in page and ">49<" not in page


def _plots(client: TestClient, project: int = 1) -> list[str]:
    return re.findall(r'class="plot" src="([^"]+)"', client.get(f"/projects/{project}").text)


def test_plots_are_drawn_when_they_are_asked_for_and_drawn_once(
    client: TestClient, database: sa.Engine, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, project, ImageStore(str(tmp_path / "media")))
    log_in(client, make_key(database, Role.READ))
    addresses = _plots(client)

    first = [client.get(address) for address in addresses]
    monkeypatch.setattr("service.web.pages.plots.DRAWS", ["false"])
    again = [client.get(address) for address in addresses]

    assert len(addresses) == 4 and [one.content for one in again] == [one.content for one in first]
    for one in first:
        assert one.text.startswith("<svg") and one.headers["content-type"] == "image/svg+xml"
        assert "sandbox" in one.headers["content-security-policy"] and "immutable" in one.headers["cache-control"]


def test_a_plot_of_which_a_byte_was_changed_is_drawn_again(
    client: TestClient, database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    fill(database, project, ImageStore(str(tmp_path / "media")))
    log_in(client, make_key(database, Role.READ))
    address = _plots(client)[0]
    first = client.get(address).content

    (kept,) = tmp_path.rglob(f"{address.rpartition('/')[2]}*")
    kept.write_bytes(kept.read_bytes().replace(b"<svg", b"<SVG", 1))

    assert client.get(address).content == first


def test_hostile_classes_are_text_in_a_plot(
    client: TestClient, database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(database, name="hostile", classes=tuple(HOSTILE[:3]))
    fill(database, project, ImageStore(str(tmp_path / "media")))
    log_in(client, make_key(database, Role.READ))

    drawn = [client.get(address).text for address in _plots(client, project.id)]

    assert len(drawn) == 4 and any("&lt;script&gt;" in one for one in drawn)
    assert not any(bad in one for one in drawn for bad in ("<script", "<img", "<svg onload"))


def test_a_plot_of_a_figure_that_was_counted_again_is_that_of_now_and_one_that_cannot_be_drawn_says_so(
    client: TestClient, database: sa.Engine, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, project, ImageStore(str(tmp_path / "media")))
    log_in(client, make_key(database, Role.READ))
    monkeypatch.setattr("service.web.pages.plots.DRAWS", ["false"])

    of_before = client.get("/projects/1/plots/confusion-0123456789abcdef.svg", follow_redirects=False)
    absent = client.get("/projects/1/plots/confusions-0123456789abcdef.svg")
    failed = client.get(_plots(client)[0])

    assert (of_before.status_code, absent.status_code, failed.status_code) == (307, 404, 503)
    assert of_before.headers["location"] in _plots(client) and of_before.headers["cache-control"] == "no-store"
    assert "could not be drawn" in failed.text


def test_one_plot_that_cannot_be_drawn_leaves_the_others(
    client: TestClient, database: sa.Engine, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, project, ImageStore(str(tmp_path / "media")))
    log_in(client, make_key(database, Role.READ))
    without = "import sys, json; print(json.dumps({n: '<svg/>' for n in json.load(sys.stdin) if n != 'rounds'}))"
    monkeypatch.setattr("service.web.pages.plots.DRAWS", [sys.executable, "-c", without])

    found = {address.split("/")[-1].split("-")[0]: client.get(address).status_code for address in _plots(client)}

    assert found == {"accuracy_by_version": 200, "confusion": 200, "acceptance": 200, "rounds": 503}


def test_a_plot_is_drawn_again_when_plots_look_otherwise(
    client: TestClient, database: sa.Engine, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, project, ImageStore(str(tmp_path / "media")))
    log_in(client, make_key(database, Role.READ))
    before = _plots(client)

    monkeypatch.setattr("service.web.pages.plots.PLOT_FORMAT", PLOT_FORMAT + 1)

    assert len(before) == 4 and not set(before) & set(_plots(client))


def test_a_session_ends_after_half_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = auth.seal_session([SECRET], auth.open_session(None))
    later = datetime.now(UTC) + timedelta(seconds=auth.SESSION_AGE_S + 5)

    monkeypatch.setattr("time.time", lambda: later.timestamp())

    assert auth.read_session([SECRET], sealed) is None


def test_requests_that_wait_for_plots_get_them_and_do_not_draw_again(
    client: TestClient, database: sa.Engine, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, project, ImageStore(str(tmp_path / "media")))
    log_in(client, make_key(database, Role.READ))
    slow = f"import runpy, time\nopen({str(tmp_path / 'drawn')!r}, 'a').write('x')\ntime.sleep(1)\n"
    slow += "runpy.run_module('service.work.figures.draw', run_name='__main__')"
    monkeypatch.setattr("service.web.pages.plots.DRAWS", [sys.executable, "-c", slow])

    addresses = _plots(client)
    with ThreadPoolExecutor(4) as together:
        found = list(together.map(lambda address: client.get(address).status_code, addresses))

    assert (found, (tmp_path / "drawn").read_text()) == ([200] * 4, "x")
