"""Logging in with an API key, logging out, and the pages' one style sheet."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from db.repositories.people import audit
from db.session import reading, transaction
from labeling.errors import Unauthenticated
from service import auth
from service.web.edge.access import COOKIE, CallerDep, Guarded, identified, session_of
from service.web.pages.rendering import page, remember, safe_next
from service.web.wiring import PartsDep, WebParts

REFUSED = "login.refused"
REFUSED_AN_HOUR = 60
"""So many are written into the audit log: who tries keys from many addresses does not fill the disk."""


def _check_form(request: Request, parts: PartsDep, form_token: Annotated[str, Form(max_length=200)] = "") -> None:
    auth.check_form(parts.settings.signing, session_of(request), form_token)


CheckedForm = Depends(_check_form)
"""For a route that receives a form of ours: the form must have the token of its session."""
router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)


@router.get("/login", summary="The login form")
def show_login(request: Request) -> Response:
    return page(request, "login.html", following="/", message=None)


@router.post("/login", summary="Log in with an API key", dependencies=[CheckedForm])
def log_in(
    request: Request,
    parts: PartsDep,
    key: Annotated[str, Form(max_length=200)] = "",
    following: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    try:
        with reading(parts.database) as session:
            caller = identified(session, request, key)
    except Unauthenticated:
        _note_refusal(parts, key)
        message = "This key is not in force. Check that it was copied whole; an admin can make another."
        return page(request, "login.html", status=401, following=safe_next(following), message=message)
    with transaction(parts.database) as session:
        audit.record(session, caller.name, "login", caller.name, {"key": caller.prefix}, parts.now())
        opened = auth.log_in(session, caller, parts.now())
    response = RedirectResponse(safe_next(following), status_code=303)
    remember(request, response, opened)
    return response


def _note_refusal(parts: WebParts, key: str) -> None:
    """Into the audit log, as long as there are not too many: the request log has them all."""
    now = parts.now()
    with reading(parts.database) as session:
        if audit.count(session, REFUSED, now - timedelta(hours=1)) >= REFUSED_AN_HOUR:
            return
    with transaction(parts.database) as session:
        audit.record(session, "unknown", REFUSED, auth.prefix_of(key), {}, now)


@router.post("/logout", summary="Log out", dependencies=[CheckedForm])
def log_out(request: Request, parts: PartsDep, caller: CallerDep) -> Response:
    opened = session_of(request)
    if opened is not None:
        with transaction(parts.database) as session:
            auth.log_out(session, opened)
            audit.record(session, caller.name, "logout", caller.name, {}, parts.now())
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return response


@router.get("/style.css", summary="The pages' style", response_class=Response)
def style() -> Response:
    return Response(_style(), media_type="text/css", headers={"Cache-Control": "public, max-age=300"})


@cache
def _style() -> bytes:
    return (resources.files("service.web.pages") / "style.css").read_bytes()
