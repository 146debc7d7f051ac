"""Disputes in a real browser: decided by keys alone, readable on a narrow screen, blind where they must be."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from db.session import transaction
from db.tables import ImageRow
from labeling.adapters.storage.image_store import ImageStore
from labeling.jobs import Role
from labeling.project import Project
from labeling.types import ReviewKind
from service.labels.resolution import resolve_labels
from tests.answering import answer, engine_in_force, images_of, people
from tests.conftest import NOW
from tests.e2e.test_pages_browser import launched, log_in, watch
from tests.reviewing import ask, label_values
from tests.service.web_client import make_key
from tests.service.web_process import web_process

KINDS = [ReviewKind.HARD, ReviewKind.RANDOM, ReviewKind.HARD]


def _fill(database: sa.Engine, project: Project, home: Path) -> list[int]:
    """Three disputes with pictures; ann and bob disagree about each."""
    store = ImageStore(str(home / "media"))
    with transaction(database) as session:
        engine_in_force(session, project)
        known = people(session, project, "ann@example.com", "bob@example.com")
        texts = ["a small animal on a mat", None, None]
        made = ask(session, project, 1, KINDS, probs=[[0.1, 0.2, 0.7]] * 3, texts=texts)
        for review in made:
            answer(session, review, dict(zip(known.values(), ("cat", "dog"), strict=True)))
        images = images_of(session, made)
        resolve_labels(session, project, images, NOW)
        for number, image in enumerate(images):
            row = session.get_one(ImageRow, image)
            row.content_hash = f"{number:064x}"
            store.keep(row.content_hash, _picture(number), "image/png", None)
    return [int(image) for image in images]


def _picture(number: int) -> bytes:
    made = io.BytesIO()
    Image.radial_gradient("L").resize((320, 240)).rotate(30 * number).convert("RGB").save(made, "PNG")
    return made.getvalue()


def _looks(browser: Browser, address: str, key: str, folder: Path) -> tuple[float, str]:
    """The width of the widest card on a narrow screen without scripts, and the page's words."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 400, "height": 800})
    page = context.new_page()
    log_in(page, address, key)
    page.screenshot(path=folder / "narrow.png", full_page=True)
    cards = [box["width"] for card in page.locator("section.card").all() if (box := card.bounding_box())]
    words = page.locator("main").inner_text()
    context.close()
    return max(cards), words


def test_a_lead_decides_by_keys_alone_one_after_another(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(database)
    hard, random, other = _fill(database, project, tmp_path)
    key = make_key(database, Role.ENGINEER)
    with web_process(database, tmp_path) as running, sync_playwright() as playwright, launched(playwright) as browser:
        address = f"{running.address}/projects/{project.id}/disputes"
        widest, narrow = _looks(browser, address, key, tmp_path)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        log_in(page, address, key)
        said = watch(page)
        blind = page.locator("#now").inner_text()
        page.screenshot(path=tmp_path / "blind.png", full_page=True)
        page.locator("#now input[name=reason]:focus").wait_for()
        page.keyboard.type("ears and tail")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # the first answer
        page.get_by_text("1 image done").wait_for()
        open_ = page.locator("#now").inner_text()
        page.screenshot(path=tmp_path / "open.png", full_page=True)
        page.locator("#now").get_by_role("button", name="dog").focus()
        page.keyboard.press("Enter")
        page.get_by_text("1 left").wait_for()

    assert said == []
    assert widest <= 400 and "decided blind" in narrow
    assert "ann@example.com" not in blind and "bird" not in blind.split("decided blind")[1].split("kind")[0]
    assert "ann@example.com" in open_ and "70 %" in open_
    assert label_values(database, project.id) == {random: "cat", hard: "dog"}
    assert other not in label_values(database, project.id)
