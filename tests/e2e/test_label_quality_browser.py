"""The Label quality page in a real browser: one click sends a label back, a narrow screen fits, no script is needed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, sync_playwright

from db.tables import LabelCheckRow, OverlapRow
from labeling.jobs import Role
from labeling.project import Project
from tests.reviewing import rows_of
from tests.service.shipping_ground import shipping_ground
from tests.service.web_client import make_key
from tests.service.web_process import WebProcess, web_process

QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-quic"),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "This test needs Chromium: run `make chromium`."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def project(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Project:
    ground = shipping_ground(database, tmp_path, make_project(database))
    return ground.project


@pytest.fixture
def running(database: sa.Engine, project: Project, tmp_path: Path) -> Iterator[WebProcess]:
    with web_process(database, tmp_path) as process:
        yield process


def log_in(page: Page, address: str, key: str) -> None:
    page.goto(address)
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Log out").wait_for()


def keep_overlay(page: Page, name: str) -> None:
    """For whoever wants to look: SCREENSHOTS names a folder."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_a_lead_sees_the_answer_and_sees_to_suspects_with_one_click_and_by_keyboard(
    browser: Browser, running: WebProcess, database: sa.Engine, project: Project
) -> None:
    page = browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
    log_in(page, f"{running.address}/projects/{project.id}/label-quality", make_key(database, Role.ENGINEER))
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)

    page.locator(".verdict", has_text="not yet").wait_for()
    page.wait_for_function("() => [...document.querySelectorAll('.gallery img')].some(i => i.naturalWidth === 160)")
    keep_overlay(page, "desktop")
    page.get_by_role("button", name="back to review").and_(page.locator("#suspects button[aria-label]")).first.click()
    page.get_by_role("status").wait_for()
    page.locator("#suspects button[value=right][aria-label]").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    page.get_by_label("Why it is over").first.fill("a new camera")
    page.keyboard.press("Enter")
    page.get_by_text("Ended lately").click()

    page.get_by_text("a new camera").wait_for()
    assert len(rows_of(database, OverlapRow)) == 1 and len(rows_of(database, LabelCheckRow)) == 1
    assert said == []


def test_the_page_fits_a_narrow_screen_and_needs_no_script(
    browser: Browser, running: WebProcess, database: sa.Engine, project: Project
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 400, "height": 800})
    page = context.new_page()

    log_in(page, f"{running.address}/projects/{project.id}/label-quality", make_key(database, Role.ENGINEER))

    keep_overlay(page, "narrow")
    widest = max(b["width"] for s in page.locator("section.card").all() if (b := s.bounding_box()))
    body = page.locator("body").bounding_box()
    assert widest <= 400 and body is not None and body["width"] <= 400
    assert page.locator(".gallery img").first.is_visible()
    context.close()
