"""The Models page: every version with its verdict and gain; one of them with its card, its verdicts and the champion
beside it; and the forms that put one in use or go back.

In: rows, cards and figures; the comparison that the worker made last. Pictures that a blind review hides are left out.
What is asked for by a form is a job.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from db.repositories.certificates import certificates
from db.repositories.versions import versions
from db.session import reading
from db.views import dashboard
from labeling.errors import Conflict, Invalid
from labeling.jobs import JobName, Role
from labeling.project import Project
from service.figures.accuracy import AccuracyByVersion, Confusion
from service.figures.figures import decode, name_of
from service.jobs.arguments import CompareArguments
from service.projects.version_comparison import VersionComparison, newest_comparison, sentence, two_versions
from service.projects.versions import listed, shown, withheld_now
from service.web.api.jobs import ask_by_hand
from service.web.api.versions import decide
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.login import CheckedForm
from service.web.pages.plots import addresses
from service.web.pages.rendering import page
from service.web.wiring import PartsDep, WebParts

NAMED = 24
"""So many of the images that change are shown."""
FLIPS = 40
"""So many lines of what changes."""
router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)
Number = Annotated[int, Path(ge=1, le=2**31)]
Deed = Literal["promote", "rollback", "compare"]


@router.get("/projects/{project}/models", summary="The Models page")
def show_models(request: Request, parts: PartsDep, project: ProjectDep) -> Response:
    with reading(parts.database) as session:
        found, withheld = listed(session, project), withheld_now(session, project)
        plots = {} if withheld else addresses(project.id, decode(dashboard.figures(session, project.id)))
    plot = plots.get(name_of(AccuracyByVersion))
    return page(request, "models.html", project=project, found=found, plot=plot, withheld=withheld)


@router.get("/projects/{project}/models/{number}", summary="One version, and the champion beside it")
def show_model(
    request: Request,
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    number: Number,
    against: Annotated[int | None, Query(ge=1, le=2**31)] = None,
    done: Deed | None = None,
) -> Response:
    """`against`: the version beside it; by default the champion, or the champion before where it is in use itself."""
    with reading(parts.database) as session:
        version = shown(session, parts.settings.home, project, number)
        other = _other(session, project, number, against)
        made = None
        if other is not None:
            made = newest_comparison(session, project, number, other, leads=caller.may(Role.ENGINEER))
        before = versions.previous_champion(session, project.id) if version.listed.champion else None
        stands = bool(certificates.standing(session, project.id))
        plots = addresses(project.id, decode(dashboard.figures(session, project.id))) if version.recall else {}
    return page(
        request,
        "model.html",
        project=project,
        version=version,
        other=other,
        comparison=made if isinstance(made, VersionComparison) else None,
        not_compared=made if isinstance(made, str) else "",
        words=sentence(made) if isinstance(made, VersionComparison) else "",
        most=FLIPS,
        before=before.number if before else None,
        confusion=plots.get(name_of(Confusion)),
        stands=stands,
        at_work=_at_work(parts, project),
        done=done,
    )


@router.post("/projects/{project}/models/{number}", summary="Promote, roll back or compare", dependencies=[CheckedForm])
def act(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    number: Number,
    deed: Annotated[Deed, Form()],
    reason: Annotated[str, Form(max_length=500)] = "",
    against: Annotated[int | None, Form(ge=1, le=2**31)] = None,
) -> Response:
    """A rollback leaves this very version: where it is not in use any more, nothing is asked for."""
    if deed == "compare":
        with reading(parts.database) as session:
            pair = two_versions(session, project.id, number, against)
        ask_by_hand(parts, caller, project, JobName.COMPARE, CompareArguments(*pair, NAMED, caller.name))
    else:
        _check(parts, project, number, deed, reason)
        decide(parts, caller, project, deed, number if deed == "promote" else None, reason.strip())
    beside = f"&against={against}" if against else ""
    return RedirectResponse(f"/projects/{project.id}/models/{number}?done={deed}{beside}", status_code=303)


def _check(parts: WebParts, project: Project, number: int, deed: Deed, reason: str) -> None:
    """Refuse a decision that would do nothing, or another thing than the page said."""
    if not reason.strip():
        raise Invalid("Say why: the reason is kept with the decision.")
    with reading(parts.database) as session:
        champion = versions.champion(session, project.id)
        before = versions.previous_champion(session, project.id)
    in_use = champion is not None and champion.number == number
    if deed == "promote" and in_use:
        raise Conflict(f"Version {number} is in use already.")
    if deed == "rollback" and not in_use:
        raise Conflict(f"Version {number} is not in use any more. Load its page again to see what is.")
    if deed == "rollback" and before is None:
        raise Conflict("There is no earlier champion to go back to. Put another version in use on its page.")


def _other(session: Session, project: Project, number: int, against: int | None) -> int | None:
    """The version to show beside this one; None where there is no other."""
    try:
        return two_versions(session, project.id, number, against)[1]
    except Conflict:
        return None


def _at_work(parts: WebParts, project: Project) -> frozenset[str]:
    """Which of the jobs that this page asks for wait or run."""
    jobs = parts.jobs.list(project_id=project.id, limit=20)
    return frozenset(job.job for job in jobs if job.state in ("ENQUEUED", "PENDING")) & {
        JobName.COMPARE.value,
        JobName.PROMOTE.value,
    }
