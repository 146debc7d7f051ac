"""Counts the figure of the next attempt at a certificate: the dry run, kept for the pages.

In: a project with a target. Out: one figure, counted anew when version, terms, set or answers have changed. Whether a
certifying answer is right is not read.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from db.repositories.certificates import certificates
from db.repositories.projects import projects
from db.repositories.queries import stream
from db.session import reading, transaction
from db.views import tallies
from db.views.figures import keep
from labeling.errors import Conflict
from labeling.project import Project
from labeling.types import ProjectId
from service.figures.figures import is_current, write
from service.figures.machine_labels import NextAttempt
from service.work.certify.forecast import forecast
from service.work.wiring import Parts

__all__ = ["refresh_next_attempt"]

PART = ":next_attempt"
FORMAT = "1"


def refresh_next_attempt(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Forecast the next attempt, unless nothing has changed since this was done last; {} without a target."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        if project.config.policy.certificate is None:
            return {}
        fingerprint = _fingerprint(session, project)
        if is_current(session, project_id, fingerprint, NextAttempt, part=PART):
            return {"next_attempt": 0}
    figure = _figure(parts, project_id)
    with transaction(parts.database) as session:
        keep(session, project_id, [write(figure)], fingerprint, parts.now(), PART)
    return {"next_attempt": 1}


def _fingerprint(session: Session, project: Project) -> str:
    held = certificates.terms_in_force(session, project.id)
    tried = (held.id, certificates.last_tried(session, held.id)) if held else ()
    facts = f"{tallies.fingerprint(session, project.id)}-{stream.fingerprint(session, project.id)}"
    return f"{FORMAT}-{project.config_version}-{tried}-{facts}"


def _figure(parts: Parts, project_id: ProjectId) -> NextAttempt:
    try:
        ahead = forecast(parts, project_id)
    except Conflict as why:  # nothing can be said, or nothing is planned
        return NextAttempt(None, None, None, None, None, None, None, 0, why.message)
    return NextAttempt(
        version=ahead.version,
        planned=ahead.planned,
        answered=ahead.answered,
        missing=ahead.missing,
        others=ahead.others,
        expected=ahead.expected,
        at_least=ahead.at_least,
        labels=ahead.labels,
        words=ahead.words,
    )
