"""The figure `team`: how each annotator does; and pauses those whom the rule tells to pause.

In: current answers that count, gold, leads' decisions. Out: one figure, and appended pauses with their evidence. Who
is paused already is neither judged nor judges; of who takes part again only later answers are held against them. By
answers to blind re-reviews nobody is judged: many of these images were chosen for a suspicious label.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy.orm import Session

from db.repositories.people import annotators
from db.repositories.projects import projects
from db.repositories.running import alarms
from db.repositories.running.alarms import AlarmKind
from db.session import reading, transaction
from db.views import label_audit
from db.views.figures import keep
from labeling.project import Project
from labeling.quality.annotators.pausing import Finding, find_harm
from labeling.quality.annotators.references import Answer
from labeling.types import Actor, ProjectId
from service.figures.figures import is_current, write
from service.figures.team import Team
from service.logs import get_logger
from service.work.quality.annotators.facts import Facts, read_facts
from service.work.quality.annotators.team_figure import found_of, team_of
from service.work.wiring import Parts

__all__ = ["PART", "RULE", "refresh_team"]

log = get_logger(__name__)

PART = ":team"
FORMAT = "4"
RULE = "rule"
"""The author of a pause that no person decided."""


def refresh_team(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Compute the figure and pause whom the rule finds, unless no answer has changed since it was computed last."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        fingerprint = f"{FORMAT}-{project.config_version}-{label_audit.answers_fingerprint(session, project_id)}"
        if is_current(session, project_id, fingerprint, Team, part=PART):
            return {"team": 0}
        facts = read_facts(parts, session, project)
        paused = {one.id for one in facts.people if one.paused}
        found = find_harm(_held_against(facts, facts.answers), paused, _held_against(facts, facts.doubts))
        team = team_of(session, facts, found)
    with transaction(parts.database) as session:
        new = _pause(session, parts, facts.project, found) if facts.project.config.policy.team.pause else 0
        keep(session, project_id, [write(team)], fingerprint, parts.now(), PART)
    return {"team": 1, **({"paused": new} if new else {})}


def _held_against(facts: Facts, answers: Sequence[Answer]) -> list[Answer]:
    """Of somebody who takes part again, what they answered since then."""
    since = {one.id: one.since for one in facts.people if one.since is not None and not one.paused}
    return [answer for answer in answers if answer.annotator not in since or answer.at > since[answer.annotator]]


def _pause(session: Session, parts: Parts, project: Project, found: Sequence[Finding]) -> int:
    already = annotators.paused(session, project.id)
    new = [finding for finding in found if finding.annotator not in already]
    for finding in new:
        evidence, words = msgspec.to_builtins(found_of(finding)), _words(finding)
        by = Actor(RULE, words, parts.now())
        annotators.switch(session, finding.annotator, by, paused=True, evidence=evidence)
        message = f"Annotator {finding.annotator} was paused: {words}. The Team page shows more, and lets them go on."
        subject = str(finding.annotator)
        alarms.raise_alarm(session, project.id, AlarmKind.ANNOTATOR_PAUSED, subject, message, evidence, parts.now())
        log.warning("an annotator was paused by the rule", project=project.id, annotator=finding.annotator, why=words)
    return len(new)


def _words(finding: Finding) -> str:
    partner = "" if finding.partner is None else f", annotator {finding.partner}"
    odds = "over a million" if finding.evidence > 1e6 else f"{finding.evidence:,.0f}"
    return (
        f"{finding.harm.value}{partner}: {finding.count} of {finding.n} answers, "
        f"evidence {odds} to 1 where {finding.needed:,.0f} to 1 was needed"
    )
