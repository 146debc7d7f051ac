"""A real worker in process: jobs ask for one another, die after three failures, come back, and are taken over."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result
from dbos import DBOSClient, DBOSPortableJSONSerializer, EnqueueOptions
from PIL import Image
from pydantic import SecretStr
from typer.testing import CliRunner

from db.repositories.certificates import certificates
from db.repositories.engines import reports
from db.repositories.images import registrations
from db.repositories.projects import projects
from db.repositories.running import failures, heartbeats
from db.session import reading, transaction
from db.tables import ImageRow, PrelabelRow, PromotionRow, QueryRow, ReviewRow, VersionRow
from labeling.errors import Conflict
from labeling.jobs import JobName, Trigger
from labeling.project import CertificateTerms, Policy, Project, Shares
from labeling.types import Actor, Incoming
from service.cli import app
from service.ingest.register import register_items
from service.jobs.arguments import Arguments, EnginesArguments
from service.jobs.engine_requests import EngineRequest, ReportKind
from service.jobs.jobs import APPLICATION_VERSION, Jobs, queue_of
from service.settings import Settings
from service.work.locks import OneAtATime
from service.work.worker import running_worker, worker_lock
from tests.conftest import NOW
from tests.reviewing import SECRET

ENDED = ("SUCCESS", "ERROR")
SHARES = Shares(random_first=0.3)
POLICY = Policy(engine="scripted", query_size=4, low_water=2, shares=SHARES)
pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a worker is started, and a client beside it."""

    settings: Settings
    database: sa.Engine
    jobs: Jobs

    def ask(
        self, job: JobName, project: Project | None, trigger: Trigger = Trigger.HAND, arguments: Arguments | None = None
    ) -> str:
        with transaction(self.database) as session:
            return self.jobs.ask(session, job, None if project is None else project.id, trigger, arguments)

    def ended(self, job_id: str) -> str:
        """Wait for a job; its state."""
        wait_until(lambda: self.state(job_id) in ENDED, f"{job_id} ends")
        return self.state(job_id)

    def state(self, job_id: str) -> str:
        found = self.jobs.status(job_id)
        assert found is not None
        return found.state

    def count(self, table: type[Any]) -> int:
        with reading(self.database) as session:
            return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0

    def failures(self, project: Project) -> dict[str, failures.Failure]:
        with reading(self.database) as session:
            return {failure.step: failure for failure in failures.listing(session, project.id)}


def home_of(database: sa.Engine, folder: Path, **settings: Any) -> Home:
    """Settings for a worker that works fast, with Label Studio unreachable and no sweep unless asked for."""
    known = Settings(
        home=folder,
        database_url=database.url.render_as_string(hide_password=False),
        secret=SecretStr(SECRET),
        label_studio_url="http://127.0.0.1:9",
        label_studio_token=SecretStr("0" * 40),
        **{"sweep_every_s": 3600.0, "queue_poll_s": 0.05, **settings},
    )
    return Home(known, database, Jobs(database))


@pytest.fixture
def home(database: sa.Engine, tmp_path: Path) -> Iterator[Home]:
    made = home_of(database, tmp_path)
    yield made
    made.jobs.close()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def pictures(folder: Path, count: int = 12) -> Sequence[Incoming]:
    """Small images that are no near-duplicates of one another."""
    folder.mkdir()
    made = []
    for number in range(count):
        path = folder / f"{number}.png"
        image = Image.effect_noise((16, 16), 120).resize((64, 64), Image.Resampling.NEAREST)
        image.convert("RGB").save(path)
        made.append(Incoming(reference=path.name, address=str(path), text=None, details={}, known_label=None))
    return made


def register(home: Home, project: Project, items: Sequence[Incoming]) -> None:
    with transaction(home.database) as session:
        register_items(session, home.jobs, project, items, NOW, local=True)


def settled(home: Home) -> bool:
    """Nothing waits and nothing runs."""
    jobs = home.jobs.list()
    return bool(jobs) and all(job.state in ENDED for job in jobs)


