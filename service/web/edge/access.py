"""Who may call what: the one table of all routes, and the guard that enforces it for every route.

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
from fastapi.routing import iter_route_contexts
from sqlalchemy.orm import Session

from db.repositories.people import audit
from db.repositories.people.audit import Place
from db.repositories.projects import projects
from db.session import reading
from labeling.errors import Conflict, NotFound, TooOften, Unauthenticated
from labeling.jobs import Role
from labeling.project import Project
from service import auth
from service.auth import Caller, PageSession
from service.web.edge.network_address import holder_of
from service.web.edge.problems import Described
from service.web.wiring import parts_of

COOKIE = "hardcase_session"


class How(StrEnum):
    """How a route identifies its caller."""

    PUBLIC = "public"
    SIGNED = "signed address"
    TOKEN = "token in the path"
    HOOK = "secret header"
    KEY = "API key"
    PAGE = "login"


@dataclass(frozen=True, slots=True)
class Access:
    """What a route requires; `role` is the least sufficient role."""

    how: How
    role: Role | None = None

    @property
    def words(self) -> str:
        """As in the documentation: `API key: read`."""
        return f"{self.how}: {self.role}" if self.role else str(self.how)


_PUBLIC, _SIGNED, _HOOK = Access(How.PUBLIC), Access(How.SIGNED), Access(How.HOOK)
_TOKEN = Access(How.TOKEN)
_READ, _INGEST = Access(How.KEY, Role.READ), Access(How.KEY, Role.INGEST)
_ENGINEER, _ADMIN = Access(How.KEY, Role.ENGINEER), Access(How.KEY, Role.ADMIN)
_SEES, _HANDLES = Access(How.PAGE, Role.READ), Access(How.PAGE, Role.ENGINEER)
_ADMINISTERS = Access(How.PAGE, Role.ADMIN)
_P = "/api/projects/{project}"

ROUTES: dict[str, dict[str, Access]] = {
    "/health": {"GET": _PUBLIC},
    "/ready": {"GET": _PUBLIC},
    "/openapi.json": {"GET": _PUBLIC},
    "/style.css": {"GET": _PUBLIC},
    "/metrics": {"GET": _READ},
    "/api/projects": {"GET": _READ, "POST": _ENGINEER},
    _P: {"GET": _READ, "PUT": _ENGINEER},
    f"{_P}/status": {"GET": _READ},
    f"{_P}/figures": {"GET": _READ},
    f"{_P}/figures/{{name}}": {"GET": _READ},
    f"{_P}/images": {"GET": _READ, "POST": _INGEST},
    f"{_P}/images/by-address": {"POST": _INGEST},
    f"{_P}/images/{{image_id}}": {"GET": _READ},
    f"{_P}/images/{{image_id}}/history": {"GET": _READ},
    f"{_P}/images/{{image}}/why": {"GET": _READ},
    f"{_P}/images/{{image_id}}/machine-label": {"GET": _READ},
    f"{_P}/certificates": {"GET": _READ},
    f"{_P}/machine-labels": {"GET": _READ},
    f"{_P}/machine-labels/download": {"GET": _ENGINEER},
    f"{_P}/groups": {"GET": _READ},
    f"{_P}/savings": {"GET": _READ},
    f"{_P}/next": {"GET": _READ},
    f"{_P}/quarantine": {"GET": _READ},
    f"{_P}/quarantine/retry": {"POST": _INGEST},
    f"{_P}/sources": {"GET": _READ, "POST": _ADMIN},
    f"{_P}/queries": {"GET": _READ, "POST": _ENGINEER},
    f"{_P}/reviews": {"GET": _READ},
    f"{_P}/reviews/sync": {"POST": _ENGINEER},
    f"{_P}/labels": {"GET": _READ},
    f"{_P}/label-set": {"GET": _READ, "POST": _ENGINEER},
    f"{_P}/label-set/preview": {"POST": _READ},
    f"{_P}/snapshots": {"GET": _READ, "POST": _ENGINEER},
    f"{_P}/snapshots/{{snapshot}}": {"GET": _READ},
    f"{_P}/snapshots/{{snapshot}}/changes": {"GET": _READ},
    f"{_P}/releases/{{snapshot}}": {"GET": _READ},
    f"{_P}/versions": {"GET": _READ, "POST": _ENGINEER},
    f"{_P}/versions/{{number}}": {"GET": _READ},
    f"{_P}/versions/{{number}}/comparison": {"GET": _READ, "POST": _ENGINEER},
    f"{_P}/promotions": {"GET": _READ, "POST": _ENGINEER},
    f"{_P}/history": {"GET": _READ},
    f"{_P}/engines": {"GET": _READ},
    f"{_P}/engines/reports": {"GET": _READ, "POST": _ENGINEER},
    f"{_P}/engines/reports/{{report_id}}": {"GET": _READ},
    f"{_P}/disputes": {"GET": _READ},
    f"{_P}/undecided": {"GET": _READ},
    f"{_P}/decisions": {"POST": _ENGINEER},
    f"{_P}/ask-again": {"POST": _ENGINEER},
    f"{_P}/suspects": {"GET": _READ},
    f"{_P}/suspects/review": {"POST": _ENGINEER},
    f"{_P}/suspects/right": {"POST": _ENGINEER},
    f"{_P}/re-reviews": {"GET": _READ, "POST": _ENGINEER},
    f"{_P}/alarms": {"GET": _READ},
    f"{_P}/alarms/{{alarm_id}}/end": {"POST": _ENGINEER},
    f"{_P}/team": {"GET": _READ},
    f"{_P}/team/{{annotator_id}}/{{deed}}": {"POST": _ENGINEER},
    f"{_P}/team/{{annotator_id}}/data": {"GET": _ADMIN},
    f"{_P}/deletions": {"GET": _READ, "POST": _ADMIN},
    f"{_P}/deletions/{{deletion_id}}/lift": {"POST": _ADMIN},
    f"{_P}/jobs": {"GET": _READ},
    f"{_P}/jobs/{{job_id}}": {"GET": _READ},
    "/api/audit": {"GET": _ADMIN},
    "/api/keys": {"GET": _ADMIN, "POST": _ADMIN},
    "/api/keys/{prefix}/revoke": {"POST": _ADMIN},
    "/media/review/{token}": {"GET": _SIGNED},
    "/media/region/{token}": {"GET": _SIGNED},
    "/media/picture/{project_id}/{content_hash}": {"GET": _SIGNED},
    "/webhooks/label-studio/{project_id}": {"POST": _HOOK},
    "/ml/{token}/health": {"GET": _TOKEN},
    "/ml/{token}/setup": {"POST": _TOKEN},
    "/ml/{token}/versions": {"GET": _TOKEN},
    "/ml/{token}/predict": {"POST": _TOKEN},
    "/ml/{token}/webhook": {"POST": _TOKEN},
    "/login": {"GET": _PUBLIC, "POST": _PUBLIC},
    "/logout": {"POST": _SEES},
    "/": {"GET": _SEES},
    "/audit": {"GET": _ADMINISTERS},
    "/projects/{project}": {"GET": _SEES},
    "/projects/{project}/plots/{file}": {"GET": _SEES},
    "/projects/{project}/labels": {"GET": _SEES, "POST": _HANDLES},
    "/projects/{project}/label-set": {"GET": _SEES, "POST": _HANDLES},
    "/projects/{project}/groups": {"GET": _SEES},
    "/projects/{project}/images/{image_id}": {"GET": _SEES},
    "/projects/{project}/certificates": {"GET": _SEES},
    "/projects/{project}/models": {"GET": _SEES},
    "/projects/{project}/models/{number}": {"GET": _SEES, "POST": _HANDLES},
    "/projects/{project}/machine-labels": {"GET": _SEES},
    "/projects/{project}/savings": {"GET": _SEES},
    "/projects/{project}/machine-labels/download": {"GET": _HANDLES},
    "/projects/{project}/team": {"GET": _SEES},
    "/projects/{project}/team/{annotator_id}/{deed}": {"GET": _HANDLES, "POST": _HANDLES},
    "/projects/{project}/deletions": {"GET": _SEES},
    "/projects/{project}/delete/{kind}/{number}": {"GET": _ADMINISTERS, "POST": _ADMINISTERS},
    "/projects/{project}/disputes": {"GET": _SEES, "POST": _HANDLES},
    "/projects/{project}/engines": {"GET": _SEES, "POST": _HANDLES},
    "/projects/{project}/label-quality": {"GET": _SEES},
    "/projects/{project}/suspects": {"POST": _HANDLES},
    "/projects/{project}/re-reviews": {"POST": _HANDLES},
    "/projects/{project}/alarms/{alarm_id}/end": {"POST": _HANDLES},
    "/projects/{project}/jobs": {"GET": _SEES, "POST": _HANDLES},
    "/projects/{project}/retry": {"POST": _HANDLES},
    "/projects/{project}/releases": {"GET": _SEES},
    "/projects/{project}/releases/{snapshot}": {"GET": _SEES},
}
_UPLOADS = frozenset({f"{_P}/images", f"{_P}/images/by-address"})
ACCESS = {(method, path): access for path, methods in ROUTES.items() for method, access in methods.items()}


class Guarded(Described):
    """A route that admits its caller before anything else of the request is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        access = {ACCESS.get((method, self.path), _ADMIN) for method in self.methods or ()}

        async def guarded(request: Request) -> Response:
            for needed in access:
                await run_in_threadpool(_admit, request, needed)
            if request.method == "POST" and self.path in _UPLOADS:
                _count_upload(request)
            with audit.acting_from(_place_of(request)):
                return await handle(request)

        return guarded


