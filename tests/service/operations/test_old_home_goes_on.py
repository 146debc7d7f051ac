"""The loop of a home that version 0.1.0 made goes on, with the jobs and events that waited in it."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import sqlalchemy as sa
from dbos import DBOSClient, DBOSPortableJSONSerializer
from pydantic import SecretStr

from db.repositories.engines import reports
from db.repositories.queries.stream import is_reserved, share_in_force
from db.session import reading
from db.tables import GroupRow, ImageRow, InboxRow, LabelRow
from labeling.jobs import JobName, Trigger
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
from service.settings import load_settings
from service.work.figures.refresh import refresh
from service.work.learn.learn import due, learn
from service.work.pool.pool import load_pool
from service.work.prelabel.calibrate import calibrate
from service.work.promote.judge import judge, promote_by_hand, roll_back
from service.work.promote.predict import predict
from service.work.quality import QUICK, SLOW
from service.work.select.query import choose_query
from service.work.worker import running_worker
from tests.service.labelled_pool import Clock, Ground
from tests.service.operations.old_home import (
    KNOWN,
    NOWHERE,
    Opened,
    champion,
    close,
    drain_spool,
    opened,
    pages_of,
    predicted,
    wrong,
)

WAITING: dict[JobName, Arguments] = {
    JobName.SELECT: SelectArguments(force=True),
    JobName.REVIEW: ReviewArguments(full=True),
    JobName.LEARN: LearnArguments(now=True),
    JobName.PROMOTE: PromoteArguments(DecisionByHand("promote", 1, "lead", "it was better")),
    JobName.ENGINES: EnginesArguments(read_request('{"kind":"plan","engines":["scripted"]}'), "lead"),
}


def test_the_loop_goes_on(old: Opened) -> None:
    parts, project = old.parts, old.project
    with reading(old.database) as session:
        free = ~is_reserved(project.id, share_in_force(session, project.id))
        of_group = sa.select(ImageRow.id).join(GroupRow, GroupRow.id == ImageRow.group_id).where(free)
        unlabelled = list(session.scalars(of_group.where(~sa.exists().where(LabelRow.image_id == ImageRow.id))))
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
    for _ in range(4):
        old = opened(unpacked)
        catch_up(old)
        load_pool(old.parts, old.project)
        pages_of(old)
        wrong(old)
        states.append((rows_of(old.database), files_of(old)))
        close(old)

    _, first, *again = states  # figures that rest on other figures are right from the second time on
    for rows, files in again:
        assert {name for name in rows if rows[name] != first[0][name]} - {"page_session"} == set()  # each visit logs in
        assert files == first[1]


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
    """Every file of the home with its hash; the databases are compared by their rows."""
    return {
        path.relative_to(old.home).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(old.home.rglob("*"))
        if path.is_file() and ".db" not in path.name
    }
