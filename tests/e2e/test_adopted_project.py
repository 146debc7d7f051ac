"""A Label Studio project that others made is taken over in place: nothing is lost, and people go on in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from db.repositories.images import adopted_tasks
from db.repositories.labels import labels
from db.repositories.projects import projects
from db.repositories.queries.examples import read_examples
from db.repositories.queries.stream import is_reserved, read_stream, share_in_force
from db.repositories.reviews import label_studio as label_studio_places
from db.session import reading
from db.tables import AdoptedTaskRow, AnnotationRow, GroupRow, ImageRow, PushRow, ReviewRow
from labeling.adapters.label_studio.client import LabelStudio
from labeling.review.kinds import Use, kinds_for
from labeling.types import ProjectId
from service.jobs.jobs import Jobs
from service.label_studio.takeover import TakenOver, TakingOver
from tests.e2e.conftest import RealLabelStudio
from tests.e2e.running import Hardcase, make_pictures, running_hardcase, wait_until

CONFIG = """
<View>
  <Header value="Which animal?"/>
  <Image name="photo" value="$url"/>
  <Text name="words" value="$caption"/>
  <Choices name="species" toName="photo" choice="single"><Choice value="cat"/><Choice value="dog"/></Choices>
</View>
"""
PROJECT = "name: taken over\nlabels: [cat, dog]\npolicy: {engine: scripted, low_water: 0, gold: {rate: 0}}\n"
ON_THE_WEB, UPLOADED = 8, 4


def test_a_project_that_others_made_is_taken_over_with_all_that_people_did_in_it(
    label_studio: RealLabelStudio, tmp_path: Path
) -> None:
    make_pictures(tmp_path / "pictures", ON_THE_WEB + UPLOADED, ("cat", "dog"))
    copy = tmp_path / "pictures" / f"{ON_THE_WEB:03d}.png"
    copy.write_bytes((tmp_path / "pictures" / "000.png").read_bytes())  # one image stands in two tasks
    (tmp_path / "project.yaml").write_text(PROJECT)
    with (
        _signed_in(label_studio.url, label_studio.token) as admin,
        _signed_in(label_studio.url, label_studio.make_annotator().token) as anna,
        _signed_in(label_studio.url, label_studio.make_annotator().token) as ben,
        _serving(tmp_path / "pictures") as web,
        running_hardcase(label_studio, tmp_path / "home", allow_private_addresses="true") as hardcase,
    ):
        ls_project, tasks = _foreign_project(admin, web, tmp_path / "pictures")
        for task, choice in zip(tasks[:4], ("cat", "dog", "cat", "dog"), strict=True):
            _answer(anna, task, choice)
        _answer(ben, tasks[4], "dog")
        _answer(ben, tasks[9], "cat")  # one of those that were uploaded
        _answer(ben, tasks[5], None)
        _draft(ben, ls_project, tasks[6], "cat")
        hardcase.cli("adopt", str(ls_project), "--project", str(tmp_path / "project.yaml"))
        _die_at(hardcase, "adopt.before_tell")
        worker = hardcase.start_worker()
        _wait(hardcase, worker, lambda: _counts(hardcase) == (12, 12), "every task is taken over")
        _wait(hardcase, worker, lambda: len(_ledger(hardcase)) == 7, "the answers are in")
        _wait(hardcase, worker, lambda: _is_ordered(hardcase), "the rest has its place in the order")
        before = (_ledger(hardcase), _export(admin, ls_project))
        drafts = admin.get(f"/api/tasks/{tasks[6]}/drafts").raise_for_status().json()

        following = [_go_on(ben, ls_project) for _ in range(2)]
        _wait(hardcase, worker, lambda: len(_ledger(hardcase)) == 9, "what people did since is in")
        again = _adopt_again(hardcase, label_studio, ls_project)
        worker.terminate()
        assert worker.wait(30) == 0

        assert before[0] == before[1]
        assert _ledger(hardcase) == _export(admin, ls_project)
        assert {task for task, *_ in _ledger(hardcase)} == {*tasks[:6], tasks[9], *following}
        assert len(drafts) == 1
        assert (again.tasks, again.new, again.refused) == (12, 0, 0)
        _assert_each_task_has_one_review_and_kept_what_it_had(hardcase, admin, ls_project, tasks)
        _assert_nothing_of_the_reserve_is_used(hardcase)


def _assert_each_task_has_one_review_and_kept_what_it_had(
    hardcase: Hardcase, admin: httpx.Client, ls_project: int, tasks: list[int]
) -> None:
    with reading(hardcase.database) as session:
        wanted = sa.select(PushRow.ls_task_id, ReviewRow.token, ReviewRow.kind, ReviewRow.blind).join(ReviewRow)
        reviews = session.execute(wanted).all()
    there = {task["id"]: task["data"] for task in _tasks(admin, ls_project)}
    assert sorted(there) == sorted(tasks) == sorted(task for task, *_ in reviews)
    assert {(kind, blind) for *_, kind, blind in reviews} == {("hard", False)}
    for task, token, *_ in reviews:
        assert there[task]["external_id"] == token
        assert there[task]["url"].startswith(hardcase.settings.address)
        assert there[task]["original_url"].startswith(("http://127.0.0.1", "/data/upload/"))
    assert there[tasks[0]]["original_external_id"] == "theirs-0"
    assert there[tasks[0]]["caption"] == "animal 0"


def _assert_nothing_of_the_reserve_is_used(hardcase: Hardcase) -> None:
    """A label from an adopted task may train; of a reserved image it is kept and used for nothing."""
    project_id = _project(hardcase)
    with reading(hardcase.database) as session:
        held = len(labels.current(session, project_id))
        train = read_examples(session, project_id, kinds_for(Use.TRAIN))
        of_reserved = sa.select(ImageRow.id).join(GroupRow, GroupRow.id == ImageRow.group_id)
        share = share_in_force(session, project_id)
        reserved = set(session.scalars(of_reserved.where(is_reserved(project_id, share))))
        aside = [label for label in labels.current(session, project_id) if label.image_id in reserved]
        measured = read_stream(session, project_id).examples
    assert not measured
    assert not {example.image_id for example in train} & reserved
    assert len(train) + len(aside) == held


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def _signed_in(url: str, token: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=30) as http:
        yield http


def _foreign_project(admin: httpx.Client, web: str, pictures: Path) -> tuple[int, list[int]]:
    made = admin.post("/api/projects/", json={"title": "Animals of others"})
    ls_project = int(made.raise_for_status().json()["id"])
    urls = [f"{web}/{n:03d}.png" for n in range(ON_THE_WEB)]
    urls += [_uploaded(admin, ls_project, pictures / f"{n:03d}.png") for n in range(ON_THE_WEB, ON_THE_WEB + UPLOADED)]
    admin.patch(f"/api/projects/{ls_project}/", json={"label_config": CONFIG}).raise_for_status()
    found = [
        {"url": url, "caption": f"animal {n}", "external_id": f"theirs-{n}", "camera": "X100"}
        for n, url in enumerate(urls)
    ]
    admin.post(f"/api/projects/{ls_project}/import", json=[{"data": data} for data in found]).raise_for_status()
    return ls_project, sorted(task["id"] for task in _tasks(admin, ls_project))


def _uploaded(admin: httpx.Client, ls_project: int, picture: Path) -> str:
    """Where Label Studio keeps a file that was given to it."""
    file = {"file": (picture.name, picture.read_bytes(), "image/png")}
    made = admin.post(f"/api/projects/{ls_project}/import?commit_to_project=false", files=file).raise_for_status()
    upload = admin.get(f"/api/import/file-upload/{made.json()['file_upload_ids'][0]}").raise_for_status()
    return f"/data/{upload.json()['file']}"


def _tasks(admin: httpx.Client, ls_project: int) -> list[dict[str, Any]]:
    wanted = {"project": ls_project, "page_size": 100, "include": "id,data", "fields": "all"}
    found: list[dict[str, Any]] = admin.get("/api/tasks", params=wanted).raise_for_status().json()["tasks"]
    return found


def _result(choice: str) -> list[dict[str, Any]]:
    return [{"from_name": "species", "to_name": "photo", "type": "choices", "value": {"choices": [choice]}}]


def _answer(person: httpx.Client, task: int, choice: str | None) -> None:
    body = {"result": _result(choice) if choice else [], "was_cancelled": choice is None, "lead_time": 2.0}
    person.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status()


def _draft(person: httpx.Client, ls_project: int, task: int, choice: str) -> None:
    body = {"result": _result(choice), "lead_time": 1.0}
    person.post(f"/api/tasks/{task}/drafts?project={ls_project}", json=body).raise_for_status()


def _go_on(person: httpx.Client, ls_project: int) -> int:
    """As an annotator's page does: the next task, its image, an answer with the names that the config has now."""
    task = person.get(f"/api/projects/{ls_project}/next").raise_for_status().json()
    shown = task["predictions"][0]["result"]
    assert httpx.get(task["data"]["url"]).headers["content-type"].startswith("image/")
    _answer(person, task["id"], "dog")
    assert [(item["from_name"], item["to_name"]) for item in shown] == [("species", "photo")]
    return int(task["id"])


