"""The engines of a project with their counts, from stored facts alone: nothing is loaded, so any process may use it.

In: a session and a project. Out: one value for each engine in the order of escalation, for revisions that are no longer
in force, and for the money. Counts over all prelabels are the worker's figure; they are computed here only while there
is none.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from db.repositories.engines import calibrations, call_ledger, canaries, engines_in_force
from db.repositories.engines.call_ledger import EndpointState, Spending
from db.views import engine_stats
from db.views.engine_stats import RevisionFacts
from labeling.project import EngineUse, Project
from labeling.types import ProjectId
from service.engines.kinds import kind_of
from service.figures.engines import EngineWork
from service.figures.figures import stored


@dataclass(frozen=True, slots=True)
class EngineInUse:
    """One engine in its place. `revision` is None until the worker has loaded it once."""

    place: int
    use: EngineUse
    revision: str | None
    facts: RevisionFacts | None
    calibrated_on: int | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The engines of a project, older revisions, the money, and the endpoints that the engines call.

    `flags` counts the prelabels with each flag, and the canaries: given, and followed.
    """

    engines: list[EngineInUse]
    older: list[RevisionFacts]
    spending: Spending
    budget_micro: int | None
    currency: str
    endpoints: list[EndpointState]
    flags: dict[str, int]

    @property
    def left_micro(self) -> int:
        """What may still be spent; 0 where there is no budget."""
        return max(0, (self.budget_micro or 0) - self.spending.spent_micro - self.spending.reserved_micro)


def overview(session: Session, project: Project) -> Overview:
    """Read all of it."""
    policy = project.config.policy
    uses = [policy.first_use, *policy.escalation]
    held = {(stage.place, stage.engine): stage.revision for stage in engines_in_force.in_force(session, project.id)}
    work = stored(session, project.id, EngineWork) or work_of(session, project.id)
    facts = {found.revision: found for found in work.revisions}
    terms = calibrations.everyone(session, project.id)
    engines = []
    for place, use in enumerate(uses):
        revision = held.get((place, use.engine))
        labels = terms[revision].labels if revision in terms else None
        engines.append(EngineInUse(place, use, revision, facts.get(revision or ""), labels))
    in_force = {engine.revision for engine in engines}
    asked = {use.engine.partition(":")[2].partition("/")[0] for use in uses if kind_of(use.engine).endpoint}
    return Overview(
        engines=engines,
        older=[found for found in facts.values() if found.revision not in in_force],
        spending=call_ledger.spending(session, project.id),
        budget_micro=policy.budget.micro if policy.budget else None,
        currency=policy.budget.currency if policy.budget else "USD",
        endpoints=[state for state in call_ledger.endpoint_states(session) if state.endpoint in asked],
        flags=dict(work.flags),
    )


def work_of(session: Session, project_id: ProjectId) -> EngineWork:
    """Count it now, over all prelabels."""
    return EngineWork(
        engine_stats.revisions(session, project_id), list(canaries.flag_counts(session, project_id).items())
    )
