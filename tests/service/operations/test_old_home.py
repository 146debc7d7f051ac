"""A home that version 0.1.0 made opens, gives what it gave there, and its loop goes on.

`homes/home-0.1.0.tar.xz` was made by the code of 0.1.0 with its own steps and a clock that stood still. In order:
`migrate.upgrade` and `dbos.run_dbos_database_migrations`; `projects.create` (three classes, the scripted engine, one
engine of an escalation); 201 images with PNGs, vectors of images and texts in LanceDB and pre-labels of both engines;
two annotators who answered reviews of every kind, with "none of these", "unsure", a skip, a changed and a withdrawn
answer; imported labels, gold, a correction and an adjudication; `settle`; `learn`, `judge`, `predict`, `calibrate`,
`choose_query`, a push with an answer, then `learn`, `judge`, `predict` again, so that version 2 is the champion;
`engine_reports.answer` for `try`, `compare` and `plan`; `snapshots.create`; all steps of `QUICK` and `SLOW`;
`figures.refresh`; `release`; `auth.issue_key`; `Spool.put`; and `Jobs.ask` for five jobs with arguments as loose
strings. `home-0.1.0.json` and `labels.csv` in the archive are what 0.1.0 itself said of that home. Secrets are for
tests only.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa
from dbos import DBOSClient, DBOSPortableJSONSerializer
from pydantic import SecretStr

from db import migrate
from db.repositories.engines import reports
from db.repositories.labels import snapshots as kept_snapshots
from db.repositories.projects import projects
from db.repositories.versions import predictions, versions
from db.session import make_engine, reading
from db.tables import ImageRow, InboxRow, LabelRow
from db.views import dashboard, tallies
from labeling.adapters.label_studio.client import LabelStudio
from labeling.adapters.storage.image_store import ImageStore
from labeling.adapters.storage.prediction_files import read_predictions
from labeling.jobs import JobName, Trigger
from labeling.learn.training import predict_probs
from labeling.project import Project
from service.exporting.label_set import open_label_set
from service.exporting.registry import FORMATS, export
from service.jobs.arguments import (
    Arguments,
    DecisionByHand,
    EnginesArguments,
    LearnArguments,
    PromoteArguments,
    ReviewArguments,
    SelectArguments,
    read_arguments,
)
from service.jobs.engine_requests import read_request
from service.jobs.jobs import Jobs
from service.label_studio.inbox_drain import drain
from service.label_studio.spool import Spool
from service.labels import snapshots
from service.operations.doctor import examine
from service.release.files import FIGURES, PAGE, read_file
from service.schema import bring_to_head
from service.settings import load_settings
from service.work.figures.refresh import refresh
from service.work.learn.learn import due, learn
from service.work.pool.pool import load_pool
from service.work.pool.saved_versions import load_classifier
from service.work.prelabel.calibrate import calibrate
from service.work.promote.judge import judge, promote_by_hand, roll_back
from service.work.promote.predict import predict
from service.work.quality import QUICK, SLOW
from service.work.select.query import choose_query
from service.work.wiring import Parts
from service.work.worker import running_worker
from tests.conftest import NOW
from tests.service.labelled_pool import Clock, Ground
from tests.service.seeded_pool import SeededEngine, make_parts
from tests.service.web.test_authorisation import log_in
from tests.service.web_client import web

HOMES = Path(__file__).parent / "homes"
KNOWN: dict[str, Any] = json.loads((HOMES / "home-0.1.0.json").read_text())
SAYS = {
    "": ("201 images", "171 labelled", "83.3 % hold-out accuracy", "70.4 % to 91.3 %", "Errors of version 2 on 48"),
    "/label-quality": ("some criteria are missed.", "83.3 %", "0.80", "17 suspected labels", "bird 55"),
    "/team": ("ann paused", "bob paused", "4 gold images", "kappa 0.80"),
    "/engines": ("few-shot-1", "34.6 %", "champion version 2 52 84.6 %", "0.0022 USD"),
    "/labels": ("label cat", "folder/190.png", "none of these"),
    "/disputes": ("All 12", "ann dog bob bird"),
    "/jobs": ("promote waits", "The file is cut short."),
    "/releases": ("r1 by lead 171", "v1 snapshot only 171"),
    "/releases/r1": ("For internal use.",),
    "/images/1": ("label lead bird it has wings", "ann dog", "version 2 cat", "task 901"),
}
"""What the pages say in 0.1.0, without their tags."""
NOWHERE = "http://127.0.0.1:9"
WAITING: dict[JobName, Arguments] = {
    JobName.SELECT: SelectArguments(force=True),
    JobName.REVIEW: ReviewArguments(full=True),
    JobName.LEARN: LearnArguments(now=True),
    JobName.PROMOTE: PromoteArguments(DecisionByHand("promote", 1, "lead", "it was better")),
    JobName.ENGINES: EnginesArguments(read_request('{"kind":"plan","engines":["scripted"]}'), "lead"),
}


@dataclass(frozen=True, slots=True)
class Opened:
    """The home, brought to the newest schema, with parts to work on it."""

    home: Path
    parts: Parts
    project: Project

    @property
    def database(self) -> sa.Engine:
        return self.parts.database


def opened(home: Path) -> Opened:
    """What `hardcase init` and a start do to it."""
    database = make_engine(f"sqlite:///{home / 'hardcase.db'}")
    bring_to_head(database)
    with reading(database) as session:
        project = projects.by_name(session, KNOWN["project"])
    engine = SeededEngine(**KNOWN["engine"])
    parts = replace(
        make_parts(database, home),
        jobs=Jobs(database),
        images=ImageStore(str(home / "media")),
        engine_for=cast(Any, lambda project, use=None: engine),
        now=Clock(NOW + timedelta(days=1)),
    )
    return Opened(home, parts, project)


def close(old: Opened) -> None:
    old.parts.jobs.close()
    old.database.dispose()


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    with tarfile.open(HOMES / "home-0.1.0.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "home"


@pytest.fixture
def old(unpacked: Path) -> Iterator[Opened]:
    made = opened(unpacked)
    yield made
    close(made)


def by_number(old: Opened) -> dict[int, versions.Version]:
    with reading(old.database) as session:
        return {version.number: version for version in versions.everyone(session, old.project.id)}


def champion(old: Opened) -> versions.Version:
    with reading(old.database) as session:
        found = versions.champion(session, old.project.id)
    assert found is not None
    return found


def predicted(old: Opened, number: int) -> npt.NDArray[np.float64]:
    """What the version says of the images whose probabilities 0.1.0 wrote down."""
    pool = load_pool(old.parts, old.project)
    classifier, _ = load_classifier(old.home, by_number(old)[number])
    return predict_probs(classifier, pool.inputs.take(pool.rows_of(np.array(KNOWN["image_ids"]))))


def exported(old: Opened, to: Path) -> list[dict[str, str]]:
    export(open_label_set(old.database, old.project, old.parts.images, None), to, FORMATS["csv"])
    return read_csv(to)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pages_of(old: Opened) -> dict[str, str]:
    """The pages by their address, as the key that 0.1.0 issued sees them."""
    with web(old.database, old.home) as client:
        log_in(client, KNOWN["key"])
        answers = {page: client.get(f"/projects/{old.project.id}{page}") for page in SAYS}
    assert {page: answer.status_code for page, answer in answers.items()} == dict.fromkeys(SAYS, 200)
    return {page: " ".join(re.sub(r"<[^>]+>", " ", answer.text).split()) for page, answer in answers.items()}


def test_the_schema_is_the_newest_and_every_state_counts_as_many(old: Opened) -> None:
    with reading(old.database) as session:
        counts = tallies.counts(session, old.project.id)

    assert migrate.revision(old.database) == migrate.head()
    assert counts == KNOWN["progress"]


def test_the_pool_has_all_images_with_the_vectors_of_then(old: Opened) -> None:
    pool = load_pool(old.parts, old.project)

    has_text = np.isfinite(pool.text_vectors).all(axis=1)
    assert (len(pool), int(has_text.sum())) == (KNOWN["vectors"]["images"], KNOWN["vectors"]["texts"])
    assert np.isfinite(pool.image_vectors).all()
    assert pool.image_vectors.sum(dtype=np.float64) == pytest.approx(KNOWN["vectors"]["sum"], abs=2e-3)
    assert pool.text_vectors[has_text].sum(dtype=np.float64) == pytest.approx(KNOWN["vectors"]["text_sum"], abs=2e-3)


@pytest.mark.parametrize("number", [1, 2])
def test_a_saved_version_loads_and_predicts_what_it_did(old: Opened, number: int) -> None:
    version = by_number(old)[number]

    probs = predicted(old, number)

    np.testing.assert_allclose(probs, KNOWN["probs"][str(number)], atol=1e-5, rtol=0)
    assert version.card_hash == KNOWN["cards"][str(number)]
    assert version.snapshot_hash == KNOWN["snapshots"][str(number)]


def test_the_champion_and_its_stored_predictions_are_those_of_then(old: Opened) -> None:
    best = champion(old)
    with reading(old.database) as session:
        file = predictions.prediction_file(session, best.id)
    assert file is not None

    stored = read_predictions(old.home, file.path, file.sha256)

    assert (best.number, file.rows, file.sha256) == (KNOWN["champion"], *KNOWN["prediction_file"].values())
    rows = np.searchsorted(stored.image_ids, KNOWN["image_ids"])
    np.testing.assert_allclose(stored.probs[rows], KNOWN["probs"][str(best.number)], atol=1e-3, rtol=0)
    assert predict(old.parts, old.project.id) == {"rows": 0}  # nothing has to be predicted again


def test_every_page_is_there_before_anything_was_counted_again(old: Opened) -> None:
    assert all(pages_of(old).values())


def test_once_the_figures_were_looked_at_every_page_says_what_it_said(old: Opened) -> None:
    for step in (*QUICK, *SLOW, calibrate, refresh):
        step(old.parts, old.project.id)

    with reading(old.database) as session:
        assert set(dashboard.figures(session, old.project.id)) >= set(KNOWN["figures"])
    pages = pages_of(old)
    assert {
        (page, words) for page, all_words in SAYS.items() for words in all_words if words not in pages[page]
    } == set()


def test_an_export_has_the_same_labels_and_all_that_stood_beside_them(old: Opened, tmp_path: Path) -> None:
    before = read_csv(tmp_path / "labels.csv")

    after = exported(old, tmp_path / "again.csv")

    assert {row["image"]: row["label"] for row in after} == KNOWN["labels"]
    assert [{name: row[name] for name in before[0]} for row in after] == before


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"csv"}))
def test_every_other_format_writes_as_many_labels(old: Opened, tmp_path: Path, name: str) -> None:
    labels = open_label_set(old.database, old.project, old.parts.images, None)

    assert export(labels, tmp_path / "out", FORMATS[name]) == len(KNOWN["labels"])


def test_a_snapshot_and_a_release_still_give_their_hashes(old: Opened) -> None:
    with reading(old.database) as session:
        frozen, released = (kept_snapshots.by_name(session, old.project.id, name) for name in ("v1", "r1"))

    for one in (frozen, released):
        snapshots.verify(old.database, old.home, old.project, one)

    assert (frozen.hash, frozen.labels) == (KNOWN["snapshot"]["hash"], KNOWN["snapshot"]["labels"])
    assert released.hash == KNOWN["release"]["hash"]
    assert all(read_file(old.home, old.project, released, name) for name in (PAGE, FIGURES))


def test_the_doctor_finds_nothing_that_0_1_0_did_not(old: Opened) -> None:
    assert wrong(old) <= {name for name, ok in KNOWN["doctor"].items() if not ok}


def wrong(old: Opened) -> set[str]:
    """What the doctor finds where no worker, web process and Label Studio run."""
    settings = load_settings(home=old.home, port=9)
    studio = LabelStudio(NOWHERE, "0" * 40, timeout_s=2)
    checks = examine(settings, old.database, studio)
    studio.close()
    assert {check.name for check in checks} >= set(KNOWN["doctor"])
    return {check.name for check in checks if not check.ok}


def test_the_loop_goes_on(old: Opened) -> None:
    parts, project = old.parts, old.project
    with reading(old.database) as session:
        unlabelled = list(
            session.scalars(sa.select(ImageRow.id).where(~sa.exists().where(LabelRow.image_id == ImageRow.id)))
        )
    asked = choose_query(parts, project.id, Trigger.HAND, force=True)
    Ground(parts, project, cast(Clock, parts.now)).label(unlabelled[:12], None, "bird")

    assert asked["asked"] > 0
    assert due(parts, project.id)
    assert learn(parts, project.id, Trigger.ANSWERED) == {"version": 3}
    assert set(judge(parts, project.id, Trigger.LEARNED)) == {"promoted"}
    promote_by_hand(parts, project.id, 3, "lead", "it is newer")
    assert predict(parts, project.id) == {"rows": KNOWN["vectors"]["images"]}
    assert refresh(parts, project.id)["figures"] > 0
    assert roll_back(parts, project.id, "lead", "it was worse") == {"promoted": 1}
    assert champion(old).number == 2
    np.testing.assert_allclose(predicted(old, 2), KNOWN["probs"]["2"], atol=1e-5, rtol=0)


def test_an_event_that_waited_in_the_spool_reaches_the_inbox(old: Opened) -> None:
    drained = [drain_spool(old) for _ in range(2)]

    with reading(old.database) as session:
        assert [row.spool_key for row in session.scalars(sa.select(InboxRow))] == ["event-1"]
    assert drained == [1, 0]


def drain_spool(old: Opened) -> int:
    spool = Spool(old.home / "spool.db")
    try:
        return drain(spool, old.database, old.parts.jobs)
    finally:
        spool.close()


def test_the_arguments_of_jobs_that_waited_are_understood(old: Opened) -> None:
    client = DBOSClient(
        system_database_url=old.database.url.render_as_string(hide_password=False),
        system_database_engine=old.database,
        serializer=DBOSPortableJSONSerializer(),
        lazy=True,
    )
    waiting = client.list_workflows(status="ENQUEUED", sort_desc=False)
    client.destroy()

    stored = {JobName(one.name): one.input["args"][2:] for one in waiting if len(one.input["args"]) > 2}

    assert {job.value: list(found) for job, found in stored.items()} == KNOWN["waiting"]
    assert {job: read_arguments(job, found) for job, found in stored.items()} == WAITING


def test_a_worker_does_the_jobs_that_waited(old: Opened) -> None:
    settings = load_settings(
        home=old.home,
        label_studio_url=NOWHERE,
        label_studio_token=SecretStr("0" * 40),
        sweep_every_s=3600.0,
        queue_poll_s=0.05,
    )
    by_name = {job.id: job.job for job in old.parts.jobs.list()}

    with running_worker(settings):
        states = ended(old, sorted(by_name))

    assert {by_name[job] for job, state in states.items() if state != "SUCCESS"} <= {"review"}  # no Label Studio
    assert champion(old).number == 1
    with reading(old.database) as session:
        newest = reports.newest(session, old.project.id, "plan")
    assert newest is not None and newest.asked_by == "lead" and newest.id > 3


def ended(old: Opened, ids: list[str]) -> dict[str, str]:
    """How these jobs ended."""
    until = time.monotonic() + 90
    while True:
        states = {job.id: job.state for job in old.parts.jobs.list(ids=ids)}
        if set(states.values()) <= {"SUCCESS", "ERROR"}:
            return states
        assert time.monotonic() < until, states
        time.sleep(0.1)


def test_opening_it_twice_changes_nothing(unpacked: Path) -> None:
    states = []
    for _ in range(3):
        old = opened(unpacked)
        catch_up(old)
        load_pool(old.parts, old.project)
        pages_of(old)
        wrong(old)
        states.append((rows_of(old.database), files_of(old)))
        close(old)

    for rows, files in states[1:]:
        assert {name for name in rows if rows[name] != states[0][0][name]} == set()
        assert files == states[0][1]


def catch_up(old: Opened) -> None:
    """Do all that a start finds to do: figures of an older form, events that wait."""
    drain_spool(old)
    for step in (*QUICK, *SLOW, calibrate, refresh, predict):
        step(old.parts, old.project.id)


def rows_of(database: sa.Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but that of who did what, to which each look at the pages adds a login."""
    with database.connect() as connection:
        return {
            name: sorted((tuple(row) for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"')), key=repr)
            for name in sa.inspect(connection).get_table_names()
            if name != "audit"
        }


def files_of(old: Opened) -> dict[str, str]:
    """Every file of the home with its hash; the databases are told by their rows."""
    return {
        path.relative_to(old.home).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(old.home.rglob("*"))
        if path.is_file() and ".db" not in path.name
    }
