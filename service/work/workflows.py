"""The jobs as durable workflows: each loops over the steps of one room and asks for what comes next.

In: a project, what triggered the job, and its arguments if it takes any. Out: counts. The facts lie in the tables,
so a workflow that is killed goes on where the tables say, and a job that finds nothing to do ends at once. Every
call of a step function is one durable step; its counts are what the engine stores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dbos import DBOS
from sqlalchemy.orm import Session

from db.outages import outage_of
from db.repositories.certificates import certificates
from db.repositories.deletions import deletions
from db.repositories.images import adopted_tasks
from db.repositories.projects import projects
from db.session import reading, transaction
from labeling.jobs import JobName, Trigger
from labeling.types import ProjectId
from service.jobs.arguments import (
    Arguments,
    CompareArguments,
    DecisionByHand,
    EnginesArguments,
    GroupArguments,
    LearnArguments,
    PromoteArguments,
    ReviewArguments,
    SelectArguments,
)
from service.logs import get_logger
from service.notifications.targets import has_targets
from service.work.certify.ahead import awaits_attempt, awaits_verdict, keeps_version, wants_version
from service.work.certify.certify import certify, withdraw
from service.work.certify.delivery import keep_terms
from service.work.delete.elsewhere import clear_up
from service.work.delete.rows import remove_rows
from service.work.delete.traces import remove_traces
from service.work.engine_reports import report
from service.work.explain.explanations import draw_explanations
from service.work.explain.regions import draw_regions
from service.work.figures import refresh
from service.work.figures.next_attempt import refresh_next_attempt
from service.work.grouping.contradictions import take_apart
from service.work.grouping.fingerprints import fingerprint_batch
from service.work.grouping.regrouping import regroup
from service.work.ingest import ingest
from service.work.ingest.garbage_collection import tidy_up
from service.work.job_edges import Counts, Steps, guarded, is_dead, logged
from service.work.learn import learn
from service.work.locks import OneAtATime
from service.work.notifications import deliver_due, write_due
from service.work.prelabel import escalate, prelabel
from service.work.prelabel.calibrate import calibrate
from service.work.promote import compare, judge
from service.work.promote.predict import predict
from service.work.quality import QUICK, SLOW, Step
from service.work.review.adopt import adopt_batch
from service.work.review.push import push
from service.work.review.sync import sync
from service.work.running_jobs import RunningJobs
from service.work.select import query
from service.work.wiring import Parts

FULL_SWEEP_EVERY = 60
"""Once an hour a sweep also searches for what vanished from Label Studio, which has to walk over all its tasks for it:
some 7 s for 10,000, so 0.2 % of its time."""

log = get_logger(__name__)


def register(parts: Parts, running: RunningJobs) -> None:
    """Make every job known to the durable engine under its name. Called once, before it is launched."""
    alone = OneAtATime(parts.database)
    loop = _Loop(parts, running, alone)
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
        JobName.COMPARE: loop.compare,
        JobName.QUALITY: loop.quality,
        JobName.CERTIFY: loop.certify,
        JobName.INSPECT: loop.inspect,
        JobName.ADOPT: loop.adopt,
        JobName.DELETE: loop.delete,
        JobName.MESSAGES: loop.messages,
    }
    for job, body in bodies.items():
        DBOS.workflow(name=job.value)(guarded(parts, job, body, alone, running))
    for job, body in ((JobName.SWEEP, loop.sweep), (JobName.TIDY, loop.tidy)):
        DBOS.workflow(name=job.value)(logged(job, body, running))


class _Loop:
    """The loop's stages as workflow bodies; `parts` is all they share."""

    def __init__(self, parts: Parts, running: RunningJobs, alone: OneAtATime) -> None:
        self.parts, self.alone = parts, alone
        self.steps = Steps(parts, running)
        self.sweeps = 0

    def ingest(self, project_id: ProjectId, trigger: str) -> Counts:
        listed = self.steps.one(ingest.look, project_id)
        fetched = self.steps.until_done(ingest.fetch_batch, project_id)
        self._ask(project_id, Trigger.INGESTED, JobName.PRELABEL)
        return {**listed, **fetched}

    def prelabel(self, project_id: ProjectId, trigger: str) -> Counts:
        done = self.steps.until_done(prelabel.prelabel_batch, project_id)
        self._ask(project_id, Trigger.PRELABELED, JobName.ADOPT, JobName.ESCALATE, JobName.SELECT, JobName.FIGURES)
        return done

    def escalate(self, project_id: ProjectId, trigger: str) -> Counts:
        """Runs beside the other jobs: people are not kept waiting by an engine that takes hours."""
        done = self.steps.until_done(escalate.escalate_batch, project_id)
        if done["done"]:
            self._ask(project_id, Trigger.PRELABELED, JobName.SELECT, JobName.FIGURES)
        return done

    def select(self, project_id: ProjectId, trigger: str, wanted: SelectArguments) -> Counts:
        if trigger not in (Trigger.PROMOTED, Trigger.HAND) and self.steps.one(learn.due, project_id):
            self._ask(project_id, Trigger.ANSWERED, JobName.LEARN)  # which leads back here, with a newer champion
            return {"asked": 0, "query": 0}
        if trigger != Trigger.HAND and self.steps.one(awaits_attempt, project_id):
            self._ask(project_id, Trigger.ANSWERED, JobName.CERTIFY)  # which leads back here
            return {"asked": 0, "query": 0}
        self.steps.one(keep_terms, project_id)  # before anybody is asked: only younger answers certify
        chosen = self.steps.one(query.choose_query, project_id, Trigger(trigger), force=wanted.force)
        if chosen["asked"]:
            self._ask(project_id, Trigger.SELECTED, JobName.REVIEW, JobName.FIGURES)
        return chosen

    def review(self, project_id: ProjectId, trigger: str, wanted: ReviewArguments) -> Counts:
        synced = self.steps.one(sync, project_id, full=wanted.full)
        pushed = self.steps.one(push, project_id, full=wanted.full)
        if synced["labels"] or synced["recorded"]:
            self._ask(project_id, Trigger.ANSWERED, JobName.QUALITY, JobName.LEARN, JobName.FIGURES)
            self._ask(project_id, Trigger.ANSWERED, JobName.CERTIFY)
        self._ask(project_id, Trigger.SELECTED, JobName.EXPLAIN)
        return {**synced, **pushed}

    def _certifies(self, project_id: ProjectId) -> bool:
        """Whether a certificate waits for a version that knows what people have labelled by now."""
        return self.steps.one(wants_version, project_id) and self.steps.one(learn.has_new_labels, project_id)

    def explain(self, project_id: ProjectId, trigger: str) -> Counts:
        """Overlays come after the reviews: no answer waits for a model."""
        regions = self.steps.until_done(draw_regions, project_id)
        reasons = self.steps.until_done(draw_explanations, project_id)
        return {name: regions[name] + reasons[name] for name in regions}

    def learn(self, project_id: ProjectId, trigger: str, wanted: LearnArguments) -> Counts:
        """Fit if it is due. Either way the next questions are chosen after it, by whoever is champion then."""
        learnt = {"version": 0}
        if trigger == Trigger.HAND or self.steps.one(learn.due, project_id) or self._certifies(project_id):
            learnt = self.steps.one(learn.learn, project_id, Trigger(trigger))
        self._ask(project_id, Trigger.LEARNED, JobName.PROMOTE)
        return learnt

    def promote(self, project_id: ProjectId, trigger: str, wanted: PromoteArguments) -> Counts:
        verdict = self._verdict(project_id, trigger, wanted.by_hand)
        if verdict["promoted"]:
            self.steps.one(withdraw, project_id)  # before the next query: what it accepted may be asked about again
        predicted = self.steps.one(predict, project_id)
        if predicted["rows"]:
            self._ask(project_id, Trigger.PROMOTED, JobName.REVIEW)
        self._ask(project_id, Trigger.PROMOTED, JobName.SELECT, JobName.FIGURES, JobName.CERTIFY)
        if predicted["rows"]:
            self._ask(project_id, Trigger.PROMOTED, JobName.ESCALATE)  # a new champion doubts other images
        return {**verdict, **predicted}

    def _verdict(self, project_id: ProjectId, trigger: str, by_hand: DecisionByHand | None) -> Counts:
        if by_hand is None:
            kept = self.steps.one(keeps_version, project_id)
            return {"promoted": 0} if kept else self.steps.one(judge.judge, project_id, Trigger(trigger))
        number, who = by_hand.version, (by_hand.author, by_hand.reason)
        if by_hand.action == "rollback":
            return self.steps.one(judge.roll_back, project_id, *who, leaving=number)
        return self.steps.one(judge.promote_by_hand, project_id, number, *who)

    def group(self, project_id: ProjectId, trigger: str, wanted: GroupArguments) -> Counts:
        """Near-duplicate groups made anew, by hand only."""
        self.steps.until_done(fingerprint_batch, project_id)
        changed = self.steps.one(regroup, project_id, dry_run=wanted.dry_run)
        if changed["moved"] and not wanted.dry_run:
            self._ask(project_id, Trigger.HAND, JobName.LEARN, JobName.FIGURES)
        return changed

    def figures(self, project_id: ProjectId, trigger: str) -> Counts:
        calibrated = self.steps.one(calibrate, project_id)
        return {**calibrated, **self.steps.one(refresh.refresh, project_id)}

    def engines(self, project_id: ProjectId, trigger: str, wanted: EnginesArguments) -> Counts:
        return self.steps.one(report.answer, project_id, wanted)

    def compare(self, project_id: ProjectId, trigger: str, wanted: CompareArguments) -> Counts:
        return self.steps.one(compare.answer, project_id, wanted)

    def quality(self, project_id: ProjectId, trigger: str) -> Counts:
        """What must follow people's answers within seconds: consensus, agreement, the team, alarms."""
        counts = self.steps.one(take_apart, project_id) | self._all(QUICK, project_id)
        self._ask(project_id, Trigger.ANSWERED, JobName.MESSAGES)
        return counts

    def certify(self, project_id: ProjectId, trigger: str) -> Counts:
        """At a planned size of the random stream the machine labels what may be promised, whether somebody asks or
        not. What people have labelled by then is learnt first."""
        fits = self._certifies(project_id)
        if fits:
            self._ask(project_id, Trigger.ANSWERED, JobName.LEARN)  # which leads back here
        waits = fits or self.steps.one(awaits_verdict, project_id)
        counts = self.steps.one(certify, project_id, tries=not waits)
        if counts["tried"] or counts["delivered"] or counts["taken_back"]:
            self._ask(project_id, Trigger.PROMOTED, JobName.SELECT, JobName.FIGURES, JobName.INSPECT)
        if counts["audits"]:
            self._ask(project_id, Trigger.SELECTED, JobName.REVIEW)
        return counts

    def inspect(self, project_id: ProjectId, trigger: str) -> Counts:
        """What takes longer: suspected labels, drift, what the next attempt at a certificate may accept."""
        return self._all((*SLOW, refresh_next_attempt), project_id)

    def adopt(self, project_id: ProjectId, trigger: str) -> Counts:
        """Tasks that were made in Label Studio get their reviews; their answers come by the next `review`."""
        done = self.steps.until_done(adopt_batch, project_id)
        self._ask(project_id, Trigger.SELECTED, JobName.REVIEW)
        return done

    def delete(self, project_id: ProjectId, trigger: str) -> Counts:
        """Rows first, while no review is pushed; then what lies elsewhere, then the traces in the files."""
        with self.alone(f"{JobName.REVIEW.value}:{project_id}"):
            removed = self.steps.until_done(remove_rows, project_id)
        self._ask(project_id, Trigger.HAND, JobName.LEARN, arguments=LearnArguments(now=True))
        self._ask(project_id, Trigger.HAND, JobName.FIGURES, JobName.QUALITY, JobName.SELECT)
        cleared = self.steps.one(clear_up, project_id)
        return {**removed, **cleared, **self.steps.one(remove_traces, project_id)}

    def messages(self, project_id: ProjectId, trigger: str) -> Counts:
        """Write the notifications that are due, then deliver them."""
        return {**self.steps.one(write_due, project_id), **self.steps.one(deliver_due, project_id)}

    def _all(self, steps: Sequence[Step], project_id: ProjectId) -> Counts:
        counts: Counts = {}
        for step in steps:
            counts |= self.steps.one(step, project_id)
        return counts

    def sweep(self, project_id: None, trigger: str) -> Counts:
        """Ask every stage of every project what is left to do: heals whatever a trigger missed.

        A project that trips us does not keep the others waiting.
        """
        self.sweeps += 1
        how = ReviewArguments(full=self.sweeps % FULL_SWEEP_EVERY == 1)
        with reading(self.parts.database) as session:
            everyone, deleting = projects.ids(session), deletions.projects_with_open(session)
        for project in deleting:
            self._ask(project, Trigger.SCHEDULE, JobName.DELETE)
        for project in everyone:
            try:
                self._sweep_one(project, how)
            except Exception as error:
                if outage_of(error) is not None:
                    raise
                log.exception("sweep", project=project)
        return {"projects": len(everyone)}

    def _sweep_one(self, project_id: ProjectId, how: ReviewArguments) -> None:
        self._ask(project_id, Trigger.SCHEDULE, JobName.REVIEW, arguments=how)
        stages = (JobName.INGEST, JobName.PRELABEL, JobName.LEARN)  # which ask for select and promote
        self._ask(project_id, Trigger.SCHEDULE, *stages, JobName.ESCALATE, JobName.FIGURES)
        self._ask(project_id, Trigger.SCHEDULE, JobName.QUALITY, JobName.INSPECT, JobName.ADOPT)
        self._ask(project_id, Trigger.SCHEDULE, JobName.CERTIFY)
        self._ask(project_id, Trigger.SCHEDULE, JobName.MESSAGES)

    def tidy(self, project_id: None, trigger: str) -> Counts:
        return self.steps.one(tidy_up)

    def _ask(self, project_id: ProjectId, trigger: Trigger, *jobs: JobName, arguments: Arguments | None = None) -> None:
        def ask() -> Counts:
            with transaction(self.parts.database) as session:
                wanted = [job for job in jobs if _is_wanted(self.parts, session, project_id, job)]
                wanted = [job for job in wanted if not is_dead(self.parts, project_id, job)]
                for job in wanted:
                    self.parts.jobs.ask(session, job, project_id, trigger, arguments)
            return {"asked": len(wanted)}

        DBOS.run_step({"name": "ask"}, ask)


def _is_wanted(parts: Parts, session: Session, project_id: ProjectId, job: JobName) -> bool:
    """Whether a job can have anything to do: an escalation, tasks to adopt, targets of notifications, overlays.

    Nothing but deleting is to do for a project that is being deleted.
    """
    if job is JobName.MESSAGES:
        return has_targets(parts.settings)
    if job is JobName.ADOPT:
        return adopted_tasks.has_ready(session, project_id)
    if job is JobName.DELETE:
        return True
    if not projects.stands(session, project_id):
        return False
    policy = projects.by_id(session, project_id).config.policy
    if job is JobName.EXPLAIN:
        return bool(policy.regions or policy.explanation)
    if job is JobName.CERTIFY:
        return policy.certificate is not None or certificates.has_work(session, project_id)
    return job is not JobName.ESCALATE or bool(policy.escalation)
