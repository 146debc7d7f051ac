"""The jobs as durable workflows: each loops over the steps of one room and asks for what comes next.

In: a project, what triggered the job, and its arguments if it takes any. Out: counts. The facts lie in the tables,
so a workflow that is killed goes on where the tables say, and a job that finds nothing to do ends at once. Every
call of a step function is one durable step; its counts are what the engine stores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from dbos import DBOS
from sqlalchemy.orm import Session

from db.repositories.images import adopted_tasks
from db.repositories.projects import projects
from db.repositories.running import failures
from db.session import reading, transaction
from labeling.errors import Unavailable
from labeling.jobs import JobName, Trigger
from labeling.types import ProjectId
from service.jobs.arguments import (
    Arguments,
    DecisionByHand,
    EnginesArguments,
    GroupArguments,
    LearnArguments,
    PromoteArguments,
    ReviewArguments,
    SelectArguments,
    read_arguments,
)
from service.logs import get_logger
from service.notifications.targets import has_targets
from service.work.engine_reports import report
from service.work.explain.explanations import draw_explanations
from service.work.explain.regions import draw_regions
from service.work.figures import refresh
from service.work.grouping.contradictions import take_apart
from service.work.grouping.fingerprints import fingerprint_batch
from service.work.grouping.regrouping import regroup
from service.work.ingest import ingest
from service.work.ingest.garbage_collection import tidy_up
from service.work.learn import learn
from service.work.locks import OneAtATime
from service.work.notifications import deliver_due, write_due
from service.work.prelabel import escalate, prelabel
from service.work.prelabel.calibrate import calibrate
from service.work.promote import judge
from service.work.promote.predict import predict
from service.work.quality import QUICK, SLOW, Step
from service.work.review.adopt import adopt_batch
from service.work.review.push import push
from service.work.review.sync import sync
from service.work.select import query
from service.work.wiring import Parts, release_freed_memory

FULL_SWEEP_EVERY = 60
"""Once an hour a sweep also searches for what vanished from Label Studio, which has to walk over all its tasks for it:
some 7 s for 10,000, so 0.2 % of its time."""

Counts = dict[str, int]
T = TypeVar("T")
log = get_logger(__name__)


def register(parts: Parts) -> None:
    """Make every job known to the durable engine under its name. Called once, before it is launched."""
    loop, alone = _Loop(parts), OneAtATime(parts.database)
    bodies: dict[JobName, Callable[..., Counts]] = {
        JobName.INGEST: loop.ingest,
        JobName.PRELABEL: loop.prelabel,
        JobName.ESCALATE: loop.escalate,
        JobName.SELECT: loop.select,
        JobName.REVIEW: loop.review,
        JobName.EXPLAIN: loop.explain,
        JobName.LEARN: loop.learn,
        JobName.PROMOTE: loop.promote,
        JobName.GROUP: loop.group,
        JobName.FIGURES: loop.figures,
        JobName.ENGINES: loop.engines,
        JobName.QUALITY: loop.quality,
        JobName.INSPECT: loop.inspect,
        JobName.ADOPT: loop.adopt,
        JobName.MESSAGES: loop.messages,
    }
    for job, body in bodies.items():
        DBOS.workflow(name=job.value)(_guarded(parts, job, body, alone))

    def sweep(project_id: None, trigger: str) -> Counts:
        return loop.sweep()

    def tidy(project_id: None, trigger: str) -> Counts:
        return _step(tidy_up, parts)

    DBOS.workflow(name=JobName.SWEEP.value)(sweep)
    DBOS.workflow(name=JobName.TIDY.value)(tidy)


class _Loop:
    """The loop's stages as workflow bodies; `parts` is all they share."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.sweeps = 0

    def ingest(self, project_id: ProjectId, trigger: str) -> Counts:
        listed = _step(ingest.look, self.parts, project_id)
        fetched = _until_done(ingest.fetch_batch, self.parts, project_id)
        self._ask(project_id, Trigger.INGESTED, JobName.PRELABEL)
        return {**listed, **fetched}

    def prelabel(self, project_id: ProjectId, trigger: str) -> Counts:
        done = _until_done(prelabel.prelabel_batch, self.parts, project_id)
        self._ask(project_id, Trigger.PRELABELED, JobName.ADOPT, JobName.ESCALATE, JobName.SELECT, JobName.FIGURES)
        return done

    def escalate(self, project_id: ProjectId, trigger: str) -> Counts:
        """Runs beside the other jobs: people are not kept waiting by an engine that takes hours."""
        done = _until_done(escalate.escalate_batch, self.parts, project_id)
        if done["done"]:
            self._ask(project_id, Trigger.PRELABELED, JobName.SELECT, JobName.FIGURES)
        return done

    def select(self, project_id: ProjectId, trigger: str, wanted: SelectArguments) -> Counts:
        if trigger not in (Trigger.PROMOTED, Trigger.HAND) and _step(learn.due, self.parts, project_id):
            self._ask(project_id, Trigger.ANSWERED, JobName.LEARN)  # which leads back here, with a newer champion
            return {"asked": 0, "query": 0}
        chosen = _step(query.choose_query, self.parts, project_id, Trigger(trigger), force=wanted.force)
        if chosen["asked"]:
            self._ask(project_id, Trigger.SELECTED, JobName.REVIEW, JobName.FIGURES)
        return chosen

    def review(self, project_id: ProjectId, trigger: str, wanted: ReviewArguments) -> Counts:
        synced = _step(sync, self.parts, project_id, full=wanted.full)
        pushed = _step(push, self.parts, project_id, full=wanted.full)
        if synced["labels"] or synced["recorded"]:
            self._ask(project_id, Trigger.ANSWERED, JobName.QUALITY, JobName.LEARN, JobName.FIGURES)
        self._ask(project_id, Trigger.SELECTED, JobName.EXPLAIN)
        return {**synced, **pushed}

    def explain(self, project_id: ProjectId, trigger: str) -> Counts:
        """Overlays come after the reviews: no answer waits for a model."""
        regions = _until_done(draw_regions, self.parts, project_id)
        reasons = _until_done(draw_explanations, self.parts, project_id)
        return {name: regions[name] + reasons[name] for name in regions}

    def learn(self, project_id: ProjectId, trigger: str, wanted: LearnArguments) -> Counts:
        """Fit if it is due. Either way the next questions are chosen after it, by whoever is champion then."""
        learnt = {"version": 0}
        if trigger == Trigger.HAND or _step(learn.due, self.parts, project_id):
            learnt = _step(learn.learn, self.parts, project_id, Trigger(trigger))
        self._ask(project_id, Trigger.LEARNED, JobName.PROMOTE)
        return learnt

    def promote(self, project_id: ProjectId, trigger: str, wanted: PromoteArguments) -> Counts:
        verdict = self._verdict(project_id, trigger, wanted.by_hand)
        predicted = _step(predict, self.parts, project_id)
        if predicted["rows"]:
            self._ask(project_id, Trigger.PROMOTED, JobName.REVIEW)
        self._ask(project_id, Trigger.PROMOTED, JobName.SELECT, JobName.FIGURES)
        if predicted["rows"]:
            self._ask(project_id, Trigger.PROMOTED, JobName.ESCALATE)  # a new champion doubts other images
        return {**verdict, **predicted}

    def _verdict(self, project_id: ProjectId, trigger: str, by_hand: DecisionByHand | None) -> Counts:
        if by_hand is None:
            return _step(judge.judge, self.parts, project_id, Trigger(trigger))
        number, who = by_hand.version, (by_hand.author, by_hand.reason)
        if by_hand.action == "rollback":
            return _step(judge.roll_back, self.parts, project_id, *who, leaving=number)
        return _step(judge.promote_by_hand, self.parts, project_id, number, *who)

    def group(self, project_id: ProjectId, trigger: str, wanted: GroupArguments) -> Counts:
        """Near-duplicate groups made anew, by hand only."""
        _until_done(fingerprint_batch, self.parts, project_id)
        changed = _step(regroup, self.parts, project_id, dry_run=wanted.dry_run)
        if changed["moved"] and not wanted.dry_run:
            self._ask(project_id, Trigger.HAND, JobName.LEARN, JobName.FIGURES)
        return changed

    def figures(self, project_id: ProjectId, trigger: str) -> Counts:
        calibrated = _step(calibrate, self.parts, project_id)
        return {**calibrated, **_step(refresh.refresh, self.parts, project_id)}

    def engines(self, project_id: ProjectId, trigger: str, wanted: EnginesArguments) -> Counts:
        return _step(report.answer, self.parts, project_id, wanted)

    def quality(self, project_id: ProjectId, trigger: str) -> Counts:
        """What must follow people's answers within seconds: consensus, agreement, the team, alarms."""
        counts = _step(take_apart, self.parts, project_id) | self._all(QUICK, project_id)
        self._ask(project_id, Trigger.ANSWERED, JobName.MESSAGES)
        return counts

    def inspect(self, project_id: ProjectId, trigger: str) -> Counts:
        """What takes longer: suspected labels and drift."""
        return self._all(SLOW, project_id)

    def adopt(self, project_id: ProjectId, trigger: str) -> Counts:
        """Tasks that were made in Label Studio get their reviews; their answers come by the next `review`."""
        done = _until_done(adopt_batch, self.parts, project_id)
        self._ask(project_id, Trigger.SELECTED, JobName.REVIEW)
        return done

    def messages(self, project_id: ProjectId, trigger: str) -> Counts:
        """Write the notifications that are due, then deliver them."""
        return {**_step(write_due, self.parts, project_id), **_step(deliver_due, self.parts, project_id)}

    def _all(self, steps: Sequence[Step], project_id: ProjectId) -> Counts:
        counts: Counts = {}
        for step in steps:
            counts |= _step(step, self.parts, project_id)
        return counts

    def sweep(self) -> Counts:
        """Ask every stage of every project what is left to do: heals whatever a trigger missed."""
        self.sweeps += 1
        how = ReviewArguments(full=self.sweeps % FULL_SWEEP_EVERY == 1)
        with reading(self.parts.database) as session:
            everyone = [project.id for project in projects.everyone(session)]
        for project_id in everyone:
            self._ask(project_id, Trigger.SCHEDULE, JobName.REVIEW, arguments=how)
            stages = (JobName.INGEST, JobName.PRELABEL, JobName.LEARN)  # which ask for select and promote
            self._ask(project_id, Trigger.SCHEDULE, *stages, JobName.ESCALATE, JobName.FIGURES)
            self._ask(project_id, Trigger.SCHEDULE, JobName.QUALITY, JobName.INSPECT, JobName.ADOPT)
            self._ask(project_id, Trigger.SCHEDULE, JobName.MESSAGES)
        return {"projects": len(everyone)}

    def _ask(self, project_id: ProjectId, trigger: Trigger, *jobs: JobName, arguments: Arguments | None = None) -> None:
        def ask() -> Counts:
            with transaction(self.parts.database) as session:
                wanted = [job for job in jobs if _is_wanted(self.parts, session, project_id, job)]
                wanted = [job for job in wanted if not _is_dead(self.parts, project_id, job)]
                for job in wanted:
                    self.parts.jobs.ask(session, job, project_id, trigger, arguments)
            return {"asked": len(wanted)}

        DBOS.run_step({"name": "ask"}, ask)


