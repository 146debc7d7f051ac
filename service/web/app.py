"""The web process: every route, its guard, its limits and its errors put together.

In: settings. Out: an ASGI application that is ready to serve, with `app.state.parts` while it runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from labeling.errors import HardcaseError
from service import auth
from service.errors import problem_of
from service.label_studio.inbox_drain import InboxDrain
from service.logs import get_logger
from service.schema import check_schema
from service.settings import Settings
from service.web import api, pages
from service.web.edge.access import ACCESS, How, check_table
from service.web.edge.limits import BodyLimits
from service.web.edge.network_address import proxies_of
from service.web.edge.problems import ERRORS
from service.web.edge.request_log import Edge, request_id
from service.web.pages.rendering import error_page, wants_page
from service.web.wiring import make_parts, utc_now

THREADS = 32
"""Requests answered at the same time; the database pool is larger, so none waits for a connection."""
_SCHEMES = {How.KEY: "key", How.PAGE: "session"}
_FIRST = (".ml", ".webhooks")  # routes are tried in order, and these are called most and have the least time
log = get_logger(__name__)


def create_app(settings: Settings, *, now: Callable[[], datetime] = utc_now) -> FastAPI:
    """The application for these settings; Invalid or Conflict if it could not serve safely."""
    auth.check_strength(settings.secret.get_secret_value())
    app = FastAPI(
        title="hardcase",
        version="0.1.0",
        description="Label images with as little human effort as possible, and prove how good the labels are.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan(settings, now),
        responses=ERRORS,
    )
    app.router.routes.extend(_routes())
    _describe(app)
    _answer_errors(app)
    app.add_middleware(BodyLimits, upload_bytes=settings.max_body_bytes)
    app.add_middleware(Edge, proxies=proxies_of(settings.trusted_proxies))
    check_table(app)
    return app


def _routes() -> list[BaseRoute]:
    """The routes of the `router` of each module in `api` and `pages` that has one."""
    names = [f"{room.__name__}.{module.name}" for room in (api, pages) for module in iter_modules(room.__path__)]
    names.sort(key=lambda name: not name.endswith(_FIRST))
    routers = [module.router for module in map(import_module, names) if hasattr(module, "router")]
    return [route for router in routers for route in router.routes]


def _lifespan(settings: Settings, now: Callable[[], datetime]) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        parts = make_parts(settings, now)
        try:
            check_schema(parts.database)
            app.state.parts = parts
            with InboxDrain(parts.spool, parts.database, parts.jobs, every_s=settings.spool_every_s):
                yield
        finally:
            parts.close()

    return lifespan


def _answer_errors(app: FastAPI) -> None:
    def answer(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem.status == 500:
            log.error("fault", request_id=request_id(request.scope), exc_info=error)
        if wants_page(request):
            return error_page(request, problem)
        body = {**problem.body, "instance": request.url.path[:300], "request_id": request_id(request.scope)}
        return JSONResponse(body, problem.status, problem.headers, media_type="application/problem+json")

    for kind in (HardcaseError, HTTPException, RequestValidationError, SQLAlchemyError, OSError, Exception):
        app.add_exception_handler(kind, answer)


def _as_page(method: str, operation: dict[str, Any]) -> None:
    """What pages answer besides: a form leads to a page that shows what it did, and a browser gets errors as pages."""
    if method == "POST":
        operation["responses"]["303"] = {"description": "Done: the page at Location shows it."}
    operation["responses"]["default"]["content"]["text/html"] = {"schema": {"type": "string"}}


def _as_problem(operation: dict[str, Any]) -> None:
    """The media type that errors have: FastAPI writes them down as those of the route, and adds a 422 of its own."""
    answers = operation["responses"]
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    if "422" in answers:
        answers["422"] = {"description": answers["default"]["description"], "content": problem}
    answers["default"]["content"] = dict(problem)


def _describe(app: FastAPI) -> None:
    """Serve /openapi.json, with each route's access from the one table."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            document.setdefault("components", {})["securitySchemes"] = {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key: hck_..."},
                "session": {"type": "apiKey", "in": "cookie", "name": "hardcase_session"},
            }
            for (method, path), access in ACCESS.items():
                operation = document["paths"].get(path, {}).get(method.lower())
                if operation is not None:
                    _as_problem(operation)
                    if access.how is How.PAGE or path == "/login":
                        _as_page(method, operation)
                    operation["security"] = [{_SCHEMES[access.how]: []}] if access.how in _SCHEMES else []
                    operation["x-access"] = access.words
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/openapi.json", tags=["service"], summary="This document")
    def serve() -> dict[str, Any]:
        return app.openapi()
