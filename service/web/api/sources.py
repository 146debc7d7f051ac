"""Sources: the places that a project scans on a schedule. Only an admin adds one: it names files of the server."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from db.repositories.people import audit
from db.session import transaction
from db.views import listings
from db.views.listings import SourceItem
from service.ingest.register import add_source, checked_source
from service.web.api.bodies import Body
from service.web.api.paging import PagingDep, SliceOut
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["sources"])


class SourceIn(BaseModel):
    """A folder, an fsspec address or a manifest."""

    model_config = ConfigDict(extra="forbid")
    address: str = Field(min_length=1, max_length=2_048)


class AddedOut(Body):
    """The source; it is scanned now, and then on its project's schedule."""

    id: int
    address: str


@router.get("/api/projects/{project}/sources", summary="List sources")
def list_sources(paging: PagingDep) -> SliceOut[SourceItem]:
    return paging.slice_of(listings.sources)


@router.post("/api/projects/{project}/sources", status_code=201, summary="Add a source")
def create_source(parts: PartsDep, caller: CallerDep, project: ProjectDep, body: SourceIn) -> AddedOut:
    now, place = parts.now(), parts.patience.call("source", lambda: checked_source(body.address))
    with transaction(parts.database) as session:
        source = add_source(session, parts.jobs, project, place, now)
        audit.record(session, caller.name, "source.add", project.config.name, {"address": body.address}, now)
    return AddedOut.of(source)
