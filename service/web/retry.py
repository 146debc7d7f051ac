"""Retry what failed; the API and the pages both call this."""

from __future__ import annotations

from db.repositories.people import audit
from db.repositories.running import failures
from db.session import transaction
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from service.auth import Caller
from service.web.wiring import WebParts

_STAGES = (JobName.INGEST, JobName.PRELABEL, JobName.ESCALATE, JobName.REVIEW)


def retry_failures(parts: WebParts, caller: Caller, project: Project, step: str | None) -> int:
    """Reset the failure counts of a project (of one step, or of all) and ask for the jobs that try them again."""
    now = parts.now()
    with transaction(parts.database) as session:
        count = failures.retry(session, project.id, step)
        audit.record(
            session, caller.name, "retry", project.config.name, {"step": step, "count": count}, now, project.id
        )
        for job in _STAGES:
            parts.jobs.ask(session, job, project.id, Trigger.HAND)
    return count
