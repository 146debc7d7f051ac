"""A person answers in a real browser: Label Studio's page shows what we pushed, and hardcase records what was done."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest
import sqlalchemy as sa
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from db.repositories.projects import projects
from db.repositories.reviews import label_studio as places
from db.repositories.reviews import overlays
from db.session import reading
from db.tables import AnnotationRow, LabelRow, PrelabelRow, PushRow, ReviewRow
from labeling.adapters.storage.image_store import ImageStore
from labeling.prelabel.engines.scripted import class_colour
from labeling.review.kinds import blind_always
from labeling.types import NONE_OF_THESE, AnnotationAction, LabelSource, ReviewId, ReviewKind
from tests.e2e.conftest import RealLabelStudio
from tests.e2e.running import Hardcase, make_pictures, running_hardcase, wait_until
from tests.e2e.test_pages_browser import QUIET
from tests.tiny_clipseg import make_clipseg

FEW = ("cat", "dog", "bird")
MONEY, MARKUP = "cost in US$ & $image", "<b>bold</b>"
MONEY_SHOWN = MONEY.replace("$", "$\N{WORD JOINER}")
MANY = (*(f"kind {number:02d}" for number in range(30)), MONEY, MARKUP)
RECORDED_WITHIN_S = 5.0
CHOICE, TASK_ID = ".lsf-choice__checkbox", ".lsf-current-task__task-id"
PROJECT = """
name: {name}
labels: {labels}
policy:
  engine: scripted
  query_size: {size}
  low_water: 1
  learn_after_labels: 1000
  shares: {{random_first: {random}, random: {random}, blind: 0}}
