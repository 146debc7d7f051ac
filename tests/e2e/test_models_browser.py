"""The page Models in a real browser: what changes with pictures, and the button that goes back to the one before."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sqlalchemy as sa
from PIL import Image
from playwright.sync_api import sync_playwright

from db.repositories.versions import versions
from db.session import reading
from labeling.adapters.storage.image_store import ImageStore
from labeling.jobs import Role
from labeling.project import Project
from labeling.types import Verdict
from service.jobs.arguments import CompareArguments
from service.projects.version_comparison import VersionComparison, newest_comparison
from service.work.promote.compare import answer
from service.work.promote.judge import promote_by_hand
from service.work.worker import running_worker
from tests.e2e.test_pages_browser import launched, log_in, watch
from tests.service.labelled_pool import Ground
from tests.service.learn import versions_ground
from tests.service.test_workflows import Home, home_of
from tests.service.web_client import make_key
from tests.service.web_process import web_process

LOADED = "all => all.every(one => one.complete && one.naturalWidth > 0)"


def _with_pictures(ground: Ground, home: Path) -> int:
    """Version 2 in use, compared with version 1, and a picture of each image that is named; how many these are."""
    promote_by_hand(ground.parts, ground.project.id, 2, "ada", "new camera")
    answer(ground.parts, ground.project.id, CompareArguments(2, 1, 24, "ada"))
    with reading(ground.parts.database) as session:
        made = newest_comparison(session, ground.project, 2, 1)
    assert isinstance(made, VersionComparison)
    for number, one in enumerate(made.images):
        drawn = io.BytesIO()
        Image.radial_gradient("L").resize((320, 240)).rotate(30 * number).convert("RGB").save(drawn, "PNG")
        ImageStore(str(home / "media")).keep(one.content_hash, drawn.getvalue(), "image/png", None)
    return len(made.images)


def _worked(home: Home, job: str) -> str:
    with running_worker(home.settings):
        return home.ended(job)


def test_one_button_goes_back_to_the_version_before(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    ground = versions_ground.two_versions(database, tmp_path, make_project)
    named, key = _with_pictures(ground, tmp_path), make_key(database, Role.ENGINEER, name="ada")
    home = home_of(database, tmp_path)
    with web_process(database, tmp_path) as running, sync_playwright() as playwright, launched(playwright) as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        log_in(page, f"{running.address}/projects/{ground.project.id}/models", key)
        said = watch(page)
        page.get_by_role("link", name="Version 2").click()
        pictures = page.locator("#comparison img")
        pictures.last.scroll_into_view_if_needed()
        page.wait_for_load_state("networkidle")
        shown, loaded = pictures.count(), pictures.evaluate_all(LOADED)
        page.screenshot(path=tmp_path / "model.png", full_page=True)
        button = page.get_by_role("button", name="Roll back to version 1")
        button.click()  # without a reason the browser itself refuses
        refused = page.url
        page.get_by_label("Why").fill("worse at night")
        button.click()
        page.get_by_text("Going back is asked for").wait_for()
        [job] = [one for one in home.jobs.list() if one.job == "promote"]
        with ThreadPoolExecutor(1) as aside:  # this thread has the browser's event loop
            state = aside.submit(_worked, home, job.id).result()
        home.jobs.close()
        page.get_by_role("link", name="All versions").click()
        page.get_by_role("row", name="Version 1 champion").wait_for()
        page.get_by_role("link", name="Version 1").click()
        words = page.locator("#verdicts").inner_text()

    assert said == [] and state == "SUCCESS"
    assert shown == named > 0 and loaded
    assert "done=" not in refused
    assert "rolled back" in words and "worse at night" in words and "By ada." in words
    with reading(database) as session:
        champion = versions.champion(session, ground.project.id)
        newest = versions.promotions(session, ground.project.id)[-1]
    assert champion is not None and champion.number == 1 and newest.verdict is Verdict.ROLLED_BACK
