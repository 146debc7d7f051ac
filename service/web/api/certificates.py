"""Certificates: what is promised of labels by machine, every attempt, and what was accepted."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import msgspec
from fastapi import APIRouter
from pydantic import Field

from db.session import reading
from service.labels.certificates import read_certificates
from service.projects.savings import next_attempt
from service.web.api.bodies import Body
from service.web.api.savings import NextAttemptOut
from service.web.edge.access import Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["certificates"])


class CertificateTermsOut(Body):
    """The target in the project file; one of `precision` and `finished`."""

    precision: float | None
    finished: float | None
    confidence: float
    first_size: int
    sizes: int
    frame: float
    audit: int
    outliers: float
    conflicts: float
    pictures: bool
    people: int
    gold: float


class CertificateAuditOut(Body):
    """What the audit came to by the images that two people agree about, or a lead decided, in the order of the draw."""

    images: int
    wrong: int
    evidence: float | None = Field(description="Against the promise; null where it is broken for certain.")
    suspended: bool
    lower: float = Field(description="Of the accepted labels at least this share is right, whenever it is read.")
    detectable: float | None = Field(description="A precision of this or less would have been noticed; null: none.")


class HumanErrorOut(Body):
    """How often people agree with a wrong label of the certificate, by given gold that it accepts."""

    agreed_wrong: int
    gold: int
    term: float = Field(description="At most this share of what it delivers is so.")
    gold_to_halve: int | None = Field(description="So many gold images in all would halve the term; null: none would.")
    relative: bool = Field(description="Too little gold: nothing is subtracted.")
    bound: float = Field(description="Right at least, against the truth; where `relative`, against people.")
    words: str


class AttemptOut(Body):
    """One attempt, a refusal too. `why` says why nothing was accepted, `ended` why it promises nothing any more."""

    id: int
    promise: str
    look: int
    version: int
    size: int = Field(description="Images of the set, sampled ones included.")
    sampled: int
    errors: int = Field(description="Sampled images of which the version was wrong; missing answers count.")
    rank: int = Field(description="So many of the surest images are above the threshold.")
    wrong: int = Field(description="Sampled images above the threshold of which the version was wrong.")
    missing: int
    accepted: int
    delivered: int = Field(description="Images that have its label now; 0 where it does not stand.")
    coverage: float = Field(description="The accepted share of the unsampled images of the set.")
    lower: float | None = Field(description="Of the accepted labels at least this share is right; of `precision` only.")
    score: float | None = Field(description="The lowest accepted score.")
    frame_score: float | None
    delta: float
    versions: int
    audit: CertificateAuditOut | None
    auditing: int = Field(description="Accepted images that the audit asks about, and that are not decided.")
    outside: dict[str, int] = Field(description="How many groups are not in the set, by reason; one may have several.")
    excluded: dict[str, int] = Field(
        description="How many images of the set are not accepted whatever their score, by reason; one may have several."
    )
    human_error: HumanErrorOut | None = Field(description="Null where the terms name no gold.")
    at: datetime
    stands: bool
    ended: str | None
    ended_at: datetime | None
    why: str


class DueOut(Body):
    """When it is tried next; `size` is null after the last planned size."""

    size: int | None
    answered: int
    waiting: int
    words: str


class CertificatesOut(Body):
    """How certificates stand; `terms` is null where the project file has no target."""

    terms: CertificateTermsOut | None
    since: datetime | None
    promise: str
    standing: AttemptOut | None
    attempts: list[AttemptOut]
    due: DueOut | None
    sentence: str = Field(description="The promise for the whole project, to send to a customer.")
    next_attempt: NextAttemptOut | None = Field(description="Null without a target, and while it is not counted yet.")


@router.get("/api/projects/{project}/certificates", summary="Show what labels by machine are promised to be")
def show_certificates(parts: PartsDep, project: ProjectDep) -> CertificatesOut:
    """The newest attempt comes first. Nothing is tried by asking."""
    with reading(parts.database) as session:
        state, ahead = read_certificates(session, project), next_attempt(session, project)
    return CertificatesOut.model_validate({**asdict(state), "next_attempt": msgspec.to_builtins(ahead)})
