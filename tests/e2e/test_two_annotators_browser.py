"""Two people at their desks in a real Label Studio: whatever rests on an answer follows it within five seconds."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, sync_playwright

from db.repositories.labels import labels
from db.session import reading
from db.tables import AnnotationRow, AnnotatorRow, LabelStudioProjectRow, PushRow, ReviewRow
from db.views import dashboard
from labeling.jobs import Role
from labeling.types import AnnotationAction, ImageId, ProjectId
from service.web.edge.access import ACCESS
from tests.e2e.conftest import RealLabelStudio
from tests.e2e.running import Hardcase, make_pictures, running_hardcase, wait_until
from tests.e2e.test_annotator_browser import Desk
from tests.e2e.test_pages_browser import launched
from tests.service.web_client import make_key

FOLLOWS_WITHIN_S = 5.0
CLASSES = ("cat", "dog", "bird")
ASKED = 6
PROJECT = """
name: two
labels: [cat, dog, bird]
policy:
  engine: scripted
  query_size: 6
  low_water: 1
  learn_after_labels: 1000
  shares: {random_first: 0, random: 0, blind: 0}
  gold: {rate: 0}
  overlap: {people: 1}
"""
HOME = "/projects/{project}"
PLACES = [
    path[len(HOME) :]
    for method, path in ACCESS
    if method == "GET" and path.startswith(HOME) and path.count("{") == 1 and not path.endswith("/download")
]
"""Pages of a project; a download needs a version, which two answers make none of."""


@dataclass
class Lead:
    """Somebody logged in to hardcase's pages, without a browser."""

    http: httpx.Client
    hardcase: Hardcase

    def page(self, path: str) -> str:
        answer = self.http.get(f"/projects/1{path}")
        assert answer.status_code == 200, answer.text
        return answer.text

    def ask_again(self, image: int) -> None:
        token = re.search(r'name="form_token" value="([^"]+)"', self.page("/labels"))
        assert token
        words = {"form_token": token[1], "deed": "ask", "image": str(image), "reason": "somebody else shall look"}
        assert self.http.post("/projects/1/labels", data=words).status_code == 303


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


@pytest.fixture(scope="module")
def hardcase(label_studio: RealLabelStudio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hardcase]:
    """One project whose first six reviews stand in Label Studio."""
    folder = tmp_path_factory.mktemp("two")
    with running_hardcase(label_studio, folder / "home") as hardcase:
        worker = hardcase.start_worker()
        try:
            make_pictures(folder / "images", 8, CLASSES)
            (folder / "two.yaml").write_text(PROJECT)
            hardcase.cli("project", "create", str(folder / "two.yaml"))
            hardcase.cli("ingest", "two", str(folder / "images"), "--no-wait")
            wait_until(lambda: len(_rows(hardcase, PushRow)) == ASKED, "the reviews arrive")
            yield hardcase
        finally:
            worker.terminate()
            worker.wait(20)


@pytest.fixture(scope="module")
def lead(hardcase: Hardcase) -> Iterator[Lead]:
    with httpx.Client(base_url=hardcase.settings.address, headers={"Accept": "text/html"}, timeout=30) as http:
        token = re.search(r'name="form_token" value="([^"]+)"', http.get("/login").text)
        assert token
        key = make_key(hardcase.database, Role.ENGINEER, name="lena")
        assert http.post("/login", data={"key": key, "form_token": token[1]}).status_code == 303
        yield Lead(http, hardcase)


@pytest.mark.alone
def test_what_two_people_do_is_seen_everywhere_within_seconds(
    label_studio: RealLabelStudio, browser: Browser, hardcase: Hardcase, lead: Lead
) -> None:
    with _desk(label_studio, browser, hardcase) as ann, _desk(label_studio, browser, hardcase) as bob:
        first = _sits_down(ann)
        with _within(lead, first, 1, "accepted"):
            ann.submit()
        (accepted,) = _answers(hardcase, first)
        assert accepted.accepted and _label(hardcase, first) == accepted.answers[0]
        assert accepted.answers[0] in lead.page(f"/labels?image={first}")

        second = _sits_down(ann)
        with _within(lead, second, 1, "changed"):
            _choose_another(ann)
            ann.press("Submit current annotation")
        assert _answers(hardcase, second)[0].accepted is False

        third = _sits_down(ann)
        with _within(lead, third, 1, "skipped"):
            ann.press("skip-task")
        assert _answers(hardcase, third)[0].action == AnnotationAction.SKIPPED and _label(hardcase, third) is None

        lead.ask_again(first)
        wait_until(partial(_told, hardcase, first), "Label Studio is told to ask somebody else", FOLLOWS_WITHIN_S)
        assert _sits_down(bob) == first, "the image that is asked again keeps its place"
        with _within(lead, first, 2, "contradicted"):
            _choose_another(bob)
            bob.press("Submit current annotation")
        assert _label(hardcase, first) is None and _agreement(hardcase) == (1, 1)
        assert "people disagree" in lead.page("/labels?disputed=true")

        task = _task(hardcase, first)
        _open(bob, task)
        with _within(lead, first, 3, "updated"):
            bob.choose(accepted.answers[0])
            bob.press("submit")
        assert _label(hardcase, first) == accepted.answers[0] and _agreement(hardcase) == (1, 0)

        _open(bob, task)
        with _within(lead, first, 4, "deleted"):
            _delete(bob.page)
        assert _answers(hardcase, first)[-1].action == AnnotationAction.WITHDRAWN
        assert _label(hardcase, first) == accepted.answers[0] and _agreement(hardcase) == (0, 0)

    story = lead.page(f"/images/{first}")
    told = ("answered", "withdrawn", "people wanted", "somebody else shall look", f"task {task}")
    assert all(words in story for words in told)
    assert all(row.name in story + lead.page("/labels") for row in _rows(hardcase, AnnotatorRow))


