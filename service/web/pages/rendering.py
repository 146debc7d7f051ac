"""Templates to pages: everything is escaped, every form has its token, nothing needs a script.

In: a template's name and values. Out: a response. Addresses of images are signed here, for an hour.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from db.repositories.running import alarms
from db.session import reading
from db.views import dashboard
from labeling.jobs import Role
from labeling.project import Project
from service import auth
from service.auth import PageSession
from service.errors import Problem
from service.label_studio.signed_urls import sign_picture
from service.operations.processes import read_processes
from service.web.edge.access import COOKIE, session_of
from service.web.edge.request_log import request_id
from service.web.wiring import WebParts, parts_of

PICTURE_AGE = timedelta(hours=1)
_NOT_PAGES = ("/api/", "/media/", "/webhooks/", "/metrics", "/openapi.json", "/health", "/ready", "/ml/")


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """One page; a form on it has the token of this session (made now if there is none)."""
    signing = parts_of(request).settings.signing
    known = session_of(request)
    held = known or auth.open_session(None)
    shown = {
        "caller": getattr(request.state, "caller", None),
        "engineer": Role.ENGINEER,
        "admin": Role.ADMIN,
        "form_token": auth.form_token(signing, held),
        "path": request.url.path,
        "dead_processes": [one for one in read_processes(parts_of(request).settings.home) if not one.stays_up],
        **_of_project(parts_of(request), values.get("project")),
        **values,
    }
    response = HTMLResponse(_templates().get_template(template).render(shown), status)
    if known is None:
        remember(request, response, held)
    return response


def remember(request: Request, response: Response, page_session: PageSession) -> None:
    """Set this session's cookie in the browser."""
    settings = parts_of(request).settings
    response.set_cookie(
        COOKIE,
        auth.seal_session(settings.signing, page_session),
        max_age=auth.SESSION_AGE_S,
        httponly=True,
        samesite="lax",
        secure=settings.address.startswith("https:"),
    )


def error_page(request: Request, problem: Problem) -> Response:
    """A problem as a page; who is not logged in gets the login form instead."""
    if problem.status == 401:
        response = page(request, "login.html", status=401, following=safe_next(request.url.path), message=None)
    else:
        shown = {"problem": problem.body, "request_id": request_id(request.scope)}
        response = page(request, "error.html", status=problem.status, **shown)
    response.headers.update(problem.headers)
    return response


def wants_page(request: Request) -> bool:
    """Whether an error on this address is for a person to read."""
    is_page = not request.url.path.startswith(_NOT_PAGES)
    return is_page and "text/html" in request.headers.get("accept", "") and hasattr(request.app.state, "parts")


def safe_next(target: str) -> str:
    """A path of ours to go to after login; anything else becomes the first page."""
    parts = urlsplit(target.replace("\\", "/"))
    is_ours = not (parts.scheme or parts.netloc) and parts.path.startswith("/") and not target.startswith("//")
    return quote(parts.path, safe="/") if is_ours and parts.path not in ("/login", "/logout") else "/"


def _signer(parts: WebParts, project: Project) -> Callable[[str], str]:
    """Signs addresses of a project's images for a page."""
    now = parts.now()
    whole_hour = now.replace(minute=0, second=0, microsecond=0)  # the same address all hour: a browser keeps it

    def sign(content_hash: str) -> str:
        return sign_picture(
            parts.settings.secret.get_secret_value(),
            project_id=project.id,
            content_hash=content_hash,
            expires_at=whole_hour + 2 * PICTURE_AGE,
            now=now,
        )

    return sign


def _of_project(parts: WebParts, project: Project | None) -> dict[str, Any]:
    """What every page of a project may show: its open alarms, its images, and its addresses in Label Studio."""
    if project is None:
        return {"alarms": []}
    with reading(parts.database) as session:
        found, place = alarms.open_alarms(session, project.id), dashboard.label_studio_place(session, project.id)
    tasks = f"{parts.settings.label_studio_page_origin}/projects/{place.ls_project_id}/data?" if place else None
    return {
        "alarms": found,
        "sign": _signer(parts, project),
        "task_home": tasks and f"{tasks}task=",
        "label_studio": tasks and f"{tasks}labeling=1",
    }


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("service.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "when": _when, "thousands": _thousands, "amount": _amount}
    return environment


def _percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def _when(value: datetime | None) -> str:
    return "never" if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _thousands(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u202f")


def _amount(value: float, unit: str) -> str:
    """A number of images, a time given in hours, or money given in micro of a currency."""
    if unit == "images":
        return _thousands(value)
    if unit != "hours":
        return f"{value / 1e6:,.4f} {unit}" if value else "free"
    seconds = value * 3_600
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{value:.1f} h"