def _export(admin: httpx.Client, ls_project: int) -> set[tuple[int, str, str]]:
    """(task, who, answer) of everything that Label Studio exports."""
    params = {"exportType": "JSON", "download_all_tasks": "true"}
    found = admin.get(f"/api/projects/{ls_project}/export", params=params).raise_for_status().json()
    return {
        (task["id"], str(one["id"]), "" if one["was_cancelled"] else one["result"][0]["value"]["choices"][0])
        for task in found
        for one in task["annotations"]
    }


def _ledger(hardcase: Hardcase) -> set[tuple[int, str, str]]:
    with reading(hardcase.database) as session:
        rows = session.execute(
            sa.select(PushRow.ls_task_id, AnnotationRow.ls_annotation_id, AnnotationRow.answers).join(
                PushRow, PushRow.review_id == AnnotationRow.review_id
            )
        ).all()
    return {(task, str(annotation), answers[0] if answers else "") for task, annotation, answers in rows}


def _adopt_again(hardcase: Hardcase, label_studio: RealLabelStudio, ls_project: int) -> TakenOver:
    """As the command does, in this process, which is quicker."""
    studio, jobs = LabelStudio(label_studio.url, label_studio.token), Jobs(hardcase.database)
    taking = TakingOver(hardcase.database, jobs, studio, "test", lambda: datetime.now(UTC))
    done = taking.tasks(*taking.begin(ls_project, None, None))
    jobs.close()
    studio.close()
    return done


def _counts(hardcase: Hardcase) -> tuple[int, int]:
    with reading(hardcase.database) as session:
        return adopted_tasks.count(session, _project(hardcase))


def _is_ordered(hardcase: Hardcase) -> bool:
    with reading(hardcase.database) as session:
        place = label_studio_places.get(session, _project(hardcase))
    return place is not None and place.model_version == f"v0-q{place.queue_revision}"


def _project(hardcase: Hardcase) -> ProjectId:
    with reading(hardcase.database) as session:
        return projects.by_name(session, "taken over").id


def _wait(hardcase: Hardcase, worker: Any, condition: Callable[[], bool], what: str) -> None:
    def there() -> bool:
        assert worker.poll() is None, hardcase.words_of_the_worker()
        return condition()

    wait_until(there, what)


def _die_at(hardcase: Hardcase, failpoint: str) -> None:
    """Reviews are written and Label Studio has not heard of them: the worst moment."""
    worker = hardcase.start_worker(failpoint=failpoint)
    assert worker.wait(90) == -9, hardcase.words_of_the_worker()
    with reading(hardcase.database) as session:
        told = session.scalars(sa.select(AdoptedTaskRow.taken_at)).all()
    assert set(told) == {None}