def _step(function: Callable[..., T], parts: Parts, *args: Any, **options: Any) -> T:
    """Run one function of a room as a durable step; what is unavailable is tried twice more, with a pause."""

    def patiently() -> T:
        for pause_s in (0.5, 1.5):
            try:
                return function(parts, *args, **options)
            except Unavailable:
                time.sleep(pause_s)
        return function(parts, *args, **options)

    result: T = DBOS.run_step({"name": function.__name__}, patiently)
    return result


def _until_done(function: Callable[..., Counts], parts: Parts, project_id: ProjectId) -> Counts:
    """Repeat a batch step until nothing is left; a batch in which all failed waits a moment before the next."""
    total = {"done": 0, "failed": 0}
    while True:
        counts = _step(function, parts, project_id)
        total = {name: total[name] + counts[name] for name in total}
        if not counts["left"] or not (counts["done"] or counts["failed"]):
            return total
        if not counts["done"]:
            DBOS.sleep(1.0)


def _guarded(parts: Parts, job: JobName, body: Callable[..., Counts], alone: OneAtATime) -> Callable[..., Counts]:
    """Count a job's failures: after three in a row it is a dead letter, which only a person's retry revives."""

    def run(project_id: ProjectId, trigger: str, *stored: str) -> Counts:
        try:
            arguments = read_arguments(job, stored)
            with alone(f"{job.value}:{project_id}"):
                counts = body(project_id, trigger, *([] if arguments is None else [arguments]))
        except Unavailable as error:
            log.warning("job waits", job=job.value, project=project_id, reason=error.message)
            raise
        except Exception as error:
            log.exception("job failed", job=job.value, project=project_id)
            reason = f"{type(error).__name__}: {error}"[:500]
            with transaction(parts.database) as session:
                failures.record(session, project_id, f"job:{job.value}", str(project_id), reason, False, parts.now())
            raise
        with transaction(parts.database) as session:
            failures.clear(session, f"job:{job.value}", str(project_id))
        if any(counts.values()):
            release_freed_memory()
            log.info("job done", job=job.value, project=project_id, trigger=trigger, **counts)
        return counts

    run.__qualname__ = run.__name__ = f"job_{job.value}"
    return run


def _is_wanted(parts: Parts, session: Session, project_id: ProjectId, job: JobName) -> bool:
    """Whether a job can have anything to do: an escalation, tasks to adopt, targets of notifications, overlays."""
    if job is JobName.MESSAGES:
        return has_targets(parts.settings)
    if job is JobName.ADOPT:
        return adopted_tasks.has_ready(session, project_id)
    policy = projects.by_id(session, project_id).config.policy
    if job is JobName.EXPLAIN:
        return bool(policy.regions or policy.explanation)
    return job is not JobName.ESCALATE or bool(policy.escalation)


def _is_dead(parts: Parts, project_id: ProjectId, job: JobName) -> bool:
    with reading(parts.database) as session:
        return failures.is_dead(session, f"job:{job.value}", str(project_id))
