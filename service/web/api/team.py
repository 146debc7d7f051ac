"""Team: how each annotator does, who is paused, whose answers are void."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from db.repositories.people import annotators, audit
from db.repositories.people.annotators import Annotator
from db.session import reading, transaction
from db.views import dashboard
from labeling.project import Project
from labeling.types import Actor
from service.deletions.people import data_of
from service.figures.figures import name_of, outdated, read
from service.figures.team import Person, Team
from service.labels.annotators import DEEDS, Voided
from service.projects.pseudonyms import shown_name
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["team"])
AnnotatorId = Annotated[int, Path(ge=1, lt=2**62, description="An annotator's number.")]
Deed = Literal["pause", "resume", "void"]


class AnnotatorOut(BaseModel):
    """One person; `reason`, `by` and `since` are of the newest pause or return, `evidence` is what the rule found."""

    id: int
    name: str
    paused: bool
    reason: str
    by: str
    since: datetime | None
    evidence: dict[str, Any]
    figures: dict[str, Any] | None = Field(description="As in the figure `team`; null until it is computed.")


class TeamOut(BaseModel):
    """All who ever answered; `computed_at` is when the figures were computed."""

    annotators: list[AnnotatorOut]
    computed_at: datetime | None
    outdated: bool = Field(description="Figures are being computed again: another version of hardcase stored them.")


class ReasonIn(BaseModel):
    """Why a person is paused or resumed, or their answers are voided."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=1, max_length=500)


class DoneOut(BaseModel):
    """The person's new state; `voided` counts the answers that were voided, if any were."""

    annotator: AnnotatorOut
    voided: Voided | None = None


@router.get("/api/projects/{project}/team", summary="Show how each annotator does")
def show_team(parts: PartsDep, project: ProjectDep) -> TeamOut:
    with reading(parts.database) as session:
        people = annotators.everyone(session, project.id)
        figures = dashboard.figures(session, project.id)
    found = read(figures, Team)
    return TeamOut(
        annotators=[_out(project, one, found.of(one.id) if found else None) for one in people],
        computed_at=figures[name_of(Team)].computed_at if found else None,
        outdated=name_of(Team) in outdated(figures),
    )


@router.post(
    "/api/projects/{project}/team/{annotator_id}/{deed}", summary="Pause or resume somebody, or void their answers"
)
def act(
    parts: PartsDep, caller: CallerDep, project: ProjectDep, annotator_id: AnnotatorId, deed: Deed, body: ReasonIn
) -> DoneOut:
    """`void` discards everything they have answered so far, and asks others; it does not pause them."""
    by = Actor(caller.name, body.reason, parts.now())
    with transaction(parts.database) as session:
        done = DEEDS[deed](session, parts.jobs, project, annotator_id, by)
        found = annotators.by_id(session, project.id, annotator_id)
    return DoneOut(annotator=_out(project, found, None), voided=done if isinstance(done, Voided) else None)


@router.get("/api/projects/{project}/team/{annotator_id}/data", summary="Everything that is kept about an annotator")
def export_data(parts: PartsDep, caller: CallerDep, project: ProjectDep, annotator_id: AnnotatorId) -> JSONResponse:
    """To be given to them. What Label Studio has of their account is added by `hardcase team export-data` alone."""
    document = data_of(parts.database, project, annotator_id)
    with transaction(parts.database) as session:
        detail = {"annotator": annotator_id}
        audit.record(session, caller.name, "team.export-data", project.config.name, detail, parts.now(), project.id)
    return JSONResponse(jsonable_encoder(document))


def _out(project: Project, one: Annotator, figures: Person | None) -> AnnotatorOut:
    return AnnotatorOut(
        id=one.id,
        name=shown_name(project, one.id, one.name),
        paused=one.paused,
        reason=one.reason,
        by=one.author,
        since=one.since,
        evidence=dict(one.evidence),
        figures=None if figures is None else msgspec.to_builtins(figures),
    )