"""
OF_FEW = PROJECT.format(name="few", labels=json.dumps(FEW), size=14, random=0.3)
OF_MANY = PROJECT.format(name="many", labels=json.dumps(MANY), size=6, random=0)
BYTES_OF = "async image => [...new Uint8Array(await (await fetch(image.src)).arrayBuffer())]"
REGIONS = "  regions: {folder}\n"


@dataclass(frozen=True)
class Asked:
    """One review as it was pushed: its task, its kind, and the class that the engine found likeliest."""

    review: int
    task: int
    image: int
    kind: ReviewKind
    prelabel: str


@dataclass
class Desk:
    """Where somebody sits: a logged-in page, and the hardcase that it is all for. No task is handed out twice."""

    page: Page
    label_studio: str
    hardcase: Hardcase
    asked: dict[str, list[Asked]] = field(default_factory=dict)
    ls_projects: dict[str, int] = field(default_factory=dict)

    def take(self, wanted: Callable[[Asked], bool], project: str = "few") -> Asked:
        found = next(asked for asked in self.asked[project] if wanted(asked))
        self.asked[project].remove(found)
        return found

    def open(self, asked: Asked, project: str = "few") -> None:
        self._go(f"{self.label_studio}/projects/{self.ls_projects[project]}/data?task={asked.task}")
        expect(self.page.locator(TASK_ID)).to_have_text(_names(asked.task))

    def stream(self, project: str) -> None:
        self._go(f"{self.label_studio}/projects/{self.ls_projects[project]}/data?labeling=1")

    def wait_for_the_image(self) -> None:
        """Until the picture itself stands there; by then the choices do too."""
        self.page.wait_for_function("() => document.querySelector('img[alt=image]')?.naturalWidth === 64")

    def task_shown(self) -> int:
        said = re.search(r"\d+", self.page.locator(TASK_ID).inner_text())
        assert said is not None
        return int(said[0])

    def chosen(self) -> list[str]:
        return [str(box.get_attribute("name")) for box in self.page.locator(f"{CHOICE} input:checked").all()]

    def chosen_by(self, *hotkeys: str) -> list[str]:
        """What is chosen after these, one after the other; a page that has just loaded may not hear the first."""
        for key in hotkeys:
            self.page.keyboard.press(key)
        return self.chosen()

    def choose(self, name: str) -> None:
        self.page.locator(CHOICE, has=self.page.locator(f"input[name={_quoted(name)}]")).click()

    def submit(self) -> None:
        self._answering(lambda: self.page.keyboard.press("Control+Enter"))

    def press(self, button: str) -> None:
        self._answering(self.page.locator(f"button[aria-label='{button}']").click)

    def answers(self, review: int) -> list[AnnotationRow]:
        with reading(self.hardcase.database) as session:
            found = sa.select(AnnotationRow).where(AnnotationRow.review_id == review).order_by(AnnotationRow.id)
            return list(session.scalars(found))

    def labels(self, image: int) -> list[LabelRow]:
        with reading(self.hardcase.database) as session:
            found = sa.select(LabelRow).where(LabelRow.image_id == image).order_by(LabelRow.id)
            return list(session.scalars(found))

    def _go(self, address: str) -> None:
        self.page.goto(address, wait_until="networkidle")  # earlier, it may forget what is pressed
        self.wait_for_the_image()

    def _answering(self, act: Callable[[], None]) -> None:
        """Do it, and wait until Label Studio has taken the answer."""
        with self.page.expect_response(
            lambda said: "/annotations" in said.url and said.request.method in ("POST", "PATCH") and said.ok
        ):
            act()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "This test needs Chromium: run `make chromium`."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def hardcase(label_studio: RealLabelStudio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hardcase]:
    """One with two projects, of few classes and of many, whose first reviews are being pushed by its worker."""
    folder = tmp_path_factory.mktemp("annotator")
    with running_hardcase(label_studio, folder / "home") as hardcase:
        worker = hardcase.start_worker()
        try:
            make_pictures(folder / "few", 40, FEW)
            make_pictures(folder / "many", 5, MANY)
            colour = class_colour(MANY.index(MONEY), len(MANY))
            Image.new("RGB", (64, 64), colour).save(folder / "many" / "money.png")
            clipseg = make_clipseg(folder / "clipseg")
            for name, text in (("few", OF_FEW), ("many", OF_MANY + REGIONS.format(folder=clipseg))):
                (folder / f"{name}.yaml").write_text(text)
                hardcase.cli("project", "create", str(folder / f"{name}.yaml"))
                hardcase.cli("ingest", name, str(folder / name), "--no-wait")
            yield hardcase
        finally:
            worker.terminate()
            worker.wait(20)


@pytest.fixture(scope="module")
def desk(label_studio: RealLabelStudio, hardcase: Hardcase, browser: Browser) -> Iterator[Desk]:
    account = label_studio.make_annotator()
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.goto(f"{label_studio.url}/user/login/", wait_until="domcontentloaded")
    page.locator("input[name=email]").fill(account.email)
    page.locator("input[name=password]").fill(account.password)
    page.locator("button[type=submit]").click()
    page.wait_for_url(lambda url: "/user/login" not in url, wait_until="domcontentloaded")
    desk = Desk(page, label_studio.url, hardcase)
    for name in ("few", "many"):
        wait_until(partial(_arrived, desk, name), f"the reviews of {name} arrive")
    yield desk
    context.close()


def test_a_task_shows_its_image_and_the_prelabel_and_one_key_accepts_it(desk: Desk) -> None:
    asked, fetched = desk.take(_shows_a_prelabel), []
    desk.page.on("response", lambda said: fetched.append(said.url) if said.ok else None)

    desk.open(asked)
    chosen = desk.chosen()
    desk.submit()

    answer = _recorded(desk, asked, 1)
    assert chosen == [asked.prelabel]
    assert any(url.startswith(f"{desk.hardcase.settings.address}/media/") for url in fetched)
    assert (answer.answers, answer.shown, answer.accepted) == ([asked.prelabel], asked.prelabel, True)
    assert _label_of(desk, asked) == asked.prelabel


def test_another_choice_is_recorded_as_a_correction(desk: Desk) -> None:
    asked = desk.take(_shows_a_prelabel)
    other = next(name for name in FEW if name != asked.prelabel)

    desk.open(asked)
    desk.choose(other)
    desk.press("Submit current annotation")

    answer = _recorded(desk, asked, 1)
    assert (answer.answers, answer.shown, answer.accepted) == ([other], asked.prelabel, False)
    assert _label_of(desk, asked) == other


def test_a_blind_task_shows_nothing_selected_and_a_hotkey_answers_it(desk: Desk) -> None:
    asked = desk.take(lambda asked: asked.kind is ReviewKind.RANDOM)

    desk.open(asked)
    chosen = desk.chosen()
    wait_until(lambda: desk.chosen_by("1", "2") == [FEW[1]], "hotkeys choose")
    desk.submit()

    answer = _recorded(desk, asked, 1)
    assert chosen == []
    assert (answer.answers, answer.shown, answer.accepted) == ([FEW[1]], None, None)
    assert _label_of(desk, asked) == FEW[1]


def test_a_skip_is_recorded_and_gives_no_class(desk: Desk) -> None:
    desk.stream("few")  # the button is there only where the queue decides what comes next
    shown = desk.task_shown()
    asked = desk.take(lambda asked: asked.task == shown)

    desk.press("skip-task")

    answer = _recorded(desk, asked, 1)
    assert (answer.action, answer.answers) == (AnnotationAction.SKIPPED, [])
    assert [label.value for label in desk.labels(asked.image)] == [None]


def test_an_update_changes_the_label(desk: Desk) -> None:
    asked = desk.take(_shows_a_prelabel)
    desk.open(asked)
    desk.submit()
    _recorded(desk, asked, 1)

    desk.open(asked)
    wait_until(partial(_none_is_taken, desk), "the page takes a changed answer")
    desk.press("submit")

    answer = _recorded(desk, asked, 2)
    assert (answer.answers, answer.accepted) == ([NONE_OF_THESE], False)
    assert [label.value for label in desk.labels(asked.image)] == [asked.prelabel, NONE_OF_THESE]


def test_a_prelabel_with_a_dollar_is_shown_and_accepted(desk: Desk) -> None:
    asked = desk.take(lambda asked: asked.prelabel == MONEY, "many")

    desk.open(asked, "many")
    chosen = desk.chosen()
    desk.submit()

    answer = _recorded(desk, asked, 1)
    assert chosen == [MONEY_SHOWN]
    assert (answer.answers, answer.shown, answer.accepted) == ([MONEY], MONEY, True)


def test_a_second_picture_shows_where_the_suggested_class_is_thought_to_be(desk: Desk) -> None:
    asked = next(asked for asked in desk.asked["many"] if asked.prelabel != MONEY)
    wait_until(lambda: _drawn(desk, asked) is not None, "the second picture is drawn")

    desk.open(asked, "many")
    both = desk.page.locator("img[alt=image]")
    expect(both).to_have_count(2)

    shown = bytes(both.nth(1).evaluate(BYTES_OF))
    store = ImageStore(desk.hardcase.settings.storage)
    assert shown == store.drawing(str(_drawn(desk, asked)))
    assert both.nth(0).is_visible() and both.nth(1).is_visible()


def test_many_classes_have_a_filter_and_groups_and_hostile_names_are_names(desk: Desk) -> None:
    desk.stream("many")
    first = desk.task_shown()
    headings = desk.page.locator("h4", has_text="…").all_inner_texts()
    desk.choose(MONEY_SHOWN)
    desk.submit()
    expect(desk.page.locator(TASK_ID)).not_to_have_text(_names(first))
    desk.wait_for_the_image()
    second = desk.task_shown()
    desk.page.get_by_placeholder("Quick Filter").fill("bold")
    expect(desk.page.locator(f"{CHOICE}:visible")).to_have_count(1)
    desk.choose(MARKUP)
    desk.submit()

    by_task = {asked.task: asked for asked in desk.asked["many"]}
    assert [heading.split(" … ")[0] for heading in headings] == [MARKUP, "kind 13", "kind 28"]
    assert _recorded(desk, by_task[first], 1).answers == [MONEY]
    assert _recorded(desk, by_task[second], 1).answers == [MARKUP]


def _arrived(desk: Desk, name: str) -> bool:
    """Whether the project's whole first query stands in Label Studio; what was pushed is then known."""
    with reading(desk.hardcase.database) as session:
        project = projects.by_name(session, name)
        place = places.get(session, project.id)
        reviews = sa.select(ReviewRow, PushRow.ls_task_id, PrelabelRow.probs).where(ReviewRow.project_id == project.id)
        joined = reviews.outerjoin(PushRow, PushRow.review_id == ReviewRow.id).join(
            PrelabelRow, PrelabelRow.image_id == ReviewRow.image_id
        )
        rows = session.execute(joined.order_by(ReviewRow.id)).all()
    if place is None or not place.model_version or not rows:
        return False
    classes = project.config.classes
    desk.ls_projects[name] = place.ls_project_id
    desk.asked[name] = [
        Asked(r.id, task, r.image_id, ReviewKind(r.kind), classes[probs.index(max(probs))]) for r, task, probs in rows
    ]
    return True


