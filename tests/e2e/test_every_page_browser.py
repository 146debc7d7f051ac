"""Every page in a real browser, with everything on it that a project can have, and every text in it hostile.

The pages are those of the table of routes, so a new one is tested as soon as it is served.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, sync_playwright

from db.repositories.engines import reports
from db.repositories.labels import decisions
from db.repositories.people import annotators
from db.repositories.projects import projects
from db.repositories.running import alarms
from db.repositories.running.alarms import AlarmKind
from db.session import make_engine, transaction
from db.tables import ImageRow
from labeling.adapters.storage.image_store import ImageStore
from labeling.project import LabelClass, Project, ProjectConfig
from labeling.types import Actor, ImageId, ReviewKind
from service.labels.reannotation import ask_again
from service.labels.resolution import resolve_labels
from service.projects.version_comparison import KIND, Between, Flip, FlippedImage, VersionComparison
from service.release.release import Order, release
from service.web.edge.access import ACCESS, How
from service.work.quality import QUICK
from tests import factories
from tests.answering import asked, submit
from tests.conftest import NOW
from tests.e2e.test_pages_browser import HOSTILE, launched, log_in, watch
from tests.fakes_label_studio import FakeLabelStudio
from tests.reviewing import make_parts
from tests.service.quality_data import fill
from tests.service.web_client import make_key, png
from tests.service.web_process import WebProcess, web_process

CLASSES = (HOSTILE, f"b {HOSTILE}", "javascript:alert(3)")
PARAMETERS = {
    "{project}": "1",
    "{image_id}": "1",
    "{annotator_id}": "1",
    "{deed}": "pause",
    "{snapshot}": "first",
    "{kind}": "image",
    "{number}": "1",
}
PAGES = [
    path
    for (method, path), access in ACCESS.items()
    if method == "GET" and access.how is How.PAGE and not path.endswith(("/plots/{file}", "/download"))
]
MORE = ("/projects/1/labels?disputed=true", "/projects/1/labels?text=%3Cscript%3E", "/projects/%3Cscript%3Ealert(6)")
NARROW = 400


@dataclass(frozen=True, slots=True)
class World:
    """A web process over a project full of hostile texts, and a key for it."""

    web: WebProcess
    key: str


@pytest.fixture(scope="module")
def world(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("hostile")
    shutil.copy(empty_database, home / "hardcase.db")
    database = make_engine(f"sqlite:///{home / 'hardcase.db'}")
    _fill(database, home)
    with web_process(database, home) as process:
        yield World(process, make_key(database, name=HOSTILE))
    database.dispose()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


def test_nothing_hostile_runs_on_any_page(browser: Browser, world: World) -> None:
    context = browser.new_context()
    page = context.new_page()
    said = watch(page)

    log_in(page, world.web.address, world.key)
    for path in (*_addresses(), *MORE):
        page.goto(world.web.address + path)
        page.wait_for_timeout(60)
        assert page.evaluate("() => document.querySelectorAll('main script, main iframe, main [onerror]').length") == 0
        assert ">49<" not in page.content()
    context.close()

    assert [text for text in said if not text.startswith("Failed to load resource")] == []


def test_every_page_can_be_used_by_keyboard_read_by_machines_and_fits_a_telephone(
    browser: Browser, world: World
) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    log_in(page, world.web.address, world.key)
    wrong: dict[str, list[str]] = {}

    for path in _addresses():
        page.set_viewport_size({"width": 1200, "height": 900})
        answered = page.goto(world.web.address + path)
        assert answered is not None and answered.status == 200, path
        found = [*page.evaluate(STRUCTURE), *page.evaluate(CONTRAST), *_unseen_focus(page)]
        page.set_viewport_size({"width": NARROW, "height": 800})
        width = page.evaluate("() => document.documentElement.scrollWidth")
        found += [f"{width} pixels wide"] if width > NARROW else []
        if found:
            wrong[path] = found
    context.close()

    assert wrong == {}


def _addresses() -> list[str]:
    """Every page's address, its parameters filled in."""
    found = []
    for path in PAGES:
        for name, value in PARAMETERS.items():
            path = path.replace(name, value)
        assert "{" not in path, f"{path}: say in PARAMETERS what stands for it"
        found.append(path)
    return found


def _unseen_focus(page: Page) -> list[str]:
    """What the Tab key reaches, of the first stops, without showing that it has the focus."""
    page.evaluate("() => { document.activeElement.blur(); window.scrollTo(0, 0) }")
    unseen = []
    for _ in range(25):
        page.keyboard.press("Tab")
        if name := page.evaluate(FOCUS):
            unseen.append(f"no focus is seen on {name}")
    return unseen


def _fill(database: sa.Engine, home: Path) -> None:
    """Images, answers of two people, a dispute, a decision, an alarm, a pause, and figures as the worker makes them."""
    labels = tuple(LabelClass(name, description=HOSTILE) for name in CLASSES)
    config = ProjectConfig(f"p {HOSTILE}", labels, guidelines=HOSTILE)
    with transaction(database) as session:
        project = projects.create(session, config, salt="salt", author=HOSTILE, now=NOW)
    fill(database, project, ImageStore(str(home / "media")))
    made = asked(database, project, [ReviewKind.HARD, *[ReviewKind.RANDOM] * 3, ReviewKind.HARD] * 2,
                 probs=[[0.2, 0.5, 0.3]] * 10, texts=[HOSTILE] * 10)  # fmt: skip
    _paint(database, ImageStore(str(home / "media")))
    for number, review in enumerate(made[:8]):
        submit(database, project, review, CLASSES[number % 3], shown=CLASSES[0])
        submit(database, project, review, CLASSES[number % 2], user=2)
    submit(database, project, made[8], None)
    _decide(database, project)
    _versions(database, project)
    parts = make_parts(database, home, FakeLabelStudio())  # type: ignore[arg-type]
    for step in QUICK:
        step(parts, project.id)
    release(database, home, ImageStore(str(home / "media")), project, Order("first", HOSTILE, HOSTILE, NOW))


