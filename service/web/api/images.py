"""Images: uploaded, named by address, listed; the quarantine of unusable ones, and its retry.

An upload is kept under the hash of its bytes and registered under its file's name, so sending the same file again with
the same facts gives the same answer and makes nothing new. Bytes are decoded by the worker, never here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Path, UploadFile
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from db.repositories.images.registrations import differs, known, register
from db.repositories.people import audit
from db.session import reading, transaction
from db.views import listings
from db.views.listings import FailureItem, ImageItem
from labeling.adapters.sources.addresses import check_address, is_plain_address
from labeling.adapters.storage.image_store import Stored
from labeling.errors import BadAddress, BadImage, Invalid, NotFound
from labeling.ingest.headers import check_header
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from labeling.slices import batches
from labeling.types import ImageId, Incoming
from service.auth import Caller
from service.ingest.backlog import check_backlog
from service.ingest.register import ROWS_A_TRANSACTION, limits_of, sort_out, without_deleted
from service.web.api.paging import PagingDep, SliceOut
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.retry import retry_failures
from service.web.wiring import PartsDep, WebParts
from service.written_files import mistakes

MAX_ITEMS = 10_000
router = APIRouter(route_class=Guarded, tags=["images"])
KNOWN = "JSON: a list of one object a file, in their order, with `text`, `metadata`, `label`, `gold` and `reference`."
Number = Annotated[ImageId, Path(ge=1, lt=2**62)]
Issue = Literal["blurry", "dark", "light", "low_information", "odd_aspect"]
Outcome = Literal["new", "changed", "same", "refused"]


class KnownIn(BaseModel):
    """What is known of an image: its name, text, metadata and label."""

    model_config = ConfigDict(extra="forbid")
    reference: str | None = Field(
        default=None, max_length=2_048, description="Its name; its address, or its file's name, if left out."
    )
    text: str | None = Field(default=None, max_length=100_000)
    metadata: dict[str, Any] = {}
    label: str | None = Field(default=None, max_length=100, description="A label that is already known.")
    gold: bool = False


class AddressIn(KnownIn):
    """An image by its address, with its text, metadata and label."""

    url: str = Field(min_length=1, max_length=2_048, description="http or https; fetched by the worker.")


_KNOWN = TypeAdapter(list[KnownIn])


class AddressesIn(BaseModel):
    """Some images by their addresses."""

    model_config = ConfigDict(extra="forbid")
    items: list[AddressIn] = Field(min_length=1, max_length=MAX_ITEMS)


class Taken(BaseModel):
    """The outcome for one item. A `new` or `changed` one is fetched and checked next."""

    reference: str
    outcome: Outcome
    reason: str | None = None


class TakenOut(BaseModel):
    """One outcome for each item, in the order in which they were sent."""

    items: list[Taken]
    job_id: str


class RetriedOut(BaseModel):
    """How many items are tried again."""

    retried: int


@router.get("/api/projects/{project}/images", summary="List images")
def list_images(
    paging: PagingDep,
    state: Literal["fetched", "ready", "asked", "labelled"] | None = None,
    issue: Issue | None = None,
) -> SliceOut[ImageItem]:
    """`fetched` waits for its prelabel or group, `ready` is in the pool, `asked` has an open review.

    `issue` lists only images whose picture itself is blurred, dark, blown out, almost empty or oddly long.
    """
    return paging.slice_of(listings.images, state=state, issue=issue)


@router.get("/api/projects/{project}/images/{image_id}", summary="Show an image")
def show_image(parts: PartsDep, project: ProjectDep, image_id: Number) -> ImageItem:
    with reading(parts.database) as session:
        found = listings.image(session, project.id, image_id)
    if found is None:
        raise NotFound("This project has no such image.")
    return found


@router.post("/api/projects/{project}/images", status_code=202, summary="Upload image files")
def upload_images(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    files: Annotated[list[UploadFile], File(description="Any number of files; a file's name is its reference.")],
    known: Annotated[str | None, Form(description=KNOWN)] = None,
) -> TakenOut:
    """With `known`, each file carries its text, metadata, label and gold flag. 429 while the worker is far behind."""
    _check_backlog(parts)
    items = [_kept(parts, *pair) for pair in zip(files, _known_of(known, len(files)), strict=True)]
    taken = _register(parts, caller, project, items)
    _keep_again(parts, files, items)
    return taken


@router.post("/api/projects/{project}/images/by-address", status_code=202, summary="Add images by their addresses")
def name_images(parts: PartsDep, caller: CallerDep, project: ProjectDep, body: AddressesIn) -> TakenOut:
    """429 while the worker is far behind."""
    _check_backlog(parts)
    return _register(parts, caller, project, [_named(item) for item in body.items])


@router.get("/api/projects/{project}/quarantine", summary="List what could not be used, and why")
def list_quarantine(paging: PagingDep) -> SliceOut[FailureItem]:
    return paging.slice_of(listings.failures, step="fetch")


@router.post("/api/projects/{project}/quarantine/retry", summary="Retry the quarantine")
def retry_quarantine(parts: PartsDep, caller: CallerDep, project: ProjectDep) -> RetriedOut:
    return RetriedOut(retried=retry_failures(parts, caller, project, step="fetch"))


def _check_backlog(parts: WebParts) -> None:
    with reading(parts.database) as session:
        check_backlog(session, parts.settings.max_backlog)


def _known_of(text: str | None, count: int) -> list[KnownIn]:
    """What is known of each of `count` files; Invalid where the list does not fit them."""
    if text is None:
        return [KnownIn()] * count
    try:
        given = _KNOWN.validate_json(text)
    except ValidationError as error:
        raise Invalid(f"`known` has mistakes:{mistakes(error)}") from error
    if len(given) != count:
        raise Invalid(f"`known` speaks of {len(given)} files, and {count} were sent. Write one object for each.")
    return given


def _kept(parts: WebParts, file: UploadFile, known: KnownIn) -> Incoming | Taken:
    """Keep an upload whose header is acceptable; the worker decodes it and checks the rest."""
    reference = known.reference or file.filename or ""
    limits = limits_of(parts.settings)
    if (file.size or 0) > limits.max_bytes:
        return _refused(reference, f"The file is larger than {limits.max_bytes:,} bytes.")
    data = file.file.read()
    try:
        check_header(data, limits)
    except BadImage as error:
        return _refused(reference, error.message)
    said = known.model_dump_json(exclude={"reference"}, exclude_defaults=True)
    fingerprint = sha256(data if said == "{}" else data + said.encode()).hexdigest()
    address = parts.images.keep_upload(data)
    return Incoming(reference, address, known.text, known.metadata, known.label, known.gold, fingerprint)


def _keep_again(parts: WebParts, files: list[UploadFile], items: list[Incoming | Taken]) -> None:
    """Keep those again that another project's deletion removed before their rows named them."""
    for file, item in zip(files, items, strict=True):
        if isinstance(item, Incoming) and not parts.images.has(Stored.UPLOAD, item.address):
            file.file.seek(0)
            parts.images.keep_upload(file.file.read())


