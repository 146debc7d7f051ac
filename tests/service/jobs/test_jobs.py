"""Asking for work: in the caller's transaction, and joined where it already waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from db.session import transaction
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from service.jobs.arguments import SelectArguments
from service.jobs.jobs import Jobs


@pytest.fixture
def jobs(any_database: sa.Engine) -> Iterator[Jobs]:
    made = Jobs(any_database)
    yield made
    made.close()


def test_asking_twice_joins_the_job_that_waits(
    any_database: sa.Engine, jobs: Jobs, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)

    with transaction(any_database) as session:
        first = jobs.ask(session, JobName.LEARN, project.id, Trigger.HAND)
    with transaction(any_database) as session:
        second = jobs.ask(session, JobName.LEARN, project.id, Trigger.ANSWERED)

    assert first == second
    assert [job.job for job in jobs.list()] == ["learn"]


def test_a_job_asked_for_with_arguments_is_a_job_of_its_own(
    any_database: sa.Engine, jobs: Jobs, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)

    with transaction(any_database) as session:
        plain = jobs.ask(session, JobName.SELECT, project.id, Trigger.ANSWERED)
        forced = jobs.ask(session, JobName.SELECT, project.id, Trigger.HAND, SelectArguments(force=True))

    assert plain != forced


def test_a_transaction_that_fails_leaves_no_job(
    any_database: sa.Engine, jobs: Jobs, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)

    with pytest.raises(RuntimeError), transaction(any_database) as session:
        jobs.ask(session, JobName.LEARN, project.id, Trigger.HAND)
        raise RuntimeError("something else went wrong")

    assert jobs.list() == []


def test_a_job_that_is_not_known_has_no_status(any_database: sa.Engine, jobs: Jobs) -> None:
    assert jobs.status("nothing") is None