def check_table(app: FastAPI) -> None:
    """Conflict unless the table and the routes that are served are the same set, and all are guarded."""
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
                raise Conflict(f"{method} {path} is not guarded: its router needs `route_class=Guarded`.")
            yield method, path


def session_of(request: Request) -> PageSession | None:
    """The page session that came with the request, logged in or not."""
    return auth.read_session(parts_of(request).settings.signing, request.cookies.get(COOKIE, ""))


def identified(session: Session, request: Request, key: str) -> Caller:
    """Who holds the key that came with a request; Unauthenticated, or TooOften where too many did not."""
    parts, prefix = parts_of(request), auth.prefix_of(key)
    if not key:
        raise Unauthenticated()
    request.state.key = prefix
    holder = holder_of(request.state.address)
    return parts.tries.tried(holder, prefix, lambda: auth.identify(session, key, parts.now()))


def visible(session: Session, caller: Caller, name_or_id: str) -> Project:
    """The project of this name or number, if the caller sees it; else NotFound."""
    try:
        project = projects.resolve(session, name_or_id)
    except NotFound:
        raise NotFound() from None  # the same message as for a project that this key may not see
    if not caller.sees(project.config.name):
        raise NotFound()
    return project


def _admit(request: Request, access: Access) -> None:
    if access.role is None:
        return
    with reading(parts_of(request).database) as session:
        request.state.caller = caller = _identify(session, request, access)
        if "project" in request.path_params:
            request.state.project = visible(session, caller, request.path_params["project"])
    auth.require(caller, access.role)


def _place_of(request: Request) -> Place:
    caller = getattr(request.state, "caller", None)
    return Place(request.state.address or "a socket of this machine", caller.prefix if caller else "")


def _identify(session: Session, request: Request, access: Access) -> Caller:
    if access.how is How.PAGE:
        return auth.session_caller(session, session_of(request), parts_of(request).now())
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return identified(session, request, key if scheme.lower() == "bearer" else "")


def _count_upload(request: Request) -> None:
    wait_s = parts_of(request).uploads.take(request.state.caller.prefix)
    if wait_s:
        raise TooOften(wait_s)


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
