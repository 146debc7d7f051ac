"""`hardcase doctor`: every question answered well, then badly, one at a time; a bad answer has a way out."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from db import migrate
from db.repositories.images import groups
from db.repositories.images.groups import TOO_MANY, Grouping
from db.repositories.projects import projects
from db.repositories.running import heartbeats
from db.session import make_engine, transaction
from labeling.adapters.label_studio.client import LabelStudio, ProjectSettings, StudioProject
from labeling.errors import LabelStudioUnavailable
from labeling.project import Policy, Project
from labeling.types import Actor, ReviewKind
from service.label_studio.webhook import HEADER, path_of, secret_of
from service.operations.doctor import Check, examine
from service.schema import bring_to_head
from service.settings import Settings
from service.work.review.push import push
from service.work.review.sync import sync
from tests import factories
from tests.conftest import NOW
from tests.fakes_label_studio import FakeLabelStudio
from tests.reviewing import SECRET, ask, make_parts

PERSONAL, LEGACY = "head.body.signature", "0" * 40


class Studio(FakeLabelStudio):
    """One that can also be down, and can be set up wrongly."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.sampling = "Uncertainty sampling"

    def be_at(self, now: datetime) -> None:
        self._clock = now

    def release(self) -> str:
        if self.down:
            raise LabelStudioUnavailable()
        return "1.23.2"

    def project(self, project_id: int) -> StudioProject:
        return msgspec.structs.replace(super().project(project_id), sampling=self.sampling)

    def write_project(self, project_id: int, settings: ProjectSettings) -> None:
        super().write_project(project_id, settings)
        self.sampling = "Uncertainty sampling"

    def shown(self) -> dict[str, Any]:
        """The prediction of the task that is served first, and may be spoilt."""
        task = self.next_task(next(iter(self.projects)))
        assert task is not None
        prediction: dict[str, Any] = self.tasks_there[task]["predictions"][-1]
        return prediction


