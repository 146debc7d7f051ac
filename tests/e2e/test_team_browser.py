"""The Team page in a real browser: who was paused and why, at both widths and without scripts, and the switches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, sync_playwright

from db.repositories.people import annotators
from db.session import reading
from labeling.adapters.storage.image_store import ImageStore
from labeling.jobs import Role
from labeling.project import Project
from labeling.types import ReviewKind
from service.work.quality.annotators.team import refresh_team
from tests.e2e.test_pages_browser import launched, log_in, watch
from tests.service.quality_data import picture
from tests.service.team_ground import answers_of, ask_people, make_gold_of, people, team_ground, truth_of, wrong_of
from tests.service.web_client import make_key
from tests.service.web_process import WebProcess, web_process

GOLD, HARD = ReviewKind.GOLD, ReviewKind.HARD
SHARE_WRONG = {"ann@example.com": 0.04, "bob@example.com": 0.4, "cem@example.com": 0.08}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


@pytest.fixture
def project(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Project:
    """Three people with stated errors: gold, blind images and pre-labels, answered by all of them."""
    ground = team_ground(database, tmp_path, make_project(database), pool=160, reserved=0)
    store, rng = ImageStore(str(tmp_path / "media")), np.random.default_rng(2)
    for image in range(160):
        store.keep(f"{image:064x}", picture(("tomato", "steelblue", "gold")[image % 3]), "image/png", None)
    make_gold_of(ground, ground.pool[:40])
    blind = [
        *ask_people(ground, ground.pool[:40], GOLD, wanted=3),
        *ask_people(ground, ground.pool[40:100], HARD, wanted=3),
    ]
    misled = ask_people(ground, ground.pool[100:], HARD, blind=False, wanted=3)
    for who, name in zip(people(ground, *SHARE_WRONG), SHARE_WRONG, strict=True):
        said = {
            review: (wrong_of if rng.random() < SHARE_WRONG[name] else truth_of)(ground, image)
            for review, image in zip([*blind, *misled], ground.pool, strict=True)
        }
        answers_of(ground, who, {review: said[review] for review in blind}, lead_time_s=3.0 + who)
        for label in ground.project.config.classes:
            shown = [r for r, image in zip(misled, ground.pool[100:], strict=True) if wrong_of(ground, image) == label]
            answers_of(ground, who, {review: said[review] for review in shown}, shown=label, lead_time_s=2.0)
    refresh_team(ground.parts, ground.project.id)
    return ground.project


@pytest.fixture
def running(database: sa.Engine, tmp_path: Path) -> Iterator[WebProcess]:
    with web_process(database, tmp_path) as process:
        yield process


def test_the_page_finds_the_bad_one_at_both_widths_without_scripts_and_a_lead_lets_them_go_on_by_keyboard(
    browser: Browser, running: WebProcess, database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    for width in (1200, 400):
        context = browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 900})
        page = context.new_page()
        log_in(page, f"{running.address}/projects/{project.id}/team", make_key(database, Role.READ))
        said = watch(page)
        page.reload()

        first = page.locator("section.card h2").nth(1).inner_text()
        shown = page.screenshot(path=tmp_path / f"team-{width}.png", full_page=True)

        widest = page.locator("main section.card").last.bounding_box()
        assert first.startswith("bob@example.com")
        assert page.get_by_text("by the rule").is_visible()
        assert page.locator("svg.interval").count() > 20
        assert widest is not None and widest["x"] + widest["width"] <= width
        assert len(shown) > 10_000 and said == []
        context.close()

    context = browser.new_context()
    page = context.new_page()
    log_in(page, f"{running.address}/projects/{project.id}/team", make_key(database, Role.ENGINEER))
    said = watch(page)

    page.get_by_role("link", name="Let them take part again: bob@example.com").press("Enter")
    page.get_by_label("Why").fill("had read the old guidelines")
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text("take part again").wait_for()

    with reading(database) as session:
        bob = next(one for one in annotators.everyone(session, project.id) if one.name == "bob@example.com")
    assert (bob.paused, bob.author, bob.reason) == (False, "tester", "had read the old guidelines")
    assert said == []
    context.close()