def _drawn(desk: Desk, asked: Asked) -> str | None:
    with reading(desk.hardcase.database) as session:
        return overlays.newest(session, ReviewId(asked.review))


def _shows_a_prelabel(asked: Asked) -> bool:
    return not blind_always(asked.kind)


def _none_is_taken(desk: Desk) -> bool:
    """Change the answer by hotkeys, by way of another one: while a page loads an old answer it forgets changes."""
    update = desk.page.locator("button[aria-label='submit']")
    return desk.chosen_by("m", "n") == [NONE_OF_THESE] and update.is_enabled()


def _recorded(desk: Desk, asked: Asked, versions: int) -> AnnotationRow:
    """The newest of the versions of the one answer to this review, in time."""
    what = f"{versions} recorded: {desk.hardcase.words_of_the_worker()}"
    wait_until(lambda: len(desk.answers(asked.review)) == versions, what, RECORDED_WITHIN_S)
    return desk.answers(asked.review)[-1]


def _label_of(desk: Desk, asked: Asked) -> str | None:
    """The image's one label, by people; it stands as soon as the answer is recorded."""
    (label,) = desk.labels(asked.image)
    assert (label.source, label.review_id) == (LabelSource.PEOPLE, asked.review)
    return label.value


def _names(task: int) -> re.Pattern[str]:
    return re.compile(rf"\b{task}\b")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
