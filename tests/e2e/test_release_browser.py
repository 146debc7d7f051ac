"""A release's page in a real browser: served from its file, readable at any width, and nothing of it runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, sync_playwright

from labeling.jobs import Role
from labeling.project import Project
from service.release.release import Order, release
from tests.conftest import NOW
from tests.e2e.test_pages_browser import HOSTILE, QUIET, log_in, watch
from tests.service.exporting_ground import Ground
from tests.service.release_figures import store_figures
from tests.service.web_client import make_key
from tests.service.web_process import web_process


@pytest.fixture
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "This test needs Chromium: run `make chromium`."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


def test_a_release_is_found_and_read_at_any_width_and_hostile_names_do_nothing(
    chromium: Browser, database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    ground = Ground(database, make_project(database, classes=("cat", HOSTILE)), tmp_path)
    ground.label(ground.image(1), "cat")
    ground.label(ground.image(2), HOSTILE)
    store_figures(database, ground.project, NOW)
    release(database, tmp_path, ground.images, ground.project, Order("v1", f"lena {HOSTILE}", HOSTILE, NOW))
    page = chromium.new_page(viewport={"width": 400, "height": 800})
    said = watch(page)

    with web_process(database, tmp_path) as running:
        log_in(page, f"{running.address}/projects/{ground.project.id}", make_key(database, Role.READ))
        page.get_by_role("link", name="Releases").click()
        page.get_by_role("link", name="v1").click()
        page.get_by_role("heading", name="Can these labels be shipped?").wait_for()
        narrow = page.evaluate("document.documentElement.scrollWidth")
        pictures = page.evaluate("[...document.images].map(image => image.naturalWidth)")
        colour = page.locator(".bar").first.evaluate("bar => getComputedStyle(bar).backgroundColor")

    assert narrow == 400
    assert pictures == [24, 24]
    assert colour == "rgb(0, 90, 140)"
    assert [text for text in said if not text.startswith("Failed to load resource")] == []
