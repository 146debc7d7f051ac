"""The pages in a real browser: log in by keyboard, look at the quality page, and see that hostile names do nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from labeling.adapters.storage.image_store import ImageStore
from labeling.jobs import Role
from labeling.project import Project
from tests.service.quality_data import fill
from tests.service.web_client import make_key
from tests.service.web_process import WebProcess, web_process

HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>"
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-quic"),
)


@contextmanager
def launched(playwright: Playwright) -> Iterator[Browser]:
    """A real Chromium, closed at the end."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "This test needs Chromium: run `make chromium`."
    browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page without scripts of its own; every dialog and every message of its console is kept."""
    context = browser.new_context(java_script_enabled=True, viewport={"width": 1200, "height": 900})
    page = context.new_page()
    yield page
    context.close()


@pytest.fixture
def running(database: sa.Engine, tmp_path: Path) -> Iterator[WebProcess]:
    with web_process(database, tmp_path) as process:
        yield process


def watch(page: Page) -> list[str]:
    """What the page says that it should not: dialogs, errors, violations of its own policy."""
    said: list[str] = []
    page.on("dialog", lambda dialog: (said.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def log_in(page: Page, address: str, key: str) -> None:
    page.goto(address)
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Log out").wait_for()


def test_a_person_logs_in_by_keyboard_sees_the_figures_and_logs_out(
    page: Page, running: WebProcess, database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(database)
    fill(database, project, ImageStore(str(tmp_path / "media")))
    page.goto(f"{running.address}/projects/{project.id}")
    said = watch(page)

    page.locator("#key:focus").wait_for()  # the field has the focus, as soon as the page is drawn
    page.keyboard.type(make_key(database, Role.ENGINEER))
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="animals").wait_for()

    page.evaluate("() => document.querySelectorAll('img.plot').forEach(i => i.scrollIntoView())")
    page.wait_for_function("() => [...document.querySelectorAll('img.plot')].every(i => i.naturalWidth > 200)")
    assert page.get_by_role("img", name="Accuracy by version on the random stream").is_visible()
    shown = page.locator(".gallery img").first
    shown.scroll_into_view_if_needed()
    page.wait_for_function("() => [...document.querySelectorAll('.gallery img')].some(i => i.naturalWidth === 160)")
    page.get_by_role("link", name="Jobs").first.click()
    page.get_by_text("cut short").wait_for()
    page.get_by_role("button", name="Learn a new version").click()
    page.locator("tbody tr", has_text="waits").first.wait_for()
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("API key").wait_for()
    assert said == []


def test_the_quality_page_fits_a_narrow_screen_and_needs_no_script(
    browser: Browser, running: WebProcess, database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(database)
    fill(database, project, ImageStore(str(tmp_path / "media")))
    context = browser.new_context(java_script_enabled=False, viewport={"width": 400, "height": 800})
    page = context.new_page()

    log_in(page, f"{running.address}/projects/{project.id}", make_key(database, Role.READ))

    assert page.locator("text=83.0 %").first.is_visible()
    box = page.locator("main").bounding_box()
    widest = max(b["width"] for s in page.locator("section.card").all() if (b := s.bounding_box()))
    assert box is not None and box["width"] <= 400 and widest <= 400
    context.close()


def test_hostile_names_open_no_dialog_and_run_nothing(
    page: Page, running: WebProcess, database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    classes = (HOSTILE, f"b {HOSTILE}", "javascript:alert(3)")
    project = make_project(database, name=f"p {HOSTILE}", classes=classes)
    fill(database, project, ImageStore(str(tmp_path / "media")))
    said = watch(page)

    log_in(page, running.address, make_key(database, name=HOSTILE))
    for path in ("/", f"/projects/{project.id}", f"/projects/{project.id}/jobs", "/projects/%3Cscript%3Ealert(6)"):
        page.goto(running.address + path)
        page.wait_for_timeout(150)

    assert [text for text in said if not text.startswith("Failed to load resource")] == []
