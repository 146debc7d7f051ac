"""The Team page: how each annotator does, with intervals, and the actions of a lead.

In: the worker's figure `team` (docs/reference/figures.md) and the annotators of the project. Without the figure only
the names are shown. An action about a person is confirmed on a second page, with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from db.repositories.people import annotators
from db.repositories.people.annotators import Annotator
from db.session import reading, transaction
from db.views import dashboard
from labeling.conversion import convert
from labeling.types import Actor
from service.figures.estimates import Known
from service.figures.figures import decode, name_of
from service.figures.team import Found, Person, Team
from service.labels.annotators import DEEDS
from service.projects.pseudonyms import shown_name
from service.web.api.team import AnnotatorId, Deed
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.login import CheckedForm
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)


@dataclass(frozen=True, slots=True)
class Member:
    """One person: whether they take part now, the name shown, and their figures where there are any yet."""

    who: Annotator
    name: str
    figures: Person | None
    evidence: Found | None


@router.get("/projects/{project}/team", summary="The Team page")
def show_team(request: Request, parts: PartsDep, project: ProjectDep, done: Deed | None = None) -> Response:
    """Those about whom the rule found something come first, then by name."""
    with reading(parts.database) as session:
        people = annotators.everyone(session, project.id)
        figures = decode(dashboard.figures(session, project.id))
    team, counted = figures.of(Team), figures.kept.get(name_of(Team))
    names = {one.id: shown_name(project, one.id, one.name) for one in people}
    members = [Member(one, names[one.id], team.of(one.id) if team else None, _evidence(one)) for one in people]
    return page(
        request,
        "team.html",
        project=project,
        members=sorted(members, key=lambda member: (not _is_found(member), member.name)),
        names=names,
        team=team,
        is_outdated=name_of(Team) in figures.outdated,
        computed_at=counted.computed_at if counted else None,
        bars=_bars,
        done=done,
    )


@router.get(
    "/projects/{project}/team/{annotator_id}/{deed}", summary="Ask before somebody is paused, resumed or voided"
)
def confirm(request: Request, parts: PartsDep, project: ProjectDep, annotator_id: AnnotatorId, deed: Deed) -> Response:
    with reading(parts.database) as session:
        who = annotators.by_id(session, project.id, annotator_id)
        images = len(annotators.images_of(session, [annotator_id])) if deed == "void" else 0
    name = shown_name(project, who.id, who.name)
    return page(request, "team_confirm.html", project=project, who=who, name=name, deed=deed, images=images)


@router.post(
    "/projects/{project}/team/{annotator_id}/{deed}",
    summary="Pause or resume somebody, or void their answers",
    dependencies=[CheckedForm],
)
def act(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    annotator_id: AnnotatorId,
    deed: Deed,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    with transaction(parts.database) as session:
        DEEDS[deed](session, parts.jobs, project, annotator_id, Actor(caller.name, reason, parts.now()))
    return RedirectResponse(f"/projects/{project.id}/team?done={deed}", status_code=303)


def _bars(known: Known, *, signed: bool = False) -> tuple[float, float, float]:
    """An interval and its value on a scale of 0 to 100; a signed one goes from -1 to 1."""
    low, span = (-1.0, 2.0) if signed else (0.0, 1.0)
    numbers = (known.lower or 0.0, known.value or 0.0, known.upper or 0.0)
    left, middle, right = (round(100 * (number - low) / span, 2) for number in numbers)
    return left, middle, right


def _is_found(member: Member) -> bool:
    return member.who.paused or bool(member.figures and member.figures.findings)


def _evidence(one: Annotator) -> Found | None:
    """What the rule found when it paused somebody; None where a person decided."""
    try:
        return convert(dict(one.evidence), Found) if one.paused and one.evidence else None
    except msgspec.ValidationError:
        return None