def _named(item: AddressIn) -> Incoming | Taken:
    """A web address alone: what hardcase itself calls an upload or a task's file may be another project's."""
    if not is_plain_address(item.url):
        try:
            check_address(item.url)
        except BadAddress as error:
            return _refused(item.reference or item.url, error.message)
    return Incoming(item.reference or item.url, item.url, item.text, item.metadata, item.label, item.gold)


def _register(parts: WebParts, caller: Caller, project: Project, items: list[Incoming | Taken]) -> TakenOut:
    answers: list[Taken] = []
    for some in batches(items, ROWS_A_TRANSACTION):
        with transaction(parts.database) as session:
            answers += _register_some(session, project, some, parts.now())
    outcomes = Counter[str](answer.outcome for answer in answers)
    with transaction(parts.database) as session:
        audit.record(session, caller.name, "images.add", project.config.name, outcomes, parts.now(), project.id)
        job_id = parts.jobs.ask(session, JobName.INGEST, project.id, Trigger.INGESTED)
    return TakenOut(items=answers, job_id=job_id)


def _register_some(session: Session, project: Project, items: list[Incoming | Taken], now: datetime) -> Iterator[Taken]:
    checked = [item if isinstance(item, Taken) else _check(project, item) for item in items]
    usable, deleted = without_deleted(session, project, [item for item in checked if isinstance(item, Incoming)])
    gone = {reference: _refused(reference, reason) for reference, reason in deleted}
    before = known(session, project.id, [item.reference for item in usable])
    register(session, project.id, usable, now)
    for item in checked:
        if isinstance(item, Taken):
            yield item
            continue
        if item.reference in gone:
            yield gone[item.reference]
            continue
        last = before.get(item.reference)
        outcome: Outcome = "new" if last is None else "changed" if differs(item, last) else "same"
        yield Taken(reference=item.reference, outcome=outcome)


def _check(project: Project, item: Incoming) -> Incoming | Taken:
    usable, refused = sort_out(project, [item], local=False)
    return usable[0] if usable else _refused(*refused[0])


def _refused(reference: str, reason: str) -> Taken:
    return Taken(reference=reference, outcome="refused", reason=reason)