class Server:
    """Answers each (method, path) on loopback as it was set up, 404 otherwise."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Callable[[Any], tuple[int, Any]]] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                known = server.answers.get((self.command, self.path.partition("?")[0]))
                code, document = known(self.headers) if known else (404, {})
                body = json.dumps(document).encode()
                self.send_response(code)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Server:
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()


@dataclass(slots=True)
class Patient:
    """A hardcase in which everything is right until a test spoils it."""

    settings: Settings
    database: sa.Engine
    studio: Studio
    web: Server
    project: Project
    ls_project: int = field(default=0)

    def sync(self, *, full: bool) -> None:
        """What `hardcase sync animals`, or `hardcase sync animals --full`, has the worker do."""
        studio = cast(LabelStudio, self.studio)
        parts = make_parts(self.database, self.settings.home, studio, port=self.web.port)
        sync(parts, self.project.id, full=full)
        push(parts, self.project.id, full=full)
        parts.jobs.close()

    def examine(self) -> dict[str, Check]:
        found = examine(self.settings, self.database, cast(LabelStudio, self.studio))
        return {check.name: check for check in found}

    def wrong(self) -> list[str]:
        """What is not as it must be; every one of them must say what to do."""
        bad = [check for check in self.examine().values() if not check.ok]
        assert all(check.detail and check.way_out for check in bad)
        return [check.name.removeprefix("animals: ") for check in bad]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def patient(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project], server: Server
) -> Iterator[Patient]:
    project = make_project(database, policy=Policy(engine="scripted"))
    with transaction(database) as session:
        ask(session, project, 1, [ReviewKind.RANDOM, ReviewKind.HARD], probs=[(0.5, 0.3, 0.2), (0.4, 0.3, 0.3)])
        heartbeats.beat(session, "worker-0", datetime.now(UTC), datetime.now(UTC), {})
    studio = Studio()
    parts = make_parts(database, tmp_path, cast(LabelStudio, studio), port=server.port)
    push(parts, project.id)
    parts.jobs.close()
    secret = secret_of(SECRET, project.id)
    server.answers["GET", "/health"] = lambda _: (200, {})
    server.answers["POST", path_of(project.id)] = lambda headers: (200 if headers[HEADER] == secret else 401, {})
    settings = parts.settings.model_copy(update={"label_studio_token": SecretStr(LEGACY)})
    yield Patient(settings, database, studio, server, project, next(iter(studio.projects)))


def test_nothing_is_wrong_with_a_hardcase_that_is_well(patient: Patient) -> None:
    checks = patient.examine()

    assert [check for check in checks.values() if not check.ok] == []
    assert list(checks) == [
        "database is sound",
        "database at head",
        "home is writable",
        "messages.yaml",
        "worker is alive",
        "web answers",
        "Label Studio answers",
        "animals: engine loads",
        "animals: near-duplicates",
        "animals: project is in Label Studio",
        "animals: labelling config in step",
        "animals: served by lowest score",
        "animals: webhook present",
        "animals: webhook is received",
        "animals: answers are swept",
    ]


# ourselves


@pytest.mark.parametrize("at", ["nothing", "another schema"])
def test_a_database_that_is_not_at_head_is_all_that_is_asked_about(tmp_path: Path, at: str) -> None:
    database = make_engine(f"sqlite:///{tmp_path / 'other.db'}")
    if at != "nothing":
        migrate.upgrade(database)
        with database.begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    checks = examine(Settings(home=tmp_path), database, cast(LabelStudio, Studio()))

    assert [(c.name, c.ok) for c in checks] == [("database is sound", True), ("database at head", False)]
    if at == "nothing":
        assert checks[1].way_out == "run `hardcase init`"
        bring_to_head(database)  # which is what it does
        assert examine(Settings(home=tmp_path), database, cast(LabelStudio, Studio()))[1].ok
    else:
        assert checks[1].way_out.startswith("update this hardcase")
    database.dispose()


def test_a_home_that_cannot_be_written_is_wrong(patient: Patient, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    patient.settings = patient.settings.model_copy(update={"home": tmp_path / "file" / "home"})

    assert patient.wrong() == ["home is writable"]


def test_no_worker_ever_is_wrong(patient: Patient) -> None:
    with transaction(patient.database) as session:
        session.execute(sa.text("DELETE FROM heartbeat"))

    assert patient.wrong() == ["worker is alive"]
    assert "no worker has ever run" in patient.examine()["worker is alive"].detail


def test_a_worker_that_went_silent_is_wrong(patient: Patient) -> None:
    before = datetime.now(UTC) - timedelta(minutes=2)
    with transaction(patient.database) as session:
        heartbeats.beat(session, "worker-0", before, before, {})

    assert patient.wrong() == ["worker is alive"]
    assert "12" in patient.examine()["worker is alive"].detail


@pytest.mark.parametrize("answer", [None, 500])
def test_a_web_process_that_does_not_answer_well_is_wrong(patient: Patient, answer: int | None) -> None:
    if answer is None:
        patient.web.http.shutdown()
        patient.web.http.server_close()
        expected = ["web answers", "webhook is received"]
    else:
        patient.web.answers["GET", "/health"] = lambda _: (answer, {})
        expected = ["web answers"]

    assert patient.wrong() == expected


# Label Studio


def test_label_studio_that_is_down_is_wrong_and_so_is_what_could_not_be_asked(patient: Patient) -> None:
    patient.studio.down = True

    assert patient.wrong() == ["Label Studio answers", "in step with Label Studio"]
    assert patient.examine()["animals: engine loads"].ok


@pytest.mark.parametrize(("token", "kind"), [(PERSONAL, "personal access token"), (LEGACY, "legacy token")])
def test_a_token_that_is_accepted_is_named_by_its_kind(patient: Patient, token: str, kind: str) -> None:
    checks = _examine_over_http(patient, token, accepted=True)

    assert checks["Label Studio answers"].ok
    assert kind in checks["Label Studio answers"].detail
    assert token not in repr(checks)


@pytest.mark.parametrize("token", [PERSONAL, LEGACY])
def test_a_token_of_the_wrong_kind_is_wrong(patient: Patient, token: str) -> None:
    checks = _examine_over_http(patient, token, accepted=False)

    assert not checks["Label Studio answers"].ok
    assert "refuses our token" in checks["Label Studio answers"].detail
    assert "HARDCASE_LABEL_STUDIO_TOKEN" in checks["Label Studio answers"].way_out


def test_no_token_is_wrong(patient: Patient) -> None:
    checks = _examine_over_http(patient, "", accepted=False)

    assert "There is no token" in checks["Label Studio answers"].detail


@pytest.mark.parametrize("engine", ["no-such", "dual-encoder:/no/such/folder"])
def test_an_engine_that_does_not_load_is_wrong(
    engine: str, database: sa.Engine, tmp_path: Path, make_project: Any
) -> None:
    project = make_project(database, policy=Policy(engine=engine))

    checks = {c.name: c for c in examine(Settings(home=tmp_path), database, cast(LabelStudio, Studio()))}

    assert not checks["animals: engine loads"].ok
    assert "project edit animals FILE --reason WHY" in checks["animals: engine loads"].way_out
    with transaction(database) as session:
        mended = replace(project.config, policy=Policy(engine="scripted"))
        projects.configure(session, project.id, mended, Actor("test", "WHY", datetime.now(UTC)))
    checks = {c.name: c for c in examine(Settings(home=tmp_path), database, cast(LabelStudio, Studio()))}
    assert checks["animals: engine loads"].ok


def test_a_labelling_config_that_somebody_changed_is_wrong(patient: Patient) -> None:
    settings = patient.studio.projects[patient.ls_project]["settings"]
    changed = replace(settings, label_config="<View><Choices name='x'><Choice value='cat'/></Choices></View>")
    patient.studio.projects[patient.ls_project]["settings"] = changed

    assert patient.wrong() == ["labelling config in step"]


def test_a_labelling_config_that_is_not_xml_is_wrong(patient: Patient) -> None:
    settings = patient.studio.projects[patient.ls_project]["settings"]
    patient.studio.projects[patient.ls_project]["settings"] = replace(settings, label_config="<View")

    assert patient.wrong() == ["labelling config in step"]


def test_another_order_than_by_score_is_wrong(patient: Patient) -> None:
    patient.studio.sampling = "Sequential sampling"

    assert patient.wrong() == ["served by lowest score"]
    assert "Sequential sampling" in patient.examine()["animals: served by lowest score"].detail


@pytest.mark.parametrize("version", ["", "v9-q9"])
def test_a_version_shown_of_which_nothing_has_a_score_is_wrong(patient: Patient, version: str) -> None:
    patient.studio.projects[patient.ls_project]["model_version"] = version

    assert patient.wrong() == ["served by lowest score"]
    assert "2 of 2 without a score" in patient.examine()["animals: served by lowest score"].detail


def test_a_webhook_that_is_missing_is_wrong(patient: Patient) -> None:
    patient.studio.hooks.clear()

    assert patient.wrong() == ["webhook present"]


@pytest.mark.parametrize("change", [{"headers": {HEADER: "other"}}, {"url": "http://127.0.0.1:1/elsewhere"}])
def test_a_webhook_with_another_secret_or_address_is_wrong(patient: Patient, change: dict[str, Any]) -> None:
    next(iter(patient.studio.hooks.values())).update(change)

    assert patient.wrong() == ["webhook present"]


def test_a_webhook_that_we_refuse_is_wrong(patient: Patient) -> None:
    patient.web.answers["POST", path_of(patient.project.id)] = lambda _: (401, {})

    assert patient.wrong() == ["webhook is received"]
    assert "HARDCASE_PUBLIC_URL" in patient.examine()["animals: webhook is received"].way_out


def test_an_answer_that_waits_for_long_is_wrong(patient: Patient) -> None:
    patient.studio.be_at(datetime.now(UTC) - timedelta(hours=1))
    patient.studio.answer(next(iter(patient.studio.tasks_there)), "cat")

    assert patient.wrong() == ["answers are swept"]


def test_an_answer_of_just_now_is_well(patient: Patient) -> None:
    patient.studio.be_at(datetime.now(UTC) - timedelta(seconds=5))
    patient.studio.answer(next(iter(patient.studio.tasks_there)), "cat")

    assert patient.wrong() == []
    assert "1 not yet read" in patient.examine()["animals: answers are swept"].detail


def test_a_project_that_was_deleted_in_label_studio_is_wrong(patient: Patient) -> None:
    del patient.studio.projects[patient.ls_project]

    assert patient.wrong() == ["project is in Label Studio"]
    assert "restore it there" in patient.examine()["animals: project is in Label Studio"].way_out


# the way out


def _no_predictions(patient: Patient) -> None:
    for task in patient.studio.tasks_there.values():
        task["predictions"].clear()


def _another_order(patient: Patient) -> None:
    for task in patient.studio.tasks_there.values():
        task["predictions"][-1]["score"] = 0.999 - task["predictions"][-1]["score"]


def _a_class_in_a_blind_task(patient: Patient) -> None:
    [blind] = [t["predictions"][-1] for t in patient.studio.tasks_there.values() if not t["predictions"][-1]["result"]]
    blind["result"] = [{"type": "choices", "value": {"choices": ["cat"]}}]


def _set(patient: Patient, **settings: Any) -> None:
    found = patient.studio.projects[patient.ls_project]
    found |= {name: value for name, value in settings.items() if name == "model_version"}
    if "label_config" in settings:
        found["settings"] = replace(found["settings"], label_config=settings["label_config"])


def _an_old_answer(patient: Patient) -> None:
    patient.studio.be_at(datetime.now(UTC) - timedelta(hours=1))
    patient.studio.answer(next(iter(patient.studio.tasks_there)), "cat")


SPOILT: dict[str, tuple[str, Callable[[Patient], object]]] = {
    "config of others": ("labelling config in step", lambda p: _set(p, label_config="<View/>")),
    "config that is not XML": ("labelling config in step", lambda p: _set(p, label_config="<View")),
    "another sampling": ("served by lowest score", lambda p: setattr(p.studio, "sampling", "Sequential sampling")),
    "no version shown": ("served by lowest score", lambda p: _set(p, model_version="")),
    "another version shown": ("served by lowest score", lambda p: _set(p, model_version="v9-q9")),
    "no predictions": ("served by lowest score", _no_predictions),
    "one without a prediction": ("served by lowest score", lambda p: p.studio.shown().update(model_version="mine")),
    "no score": ("served by lowest score", lambda p: p.studio.shown().update(score=None)),
    "another order": ("served by lowest score", _another_order),
    "a class in a blind task": ("served by lowest score", _a_class_in_a_blind_task),
    "no webhook": ("webhook present", lambda p: p.studio.hooks.clear()),
    "a webhook with another secret": (
        "webhook present",
        lambda p: next(iter(p.studio.hooks.values())).update(headers={HEADER: "other"}),
    ),
    "a webhook with another address": (
        "webhook present",
        lambda p: next(iter(p.studio.hooks.values())).update(url="http://127.0.0.1:1/elsewhere"),
    ),
    "an answer that waits": ("answers are swept", _an_old_answer),
}


@pytest.mark.parametrize("what", SPOILT)
def test_the_command_that_doctor_names_mends_what_it_saw_and_is_needed_once(patient: Patient, what: str) -> None:
    name, spoil = SPOILT[what]
    spoil(patient)
    wrong, way_out = patient.wrong(), patient.examine()[f"animals: {name}"].way_out
    command = re.search(r"`hardcase sync animals( --full)?`", way_out)
    assert command is not None

    patient.sync(full=command[1] is not None)

    assert (wrong, patient.wrong()) == ([name], [])
    orders = patient.studio.projects[patient.ls_project]["model_version"]
    patient.sync(full=True)
    assert patient.studio.projects[patient.ls_project]["model_version"] == orders


@pytest.mark.parametrize("what", ["no version shown", "another version shown", "no predictions", "another sampling"])
def test_an_ordinary_sweep_mends_it_as_well(patient: Patient, what: str) -> None:
    SPOILT[what][1](patient)

    patient.sync(full=False)

    assert patient.wrong() == []


def test_one_project_that_is_wrong_hides_nothing_of_the_next(patient: Patient, make_project: Any) -> None:
    other = make_project(patient.database, name="beasts", policy=Policy(engine="scripted"))
    with transaction(patient.database) as session:
        ask(session, other, 1, [ReviewKind.HARD], probs=[(0.5, 0.3, 0.2)])
    parts = make_parts(
        patient.database, patient.settings.home, cast(LabelStudio, patient.studio), port=patient.web.port
    )
    push(parts, other.id)
    parts.jobs.close()
    patient.web.answers["POST", path_of(patient.project.id)] = lambda _: (401, {})

    checks = patient.examine()

    assert not checks["animals: webhook is received"].ok
    assert checks["beasts: webhook present"].ok


def _examine_over_http(patient: Patient, token: str, *, accepted: bool) -> dict[str, Check]:
    """Examine with the real adapter against a server that takes this token, or none."""
    expected = "Bearer short" if token == PERSONAL else f"Token {token}"

    def users(headers: Any) -> tuple[int, Any]:
        right = accepted and headers["Authorization"] == expected
        return (200, [{"id": 1, "email": "ann@example.com"}]) if right else (401, {"detail": "Invalid token."})

    refreshed = (200, {"access": "short"}) if accepted else (401, {"detail": "Token is invalid"})
    patient.web.answers["POST", "/api/token/refresh/"] = lambda _: refreshed
    patient.web.answers["GET", "/api/version"] = lambda _: (200, {"release": "1.23.2"})
    patient.web.answers["GET", "/api/users/"] = users
    settings = patient.settings.model_copy(update={"label_studio_token": SecretStr(token)})
    studio = LabelStudio(patient.web.address, token, timeout_s=5)
    checks = examine(settings, patient.database, studio)
    studio.close()
    return {check.name: check for check in checks}


def test_a_large_share_of_images_in_groups_is_worth_a_look(patient: Patient) -> None:
    with transaction(patient.database) as session:
        one = factories.group(session, patient.project.id)
        for _ in range(30):
            factories.image(session, patient.project.id, group_id=one)

    check = patient.examine()[f"{patient.project.config.name}: near-duplicates"]

    assert not check.ok
    assert "the largest of 30" in check.detail and "--regroup" in check.way_out


def test_images_that_stay_apart_because_too_many_would_join_are_said(patient: Patient) -> None:
    reason = "60 of 250 images would have joined others, more than 20%: only equal bytes are one image"
    with transaction(patient.database) as session:
        groups.freeze(session, patient.project.id, Grouping(TOO_MANY, -1, -1, 250, reason, NOW))

    check = patient.examine()[f"{patient.project.config.name}: near-duplicates"]

    assert not check.ok and reason in check.detail
