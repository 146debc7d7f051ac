"""Who may call what: the one table of all routes, and the guard that holds every route to it.

In: a request whose route was found. Out: the same request with its caller and project, or an error before a byte
of the body is read. A route that is not in the table cannot be served: `check_table` refuses to start.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy.orm import Session

from db.repositories.projects import projects
from db.session import reading
from labeling.errors import Conflict, NotFound
from labeling.jobs import Role
from labeling.project import Project
from service import auth
from service.auth import Caller, PageSession
from service.web.wiring import parts_of

COOKIE = "hardcase_session"


class How(StrEnum):
    """How a route knows its caller."""

    PUBLIC = "public"
    SIGNED = "signed address"
    TOKEN = "token in the path"
    HOOK = "secret header"
    KEY = "API key"
    PAGE = "login"


@dataclass(frozen=True, slots=True)
class Access:
    """What a route asks for; `role` is the least that will do."""

    how: How
    role: Role | None = None

    @property
    def words(self) -> str:
        """As the documentation says it: `API key: read`."""
        return f"{self.how}: {self.role}" if self.role else str(self.how)


_PUBLIC, _SIGNED, _HOOK = Access(How.PUBLIC), Access(How.SIGNED), Access(How.HOOK)
_TOKEN = Access(How.TOKEN)
_READ, _INGEST = Access(How.KEY, Role.READ), Access(How.KEY, Role.INGEST)
_ENGINEER, _ADMIN = Access(How.KEY, Role.ENGINEER), Access(How.KEY, Role.ADMIN)
_SEES, _HANDLES = Access(How.PAGE, Role.READ), Access(How.PAGE, Role.ENGINEER)
_P = "/api/projects/{project}"

ACCESS: dict[tuple[str, str], Access] = {
    ("GET", "/health"): _PUBLIC,
    ("GET", "/ready"): _PUBLIC,
    ("GET", "/openapi.json"): _PUBLIC,
    ("GET", "/style.css"): _PUBLIC,
    ("GET", "/metrics"): _READ,
    ("GET", "/api/projects"): _READ,
    ("POST", "/api/projects"): _ENGINEER,
    ("GET", _P): _READ,
    ("PUT", _P): _ENGINEER,
    ("GET", f"{_P}/status"): _READ,
    ("GET", f"{_P}/figures"): _READ,
    ("GET", f"{_P}/figures/{{name}}"): _READ,
    ("GET", f"{_P}/images"): _READ,
    ("POST", f"{_P}/images"): _INGEST,
    ("POST", f"{_P}/images/by-address"): _INGEST,
    ("GET", f"{_P}/images/{{image_id}}"): _READ,
    ("GET", f"{_P}/images/{{image_id}}/history"): _READ,
    ("GET", f"{_P}/quarantine"): _READ,
    ("POST", f"{_P}/quarantine/retry"): _INGEST,
    ("GET", f"{_P}/sources"): _READ,
    ("POST", f"{_P}/sources"): _ADMIN,
    ("GET", f"{_P}/queries"): _READ,
    ("POST", f"{_P}/queries"): _ENGINEER,
    ("GET", f"{_P}/reviews"): _READ,
    ("POST", f"{_P}/reviews/sync"): _ENGINEER,
    ("GET", f"{_P}/labels"): _READ,
    ("GET", f"{_P}/snapshots"): _READ,
    ("POST", f"{_P}/snapshots"): _ENGINEER,
    ("GET", f"{_P}/snapshots/{{snapshot}}"): _READ,
    ("GET", f"{_P}/snapshots/{{snapshot}}/changes"): _READ,
    ("GET", f"{_P}/releases/{{snapshot}}"): _READ,
    ("GET", f"{_P}/versions"): _READ,
    ("POST", f"{_P}/versions"): _ENGINEER,
    ("GET", f"{_P}/promotions"): _READ,
    ("POST", f"{_P}/promotions"): _ENGINEER,
    ("GET", f"{_P}/history"): _READ,
    ("GET", f"{_P}/engines"): _READ,
    ("GET", f"{_P}/engines/reports"): _READ,
    ("POST", f"{_P}/engines/reports"): _ENGINEER,
    ("GET", f"{_P}/engines/reports/{{report_id}}"): _READ,
    ("GET", f"{_P}/disputes"): _READ,
    ("POST", f"{_P}/decisions"): _ENGINEER,
    ("POST", f"{_P}/ask-again"): _ENGINEER,
    ("GET", f"{_P}/suspects"): _READ,
    ("POST", f"{_P}/suspects/review"): _ENGINEER,
    ("POST", f"{_P}/suspects/right"): _ENGINEER,
    ("GET", f"{_P}/alarms"): _READ,
    ("POST", f"{_P}/alarms/{{alarm_id}}/end"): _ENGINEER,
    ("GET", f"{_P}/team"): _READ,
    ("POST", f"{_P}/team/{{annotator_id}}/{{deed}}"): _ENGINEER,
    ("GET", f"{_P}/jobs"): _READ,
    ("GET", f"{_P}/jobs/{{job_id}}"): _READ,
    ("GET", "/api/keys"): _ADMIN,
    ("POST", "/api/keys"): _ADMIN,
    ("POST", "/api/keys/{prefix}/revoke"): _ADMIN,
    ("GET", "/media/review/{token}"): _SIGNED,
    ("GET", "/media/region/{token}"): _SIGNED,
    ("GET", "/media/picture/{project_id}/{content_hash}"): _SIGNED,
    ("POST", "/webhooks/label-studio/{project_id}"): _HOOK,
    ("GET", "/ml/{token}/health"): _TOKEN,
    ("POST", "/ml/{token}/setup"): _TOKEN,
    ("GET", "/ml/{token}/versions"): _TOKEN,
    ("POST", "/ml/{token}/predict"): _TOKEN,
    ("POST", "/ml/{token}/webhook"): _TOKEN,
    ("GET", "/login"): _PUBLIC,
    ("POST", "/login"): _PUBLIC,
    ("POST", "/logout"): _SEES,
    ("GET", "/"): _SEES,
    ("GET", "/projects/{project}"): _SEES,
    ("GET", "/projects/{project}/labels"): _SEES,
    ("POST", "/projects/{project}/labels"): _HANDLES,
    ("GET", "/projects/{project}/images/{image_id}"): _SEES,
    ("GET", "/projects/{project}/team"): _SEES,
    ("GET", "/projects/{project}/team/{annotator_id}/{deed}"): _HANDLES,
    ("POST", "/projects/{project}/team/{annotator_id}/{deed}"): _HANDLES,
    ("GET", "/projects/{project}/disputes"): _SEES,
    ("POST", "/projects/{project}/disputes"): _HANDLES,
    ("GET", "/projects/{project}/engines"): _SEES,
    ("POST", "/projects/{project}/engines"): _HANDLES,
    ("GET", "/projects/{project}/label-quality"): _SEES,
    ("POST", "/projects/{project}/suspects"): _HANDLES,
    ("POST", "/projects/{project}/alarms/{alarm_id}/end"): _HANDLES,
    ("GET", "/projects/{project}/jobs"): _SEES,
    ("POST", "/projects/{project}/jobs"): _HANDLES,
    ("POST", "/projects/{project}/retry"): _HANDLES,
    ("GET", "/projects/{project}/releases"): _SEES,
    ("GET", "/projects/{project}/releases/{snapshot}"): _SEES,
}


class Guarded(APIRoute):
    """A route that admits its caller before anything else of the request is looked at."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        access = {ACCESS.get((method, self.path), _ADMIN) for method in self.methods or ()}

        async def guarded(request: Request) -> Response:
            for needed in access:
                await run_in_threadpool(_admit, request, needed)
            return await handle(request)

        return guarded


