"""The body of every error, as the API's description shows it."""

from __future__ import annotations

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
