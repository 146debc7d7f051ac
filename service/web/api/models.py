"""One version with its card and verdicts, and two versions beside each other."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from db.session import reading
from labeling.errors import Conflict, NotFound
from labeling.jobs import JobName, Role
from service.jobs.arguments import CompareArguments
from service.projects.version_comparison import MOST_IMAGES, newest_comparison, two_versions
from service.projects.versions import shown
from service.web.api.jobs import AskedOut, ask_by_hand
from service.web.api.savings import KnownOut
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["versions and promotions"])
Number = Annotated[int, Path(ge=1, le=2**31, description="The version's number.")]
Against = Annotated[int | None, Query(ge=1, le=2**31, description="The other version; default: the champion.")]


class VerdictOut(BaseModel):
    """One verdict; what no gate measured is null."""

    at: datetime
    verdict: str
    by: str = Field(description="The gate, or the person who decided.")
    by_hand: bool
    against: int | None = Field(description="The champion of then; null: the engine's pre-labels.")
    reasons: list[str]
    basis: str = Field(description="What it rests on; empty where a person decided.")
    images: int
    gain: float | None = Field(description="In the gate's measure.")
    lower: float | None = Field(description="The lower bound of the gain at 95 %.")
    upper: float | None
    passes: float | None = Field(description="One better by this passes in 80 of 100 such samples.")
    fails: float | None = Field(description="One worse by this is refused in 80 of 100 such samples.")
    slips: float | None = Field(description="The chance that one two points worse passes.")


class ListedVersionOut(BaseModel):
    number: int
    at: datetime
    trigger: str
    labels: int = Field(description="Labels that it was trained on.")
    champion: bool
    verdict: str = Field(description="The newest about it, by the gate or by hand.")
    by_hand: bool
    measured: VerdictOut | None = Field(description="The newest verdict of the gate.")


class CardOut(BaseModel):
    """What the version was made of."""

    classes: list[str]
    fusion: str
    head: str
    temperature: float
    calibrated: bool
    engine_revision: str
    image_encoder: str
    text_encoder: str
    snapshot_hash: str = Field(description="Of the labels that it was fitted on.")
    card_hash: str
    code_version: str


class RecallOut(BaseModel):
    label: str
    right: int
    of: int
    lower: float | None = Field(description="The lower bound of the share at 95 %; null: not yet known.")
    upper: float | None


class VersionOut(BaseModel):
    """One version; `withheld` says why nothing of the random stream is in it, while a certificate is to be tried."""

    listed: ListedVersionOut
    card: CardOut | None = Field(description="Null where it is damaged; `damage` says so.")
    damage: str
    labels_by_class: dict[str, int]
    without_examples: list[str] = Field(description="Classes that it gives practically no probability.")
    left_out: int = Field(description="Labels that could not be used.")
    calibration_labels: int
    verdicts: list[VerdictOut] = Field(description="The newest first.")
    accuracy: KnownOut = Field(description="On the random stream.")
    recall: list[RecallOut] = Field(description="By class on the random stream; of the champion only.")
    withheld: str


class BetweenOut(BaseModel):
    """The version minus the other one, with the 95 % interval of the gate."""

    images: int
    difference: float
    lower: float
    upper: float
    better: int = Field(description="Near-duplicate groups in which the version is right on more images.")
    worse: int
    p_value: float = Field(description="Two-sided and exact, of `better` and `worse`.")
    passes: float | None
    fails: float | None
    slips: float | None


class FlipOut(BaseModel):
    before: str = Field(description="What the other version says.")
    after: str = Field(description="What this version says.")
    images: int


class FlippedImageOut(BaseModel):
    image_id: int
    content_hash: str
    before: str
    before_probability: float
    after: str
    after_probability: float


class VersionComparisonOut(BaseModel):
    """A version beside another one, as it was computed `at` that time."""

    first: int
    second: int
    measure: str
    basis: str = Field(description="On which images: those that a verdict of the gate would have rested on.")
    from_stream: bool
    test: BetweenOut | None = Field(description="Null: not yet known, or withheld; `why` says why.")
    why: str
    withheld: str
    pool: int = Field(description="Images that both predict.")
    flipped: int = Field(description="Images of which they say different classes.")
    flips: list[FlipOut]
    images: list[FlippedImageOut] = Field(description="Those first of which both are surest.")
    unlisted: int = Field(description="Not named: of the random stream's reserve, while a certificate is to be tried.")
    hidden: int = Field(description="Not shown: a blind review of them is open, and you are no lead.")
    at: datetime | None


class CompareIn(BaseModel):
    """The other version, and how many images to name."""

    model_config = ConfigDict(extra="forbid")
    against: int | None = Field(default=None, ge=1, le=2**31, description="Default: the champion.")
    limit: int = Field(default=20, ge=0, le=MOST_IMAGES)


@router.get("/api/projects/{project}/versions/{number}", summary="Show a version with its card and verdicts")
def show_version(parts: PartsDep, project: ProjectDep, number: Number) -> VersionOut:
    with reading(parts.database) as session:
        found = shown(session, parts.settings.home, project, number)
    return VersionOut.model_validate(msgspec.to_builtins(found))


@router.get("/api/projects/{project}/versions/{number}/comparison", summary="Show a comparison of two versions")
def show_comparison(
    parts: PartsDep, caller: CallerDep, project: ProjectDep, number: Number, against: Against = None
) -> VersionComparisonOut:
    """The newest that was asked for. Where there is none yet, ask for one by POST."""
    with reading(parts.database) as session:
        pair = two_versions(session, project.id, number, against)
        found = newest_comparison(session, project, *pair, leads=caller.may(Role.ENGINEER))
    if found is None:
        raise NotFound(f"Versions {pair[0]} and {pair[1]} were not compared yet. Ask for it by POST to this address.")
    if isinstance(found, str):
        raise Conflict(found)
    return VersionComparisonOut.model_validate(msgspec.to_builtins(found))


@router.post(
    "/api/projects/{project}/versions/{number}/comparison", status_code=202, summary="Ask to compare two versions"
)
def ask_for_comparison(
    parts: PartsDep, caller: CallerDep, project: ProjectDep, number: Number, body: CompareIn
) -> AskedOut:
    with reading(parts.database) as session:
        pair = two_versions(session, project.id, number, body.against)
    return ask_by_hand(parts, caller, project, JobName.COMPARE, CompareArguments(*pair, body.limit, caller.name))