@contextmanager
def _desk(label_studio: RealLabelStudio, browser: Browser, hardcase: Hardcase) -> Iterator[Desk]:
    account = label_studio.make_annotator()
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.goto(f"{label_studio.url}/user/login/", wait_until="domcontentloaded")
    page.locator("input[name=email]").fill(account.email)
    page.locator("input[name=password]").fill(account.password)
    page.locator("button[type=submit]").click()
    page.wait_for_url(lambda url: "/user/login" not in url, wait_until="domcontentloaded")
    ls_project = _rows(hardcase, LabelStudioProjectRow)[0].ls_project_id
    yield Desk(page, label_studio.url, hardcase, ls_projects={"few": ls_project})
    context.close()


def _sits_down(desk: Desk) -> int:
    """Take what Label Studio serves next; the image that it shows."""
    desk.stream("few")
    shown = desk.task_shown()
    with reading(desk.hardcase.database) as session:
        asked = sa.select(ReviewRow.image_id).join(PushRow, PushRow.review_id == ReviewRow.id)
        return session.scalars(asked.where(PushRow.ls_task_id == shown)).one()


def _open(desk: Desk, task: int) -> None:
    ls_project = desk.ls_projects["few"]
    desk.page.goto(f"{desk.label_studio}/projects/{ls_project}/data?task={task}", wait_until="networkidle")
    desk.wait_for_the_image()


def _choose_another(desk: Desk) -> None:
    chosen = desk.chosen()
    desk.choose(next(name for name in CLASSES if [name] != chosen))
    assert desk.chosen() != chosen


def _delete(page: Page) -> None:
    own = page.locator(".lsf-annotation-button_selected")
    own.hover()
    own.locator(".lsf-annotation-button__trigger").click()
    page.get_by_text("Delete Annotation").first.click()
    with page.expect_response(lambda said: said.request.method == "DELETE" and said.ok):
        page.get_by_role("button", name="Delete", exact=True).click()


@contextmanager
def _within(lead: Lead, image: int, rows: int, what: str) -> Iterator[None]:
    """What is done in the block is in the ledger, in every figure and on every page in time, counted from its begin."""
    begun = time.monotonic()
    yield
    left = FOLLOWS_WITHIN_S - (time.monotonic() - begun)
    wait_until(partial(_follows, lead, image, rows), f"{what} is seen: {lead.hardcase.words_of_the_worker()}", left)
    for place in PLACES:
        assert lead.page(place)
    assert time.monotonic() - begun < FOLLOWS_WITHIN_S, what


def _follows(lead: Lead, image: int, rows: int) -> bool:
    """The ledger holds so many versions, and the figures were counted after the newest of them."""
    found = _answers(lead.hardcase, image)
    if len(found) != rows:
        return False
    with reading(lead.hardcase.database) as session:
        figures = dashboard.figures(session, ProjectId(1))
    counted = [figures[name].computed_at for name in ("agreement", "team") if name in figures]
    return len(counted) == 2 and all(at >= found[-1].recorded_at for at in counted)


def _answers(hardcase: Hardcase, image: int) -> list[AnnotationRow]:
    with reading(hardcase.database) as session:
        of_image = sa.select(AnnotationRow).join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
        return list(session.scalars(of_image.where(ReviewRow.image_id == image).order_by(AnnotationRow.id)))


def _label(hardcase: Hardcase, image: int) -> str | None:
    with reading(hardcase.database) as session:
        found = labels.current_of(session, [ImageId(image)])
    return found[ImageId(image)].value if found else None


def _agreement(hardcase: Hardcase) -> tuple[int, int]:
    """On how many images several people answered, and on how many of them they differ."""
    with reading(hardcase.database) as session:
        data = dashboard.figures(session, ProjectId(1))["agreement"].data
    return data["people"]["all"]["images"], sum(cell["count"] for cell in data["confusion"])


def _told(hardcase: Hardcase, image: int) -> bool:
    return any(row.people == 2 for row in _rows(hardcase, PushRow) if row.ls_task_id == _task(hardcase, image))


def _task(hardcase: Hardcase, image: int) -> int:
    with reading(hardcase.database) as session:
        task = sa.select(PushRow.ls_task_id).join(ReviewRow, ReviewRow.id == PushRow.review_id)
        return session.scalars(task.where(ReviewRow.image_id == image)).one()


def _rows(hardcase: Hardcase, table: type) -> list:  # type: ignore[type-arg]
    with reading(hardcase.database) as session:
        return list(session.scalars(sa.select(table)))