def check_table(app: FastAPI) -> None:
    """Conflict unless the table and the routes that are served are the same set, and all guard themselves."""
    served = set(_served(app))
    missing, stale = served - set(ACCESS), set(ACCESS) - served
    if missing or stale:
        raise Conflict(f"service/web/edge/access.py and the routes differ: missing {missing}, not served {stale}.")


def _served(app: FastAPI) -> Iterable[tuple[str, str]]:
    for context in iter_route_contexts(app.routes):
        path = str(context.path)
        for method in (context.methods or set()) - {"HEAD"}:
            needed = ACCESS.get((method, path))
            by_us = needed is not None and needed.how in (How.KEY, How.PAGE)
            if by_us and not isinstance(context.original_route, Guarded):
                raise Conflict(f"{method} {path} does not guard itself: its router needs `route_class=Guarded`.")
            yield method, path


def session_of(request: Request) -> PageSession | None:
    """The page session that came with the request, logged in or not."""
    return auth.read_session(parts_of(request).settings.signing, request.cookies.get(COOKIE, ""))


def _admit(request: Request, access: Access) -> None:
    if access.role is None:
        return
    with reading(parts_of(request).database) as session:
        caller = _identify(session, request, access)
        if "project" in request.path_params:
            request.state.project = _visible(session, caller, request.path_params["project"])
    auth.require(caller, access.role)
    request.state.caller = caller


def _identify(session: Session, request: Request, access: Access) -> Caller:
    if access.how is How.PAGE:
        return auth.session_caller(session, session_of(request))
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return auth.identify(session, key if scheme.lower() == "bearer" else "")


def _visible(session: Session, caller: Caller, name_or_id: str) -> Project:
    try:
        project = projects.resolve(session, name_or_id)
    except NotFound:
        raise NotFound() from None  # the same words as for a project that exists and is not this key's
    auth.require_sight(caller, project)
    return project


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def _project(
    request: Request,
    project: Annotated[str, Path(max_length=200, description="A project's name or number.")],
) -> Project:
    resolved: Project = request.state.project
    return resolved


CallerDep = Annotated[Caller, Depends(_caller)]
ProjectDep = Annotated[Project, Depends(_project)]
