"""A real Label Studio with hardcase as its ML backend, and what annotators read there beside the pre-label."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from PIL import Image
from playwright.sync_api import Dialog, Page, sync_playwright

from db.repositories.projects import projects
from db.repositories.reviews import displayed_predictions
from db.repositories.reviews import label_studio as places
from db.session import reading, transaction
from db.tables import AdoptedTaskRow, ImageRow, InboxRow, PrelabelRow, PushRow
from labeling.adapters.label_studio.client import LabelStudio
from labeling.adapters.storage.image_store import ImageStore
from labeling.project import LabelClass, Project, ProjectConfig
from labeling.types import ReviewKind
from service.label_studio.ml_backend import path_of
from service.work.review.push import push
from tests.conftest import NOW
from tests.e2e.conftest import RealLabelStudio
from tests.e2e.running import Hardcase, running_hardcase, wait_until
from tests.e2e.test_pages_browser import QUIET
from tests.reviewing import ask, make_parts, rows_of

KINDS = [ReviewKind.HARD, ReviewKind.HARD, ReviewKind.RANDOM]
PROBS = [[0.82, 0.13, 0.05], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]
DIGESTS = [f"{number:064d}" for number in (1, 2, 3)]
REASON = "whiskers <img src=x onerror=alert(1)> & <b>ears</b>, for $image and $engine_top"


@dataclass
class Scene:
    """A project pushed to the real server by a hardcase whose web process runs; no worker does."""

    hardcase: Hardcase
    project: Project
    studio: LabelStudio
    http: httpx.Client
    ls_project: int
    address: str

    def task(self, position: int) -> int:
        return int(rows_of(self.hardcase.database, PushRow)[position].ls_task_id)

    def call(self, method: str, path: str, **how: Any) -> Any:
        answer = self.http.request(method, path, **how).raise_for_status()
        return answer.json() if answer.content else None

    def add_task(self, data: dict[str, str]) -> int:
        """As somebody would in Label Studio, who knows nothing of hardcase."""
        made = self.call("POST", f"/api/projects/{self.ls_project}/import?return_task_ids=true", json=[{"data": data}])
        return int(made["task_ids"][0])

    def act(self, action: str) -> None:
        """Do something to all tasks, as the menu over the list of tasks does."""
        everything = {"selectedItems": {"all": True, "excluded": []}}
        self.call("POST", "/api/dm/actions", params={"id": action, "project": self.ls_project}, json=everything)

    def predictions(self) -> dict[int, tuple[list[str], float, str]]:
        """What Label Studio holds of each task: choices, score, version."""
        rows = self.call("GET", "/api/predictions", params={"project": self.ls_project})
        return {
            row["task"]: (
                [name for item in row["result"] for name in item["value"]["choices"]],
                row["score"],
                row["model_version"],
            )
            for row in rows
        }

    def forget_predictions(self) -> None:
        self.act("delete_tasks_predictions")
        assert self.predictions() == {}

    def jobs(self) -> list[str]:
        with reading(self.hardcase.database) as session:
            return list(session.scalars(sa.text("SELECT deduplication_id FROM workflow_status ORDER BY 1")))


@pytest.fixture(scope="module")
def scene(label_studio: RealLabelStudio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    home = tmp_path_factory.mktemp("backend") / "home"
    with running_hardcase(label_studio, home) as hardcase:
        studio = LabelStudio(label_studio.url, label_studio.token)
        parts = replace(make_parts(hardcase.database, home, studio), settings=hardcase.settings)
        config = ProjectConfig("backend", tuple(map(LabelClass, ("cat", "dog", "bird"))))
        with transaction(hardcase.database) as session:
            project = projects.create(session, config, salt=str(home), author="test", now=NOW)
            ask(session, project, 1, KINDS, probs=PROBS, texts=["a photo", None, None])
            session.execute(sa.update(PrelabelRow).values(evidence={"reason": REASON}))
            session.execute(sa.update(ImageRow).values(content_hash=DIGESTS[0][:-1] + sa.cast(ImageRow.id, sa.Text)))
        for digest in DIGESTS:
            ImageStore(hardcase.settings.storage).keep(digest, picture(), "image/png", None)
        push(parts, project.id)
        with reading(hardcase.database) as session:
            place = places.get(session, project.id)
        assert place is not None
        address = f"{hardcase.settings.address}{path_of(hardcase.settings.secret.get_secret_value(), project.id)}"
        headers = {"Authorization": f"Token {label_studio.token}"}
        with httpx.Client(base_url=label_studio.url, headers=headers, timeout=60) as http:
            yield Scene(hardcase, project, studio, http, place.ls_project_id, address)
        parts.jobs.close()
        studio.close()


@pytest.fixture(scope="module")
def page(label_studio: RealLabelStudio) -> Iterator[Page]:
    account = label_studio.make_annotator()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "This test needs Chromium: run `make chromium`."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
        page.goto(f"{label_studio.url}/user/login/", wait_until="domcontentloaded")
        page.locator("input[name=email]").fill(account.email)
        page.locator("input[name=password]").fill(account.password)
        page.locator("button[type=submit]").click()
        page.wait_for_url(lambda url: "/user/login" not in url, wait_until="domcontentloaded")
        yield page
        browser.close()


def picture() -> bytes:
    """A cat, as far as these tests care."""
    made = io.BytesIO()
    Image.effect_mandelbrot((320, 240), (-2.2, -1.2, 1.0, 1.2), 60).convert("RGB").save(made, "PNG")
    return made.getvalue()


def words_of(scene: Scene, page: Page, task: int) -> str:
    """Open a task; everything that is written on its middle part."""
    page.goto(f"{scene.studio.url}/projects/{scene.ls_project}/data?task={task}", wait_until="networkidle")
    page.wait_for_function("() => document.querySelector('img[alt=image]')?.naturalWidth > 0")
    return text_of(page)


def text_of(page: Page) -> str:
    return page.locator(".lsf-main-view").first.inner_text().replace("\N{WORD JOINER}", "")


def chosen(page: Page) -> list[str | None]:
    return [box.get_attribute("name") for box in page.locator(".lsf-choice__checkbox input:checked").all()]


def test_an_annotator_reads_the_top_three_and_on_a_click_the_reason_as_text_and_on_a_blind_task_nothing(
    scene: Scene, page: Page
) -> None:
    alerts: list[str] = []

    def hear(dialog: Dialog) -> None:
        alerts.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", hear)

    folded = words_of(scene, page, scene.task(0))
    page.get_by_text("Why? What the engine says").click()
    page.get_by_text("Its reason:").wait_for()
    told = text_of(page)
    pre_selected = chosen(page)
    blind = words_of(scene, page, scene.task(2))
    (blind_task,) = scene.studio.tasks(scene.ls_project, [scene.task(2)])

    assert "a photo\nWhen asked, test said: cat 82 %, dog 13 %, bird 5 %" in told
    assert "reason" not in folded and f"Its reason: {REASON}" in told
    assert pre_selected == ["cat"]
    assert (chosen(page), alerts) == ([], [])
    assert "said" not in blind and "reason" not in blind
    assert (blind_task.data["engine_top"], blind_task.data["engine_reason"]) == ("", "")


def test_a_task_that_was_made_before_there_were_hints_shows_none_of_their_names(scene: Scene, page: Page) -> None:
    (task,) = scene.studio.tasks(scene.ls_project, [scene.task(1)])
    scene.studio.set_task_data(task.id, {k: v for k, v in task.data.items() if not k.startswith("engine_")})

    written = words_of(scene, page, task.id)

    assert "engine_" not in written and "undefined" not in written
    assert "dog" in written


def test_label_studio_registers_it_fetches_predictions_in_bulk_and_trains(scene: Scene) -> None:
    strange = scene.add_task({"image": "https://example.org/cat.png", "text": "", "region": ""})
    before = scene.predictions()

    backend = scene.call(
        "POST", "/api/ml", json={"url": scene.address, "project": scene.ls_project, "title": "hardcase"}
    )
    scene.forget_predictions()
    scene.act("retrieve_tasks_predictions")
    versions = scene.call("GET", f"/api/ml/{backend['id']}/versions")
    scene.call("POST", f"/api/ml/{backend['id']}/train", json={})

    after = scene.predictions()
    (taken,) = rows_of(scene.hardcase.database, AdoptedTaskRow)
    assert (backend["readable_state"], backend["model_version"], versions) == (
        "Connected",
        "v0-q1",
        {"versions": ["v0-q1"]},
    )
    assert {task: told for task, told in after.items() if task != strange} == before
    assert after[strange] == ([], displayed_predictions.LAST, "v0-q1")
    assert [before[scene.task(i)][0] for i in range(3)] == [["cat"], ["dog"], []]
    assert taken.ls_task_id == strange
    assert scene.jobs() == ["ingest:1", 'learn:1:{"now":true}']
    assert scene.call("GET", f"/api/projects/{scene.ls_project}/")["model_version"] == "v0-q1"


def test_what_label_studio_leaves_of_a_deleted_backend_does_no_harm(scene: Scene) -> None:
    for backend in scene.call("GET", "/api/ml", params={"project": scene.ls_project}):
        scene.call("DELETE", f"/api/ml/{backend['id']}")

    left = [hook["url"] for hook in scene.call("GET", "/api/webhooks/", params={"project": scene.ls_project})]
    scene.call("POST", f"/api/tasks/{scene.task(0)}/annotations/", json={"result": []})

    assert f"{scene.address}/webhook" in left
    wait_until(lambda: len(rows_of(scene.hardcase.database, InboxRow)) > 0, "the event arrives")
    assert {row.action for row in rows_of(scene.hardcase.database, InboxRow)} == {"ANNOTATION_CREATED"}