def jobs_of(home: Home, job: JobName) -> list[str]:
    return [found.state for found in home.jobs.list() if found.job == job.value]


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_images_become_questions_by_triggers_alone(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    home = home_of(request.getfixturevalue("database" if engine == "sqlite" else "postgres"), tmp_path)
    with running_worker(home.settings), ExitStack() as ending:
        ending.callback(home.jobs.close)
        wait_until(lambda: settled(home), "the first sweep finds no project")
        terms = CertificateTerms(precision=0.9, confidence=0.9, first_size=50, sizes=1)
        project = make_project(home.database, policy=replace(POLICY, certificate=terms))

        register(home, project, pictures(tmp_path / "pictures"))
        wait_until(lambda: "ERROR" in jobs_of(home, JobName.REVIEW) and settled(home), "the loop comes to a rest")

        assert [home.count(table) for table in (ImageRow, PrelabelRow, QueryRow)] == [12, 12, 1]
        assert home.count(ReviewRow) >= 4
        assert jobs_of(home, JobName.SWEEP) == ["SUCCESS"]
        assert "SUCCESS" in jobs_of(home, JobName.FIGURES)
        assert home.failures(project) == {}, "Label Studio being away is nobody's failure"
        with reading(home.database) as session:
            assert [beat.executor for beat in heartbeats.everyone(session)] == ["worker-0"]
            kept = certificates.terms_in_force(session, project.id)
            assert kept is not None and kept.newest_review == 0, "terms stand before anybody is asked"


def test_a_job_that_fails_three_times_is_left_alone_until_it_is_retried(
    home: Home, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    with running_worker(home.settings):
        wait_until(lambda: settled(home), "the first sweep finds no project")
        project = make_project(home.database, policy=Policy(engine="no-such"))
        register(home, project, pictures(tmp_path / "pictures", 3))
        wait_until(lambda: home.count(ImageRow) == 3 and settled(home), "the images are there")
        while not home.failures(project)["job:prelabel"].dead:
            assert home.ended(home.ask(JobName.PRELABEL, project)) == "ERROR"
        tried = len(jobs_of(home, JobName.PRELABEL))

        assert home.ended(home.ask(JobName.INGEST, project)) == "SUCCESS"
        tried_when_dead = len(jobs_of(home, JobName.PRELABEL))
        failed = home.failures(project)["job:prelabel"]
        _repair(home, project)
        assert home.ended(home.ask(JobName.INGEST, project)) == "SUCCESS"
        wait_until(lambda: home.count(PrelabelRow) == 3, "the images are prelabelled")

        assert (failed.count, failed.dead, tried_when_dead) == (3, True, tried)
        assert "no-such" in failed.reason
        wait_until(lambda: "job:prelabel" not in home.failures(project), "the success forgets the failures")


def test_the_sweep_does_what_no_trigger_asked_for(
    home: Home, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(home.database, policy=POLICY)
    with transaction(home.database) as session:
        registrations.register(session, project.id, pictures(tmp_path / "pictures"), NOW)

    with running_worker(home.settings):
        wait_until(lambda: home.count(QueryRow) == 1, "a query is chosen")

        assert jobs_of(home, JobName.SWEEP) == ["SUCCESS"]
        assert [home.count(table) for table in (ImageRow, PrelabelRow)] == [12, 12]


def test_a_job_of_a_worker_that_is_gone_is_taken_over_and_one_of_a_living_worker_is_not(
    any_database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    home = home_of(any_database, tmp_path)
    orphan = home.ask(JobName.FIGURES, make_project(any_database))
    held = home.ask(JobName.FIGURES, make_project(any_database, name="beasts"))
    _start_elsewhere(home, orphan, "worker-gone")
    _start_elsewhere(home, held, "worker-1")
    with transaction(any_database) as session:
        heartbeats.beat(session, "worker-gone", NOW.replace(year=2020), NOW.replace(year=2020), {})
        heartbeats.beat(session, "worker-1", NOW, NOW.replace(year=2999), {})

    with running_worker(home.settings):
        state = home.ended(orphan)
        left = home.state(held)

    assert (state, left) == ("SUCCESS", "PENDING")
    home.jobs.close()


def test_a_worker_that_comes_back_goes_on_with_what_it_had_begun(
    home: Home, make_project: Callable[..., Project]
) -> None:
    begun = home.ask(JobName.FIGURES, make_project(home.database))
    _start_elsewhere(home, begun, home.settings.executor)

    with running_worker(home.settings):
        state = home.ended(begun)

    assert state == "SUCCESS"


def test_a_second_worker_on_the_same_home_is_refused_and_one_after_it_is_not(home: Home) -> None:
    with worker_lock(home.settings):
        done = _type(home, "learn", "animals", "--here")
        with pytest.raises(Conflict, match="already runs"), worker_lock(home.settings):
            pass

    with worker_lock(home.settings):
        pass
    assert done.exit_code == 1


def test_on_postgresql_there_may_be_many_workers(postgres: sa.Engine, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=postgres.url.render_as_string(hide_password=False))

    with worker_lock(settings), worker_lock(settings):
        assert not list(tmp_path.glob("*.lock"))


def test_a_stage_can_be_done_here_where_no_worker_runs(home: Home, make_project: Callable[..., Project]) -> None:
    make_project(home.database, policy=POLICY)

    done = _type(home, "select", "animals", "--force", "--here", "--json")

    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert (document["job"], document["state"]) == ("select", "SUCCESS")
    assert document["result"] == {"asked": 0, "query": 0}


def test_one_job_of_a_project_waits_for_another_even_of_another_worker(any_database: sa.Engine) -> None:
    here = OneAtATime(any_database)
    other_worker = here if any_database.dialect.name == "sqlite" else OneAtATime(any_database)
    order: list[str] = []

    def work() -> None:
        with other_worker("learn:1"):
            order.append("second")

    with here("learn:1"):
        waiting = threading.Thread(target=work)
        waiting.start()
        with other_worker("learn:2"):
            order.append("another project")
        time.sleep(0.3)
        order.append("first")
    waiting.join(10)

    assert order == ["another project", "first", "second"]


def _type(home: Home, *words: str) -> Result:
    environment = {
        "HARDCASE_HOME": str(home.settings.home),
        "HARDCASE_SECRET": SECRET,
        "HARDCASE_LABEL_STUDIO_URL": home.settings.label_studio_url,
    }
    return CliRunner().invoke(app, list(words), env=environment)


def _repair(home: Home, project: Project) -> None:
    """Name an engine that exists, and give what failed its tries back."""
    repaired = replace(project.config, policy=POLICY)
    with transaction(home.database) as session:
        projects.configure(session, project.id, repaired, Actor("test", "repaired", NOW))
        failures.retry(session, project.id, "job:prelabel")


def _start_elsewhere(home: Home, job_id: str, executor: str) -> None:
    """As if a worker of this name had taken the job and was killed."""
    schema = "dbos." if home.database.dialect.name == "postgresql" else ""
    started = (
        f"UPDATE {schema}workflow_status SET status = 'PENDING', executor_id = :executor WHERE workflow_uuid = :id"
    )
    with home.database.begin() as connection:
        connection.execute(sa.text(started), {"executor": executor, "id": job_id})


def test_where_there_is_something_to_learn_the_next_query_waits_for_its_verdict(
    home: Home, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    with running_worker(home.settings):
        wait_until(lambda: settled(home), "the first sweep finds no project")
        project = make_project(home.database, policy=replace(POLICY, learn_after_labels=4))
        known = [
            replace(item, known_label=("cat", "dog", "bird", None)[number % 4])
            for number, item in enumerate(pictures(tmp_path / "known", 24))
        ]
        register(home, project, known)

        wait_until(lambda: home.count(QueryRow) == 1, "a query")
        wait_until(lambda: settled(home), "everything settles")

    with reading(home.database) as session:
        version = session.scalars(sa.select(VersionRow)).one()
        verdict = session.scalars(sa.select(PromotionRow)).one()
        queries = session.scalars(sa.select(QueryRow)).all()
    assert version.created_at <= verdict.created_at
    assert [query.trigger for query in queries] == ["promoted"]
    assert all(query.created_at >= verdict.created_at for query in queries)


def test_a_report_on_engines_is_a_job_that_keeps_it(home: Home, make_project: Callable[..., Project]) -> None:
    project = make_project(home.database, policy=POLICY)

    with running_worker(home.settings):
        planned = home.ask(
            JobName.ENGINES, project, Trigger.HAND, EnginesArguments(EngineRequest(kind=ReportKind.PLAN), "anna")
        )
        assert home.ended(planned) == "SUCCESS"

    result = home.jobs.status(planned)
    with reading(home.database) as session:
        newest = reports.newest(session, project.id, "plan")
    assert result is not None and newest is not None
    assert result.result == {"report": newest.id}
    assert (newest.asked_by, newest.result["engines"][0]["images"]["upper"]) == ("anna", 0)


def test_a_job_that_version_0_1_0_queued_is_understood(home: Home, make_project: Callable[..., Project]) -> None:
    project = make_project(home.database, policy=POLICY)
    planned = _queued_by_0_1_0(home, JobName.ENGINES, project, '{"kind": "plan"}', "anna")
    forced = _queued_by_0_1_0(home, JobName.SELECT, project, "force")
    unknown = _queued_by_0_1_0(home, JobName.SELECT, project, "backwards")

    with running_worker(home.settings):
        states = [home.ended(job) for job in (planned, forced, unknown)]

    assert states == ["SUCCESS", "SUCCESS", "ERROR"]
    refused = home.jobs.status(unknown)
    assert refused is not None and "cannot use these arguments (backwards)" in str(refused.error)
    with reading(home.database) as session:
        newest = reports.newest(session, project.id, "plan")
    assert newest is not None and newest.asked_by == "anna"


def _queued_by_0_1_0(home: Home, job: JobName, project: Project, *args: str) -> str:
    """A job with its arguments as loose strings, as the queue has them from then."""
    client = DBOSClient(
        system_database_url=home.database.url.render_as_string(hide_password=False),
        system_database_engine=home.database,
        serializer=DBOSPortableJSONSerializer(),
        lazy=True,
    )
    options: EnqueueOptions = {
        "workflow_name": job.value,
        "queue_name": queue_of(job),
        "app_version": APPLICATION_VERSION,
        "deduplication_id": ":".join((job.value, str(project.id), *args)),
        "authenticated_user": str(project.id),
    }
    with transaction(home.database) as session:
        handle = client.enqueue_in_transaction(session, options, project.id, Trigger.HAND.value, *args)
    client.destroy()
    return str(handle.workflow_id)