def _paint(database: sa.Engine, store: ImageStore) -> None:
    """A real picture for every image."""
    with transaction(database) as session:
        for image in session.scalars(sa.select(ImageRow)):
            data = png(f"hsl({image.id * 30}, 60%, 50%)")
            image.content_hash = sha256(data).hexdigest()
            store.keep(image.content_hash, data, "image/png", None)


def _decide(database: sa.Engine, project: Project) -> None:
    """What leads do, each with a hostile reason."""
    with transaction(database) as session:
        who = Actor(HOSTILE, HOSTILE, NOW)
        decisions.add(session, project.id, {ImageId(1): CLASSES[1]}, decisions.CORRECTION, who)
        resolve_labels(session, project, [ImageId(1)], NOW)
        ask_again(session, project, [ImageId(1), ImageId(2)], who)
        annotators.switch(session, 2, who, paused=True, evidence={})
        annotators.void(session, 2, who)
        alarms.raise_alarm(session, project.id, AlarmKind.LOW_AGREEMENT, "", HOSTILE, {}, NOW)


def _versions(database: sa.Engine, project: Project) -> None:
    """Two versions, the first without its card, and their comparison with pictures."""
    with transaction(database) as session:
        report = {"examples": 6, "examples_by_class": dict.fromkeys(CLASSES, 2), "engine_revision": HOSTILE}
        for number in (1, 2):
            found = factories.version(session, project.id, number, report=report)
            judged = {"gain": 0.02, "interval": [-0.03, 0.07], "labels": 60, "power": {"passes": 0.05, "fails": None}}
            factories.promotion(session, project.id, found, reasons=[HOSTILE], author=HOSTILE, report=judged)
        images = [
            FlippedImage(image.id, image.content_hash, HOSTILE, 0.5, CLASSES[1], 0.75)
            for image in session.scalars(sa.select(ImageRow).limit(4))
        ]
        between = Between(60, 0.02, -0.03, 0.07, 6, 5, 1.0, 0.05, None)
        for pair in ((1, 2), (2, 1)):
            made = VersionComparison(
                first=pair[0], second=pair[1], measure="accuracy", basis="training images", from_stream=False,
                test=between, why="", pool=60, flipped=9, flips=[Flip(HOSTILE, CLASSES[2], 9)], images=images,
                unlisted=3,
            )  # fmt: skip
            stored = {"request": {"first": pair[0], "second": pair[1]}, "result": msgspec.to_builtins(made)}
            reports.record(session, project.id, KIND, **stored, asked_by=HOSTILE, now=NOW)


STRUCTURE = """() => {
  const wrong = [], shown = e => e.getClientRects().length > 0;
  const own = e => e.getAttribute('aria-label') || e.innerText || e.value || e.querySelector('img')?.alt || '';
  const levels = [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].filter(shown).map(h => +h.tagName[1]);
  if (levels.filter(l => l === 1).length !== 1 || levels[0] !== 1) wrong.push(`headings ${levels}`);
  levels.forEach((l, i) => { if (i && l > levels[i - 1] + 1) wrong.push(`heading ${l} after ${levels[i - 1]}`) });
  for (const e of document.querySelectorAll('input:not([type=hidden]),select,textarea'))
    if (!e.labels?.length && !e.getAttribute('aria-label')) wrong.push(`no label on ${e.name || e.type}`);
  for (const e of document.querySelectorAll('a[href],button'))
    if (!own(e).trim()) wrong.push(`no name on ${e.outerHTML.slice(0, 80)}`);
  for (const e of document.querySelectorAll('img')) if (!e.hasAttribute('alt')) wrong.push('an image without alt');
  for (const e of document.querySelectorAll('meter,[role=region]'))
    if (!e.getAttribute('aria-label')) wrong.push(`no label on ${e.tagName}`);
  if (!document.documentElement.lang || !document.title) wrong.push('no language or no title');
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  if (new Set(ids).size !== ids.length) wrong.push('an id stands twice');
  return wrong;
}"""

CONTRAST = """() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = e => { for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c;
  } return [255, 255, 255] };
  const wrong = new Set(), texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !e.getClientRects().length || e.closest('svg,.skip,option')) continue;
    const style = getComputedStyle(e), size = parseFloat(style.fontSize);
    const [a, b] = [light(parse(style.color)), light(ground(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05), large = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) wrong.add(`contrast ${ratio.toFixed(2)}: ${e.className || e.tagName}`);
  }
  return [...wrong];
}"""

FOCUS = """() => {
  const e = document.activeElement;
  if (e === document.body || e === document.documentElement) return '';
  const style = getComputedStyle(e);
  const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  return seen ? '' : e.outerHTML.slice(0, 80);
}"""
