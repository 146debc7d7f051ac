"""The job `escalate` in a real worker: it starts by itself, stops nobody, and what it said is read by the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.repositories.engines import engines_in_force
from db.repositories.running import failures
from db.session import reading
from db.tables import ImageRow, PrelabelRow, QueryRow, TallyRow
from labeling.jobs import JobName
from labeling.project import EngineUse, Policy, Project
from service.jobs.jobs import queue_of
from service.work.worker import running_worker
from tests.service.test_workflows import Home, home_of, jobs_of, pictures, register, settled, wait_until

BROKEN, AGAIN = EngineUse("scripted:nothing"), EngineUse("scripted", ("again",), below_margin=1.0)
POLICY = Policy(engine="scripted", query_size=4, low_water=2, escalation=(BROKEN, AGAIN))
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def home(database: sa.Engine, tmp_path: Path) -> Iterator[Home]:
    made = home_of(database, tmp_path)
    yield made
    made.jobs.close()


def test_a_broken_engine_is_shown_while_the_next_one_and_the_loop_go_on(
    home: Home, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    with running_worker(home.settings):
        project = make_project(home.database, policy=POLICY)
        register(home, project, pictures(tmp_path / "pictures"))
        wait_until(lambda: "SUCCESS" in jobs_of(home, JobName.ESCALATE) and settled(home), "the escalation ends")
        wait_until(lambda: home.count(QueryRow) == 1 and settled(home), "the loop comes to a rest")

    with reading(home.database) as session:
        ready = set(session.scalars(sa.select(ImageRow.id).where(ImageRow.group_id.is_not(None))))
        first, second = engines_in_force.in_force(session, project.id)
        looked = sa.select(PrelabelRow.image_id).where(PrelabelRow.revision == second.revision)
        assert set(session.scalars(looked)) == ready
        assert (first.place, second.place, second.engine) == (0, 2, "scripted")
        [failure] = failures.listing(session, project.id, "escalate")
        assert failure.dead and "scripted:nothing" in failure.reason
        assert session.scalars(sa.select(TallyRow)).one().counts["prelabelled"] == 12, "by the first engine"


def test_hours_of_escalation_keep_neither_learning_nor_people_waiting() -> None:
    waiting = {queue_of(job) for job in (JobName.SELECT, JobName.LEARN, JobName.REVIEW, JobName.PRELABEL)}

    assert queue_of(JobName.ESCALATE) not in waiting
