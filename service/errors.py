"""One table from our errors to HTTP, and every error's body as problem details (RFC 9457).

In: an error. Out: status, headers and a body that a client can act on. Bodies never hold what was sent, since
that may be a secret.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from db.outages import outage_of
from labeling.errors import (
    BacklogFull,
    Conflict,
    Denied,
    HardcaseError,
    Invalid,
    NotFound,
    StorageFull,
    TooOften,
    Unauthenticated,
    Unavailable,
)
from service.written_files import place_in

STATUS: dict[type[HardcaseError], int] = {
    NotFound: 404,
    Conflict: 409,
    Invalid: 422,
    Unauthenticated: 401,
    Denied: 403,
    Unavailable: 503,
    BacklogFull: 429,
    TooOften: 429,
    StorageFull: 507,
}
RETRY_AFTER_S = {503: 5, 429: 30}


class Problem:
    """An error as HTTP: a status, its headers, and the members of the body."""

    def __init__(self, status: int, kind: str, detail: str, **members: Any) -> None:
        self.status = status
        self.headers = _headers(status)
        self.body: dict[str, Any] = {
            "type": f"urn:hardcase:problem:{kind}",
            "title": _title(status),
            "status": status,
            "detail": detail,
            **members,
        }


def status_of(error: type[HardcaseError]) -> int:
    """The status of an error class: its own or its nearest parent's."""
    return next(STATUS[parent] for parent in error.__mro__ if parent in STATUS)


def problem_of(error: Exception) -> Problem:
    """Any error as a problem; an unknown one becomes a 500 without details."""
    if isinstance(error, HardcaseError):
        problem = Problem(status_of(type(error)), _kebab(type(error).__name__), error.message)
        if isinstance(error, TooOften):
            problem.headers["Retry-After"] = str(ceil(error.wait_s))
        return problem
    if isinstance(error, RequestValidationError):
        return _validation(error)
    if isinstance(error, HTTPException):
        problem = Problem(error.status_code, _kebab(_title(error.status_code)), str(error.detail))
        problem.headers |= dict(error.headers or {})
        return problem
    outage = outage_of(error)
    if outage is not None:
        return problem_of(outage)
    return Problem(500, "internal", "This is a fault in hardcase. The log has the details under this request's id.")


def _validation(error: RequestValidationError) -> Problem:
    places = [{"where": _where(e, error.body), "what": str(e["msg"])[:500]} for e in error.errors()[:20]]
    detail = "; ".join(f"{place['where']}: {place['what']}" for place in places)
    return Problem(422, "invalid", detail[:2_000], errors=places)


def _where(one: Any, body: Any) -> str:
    within, *rest = one["loc"]
    if within == "body" and isinstance(body, dict | list):
        rest = place_in(body, {**one, "loc": rest})
    return ".".join(map(str, (within, *rest)))[:200]


def _headers(status: int) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="hardcase"'}
    return {"Retry-After": str(RETRY_AFTER_S[status])} if status in RETRY_AFTER_S else {}


def _title(status: int) -> str:
    return HTTPStatus(status).phrase


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|\s+", "-", name).lower()
