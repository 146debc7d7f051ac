"""The body of every error, as the API's description shows it."""

from __future__ import annotations

from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel, Field


class Place(BaseModel):
    """One mistake in what was sent."""

    where: str
    what: str


class ProblemOut(BaseModel):
    """Problem details (RFC 9457), served as application/problem+json."""

    type: str = Field(examples=["urn:hardcase:problem:not-found"])
    title: str
    status: int
    detail: str = Field(description="What happened, and what to do next.")
    instance: str
    request_id: str
    errors: list[Place] = []


ERRORS: dict[int | str, dict[str, Any]] = {
    "default": {"model": ProblemOut, "description": "What went wrong (RFC 9457)."}
}


class Described(APIRoute):
    """A route that says what its errors look like.

    It is served as its module made it: a router that is included in an application has all its routes made again, which
    took a tenth of the time until the first answer.
    """

    def __init__(self, *args: Any, responses: dict[int | str, dict[str, Any]] | None = None, **how: Any) -> None:
        super().__init__(*args, responses={**ERRORS, **(responses or {})}, **how)
