"""Sources: the places that a project scans on a schedule. They name files of the server, so only an admin of all
projects adds one, under the roots that the administrator of the server allows.
"""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from db.repositories.people import audit
from db.session import transaction
from db.views import listings
from db.views.listings import SourceItem
from labeling.errors import Denied
from service.ingest.allowed_places import allowed_source
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
    if caller.projects is not None:
        raise Denied("A key that is limited to some projects cannot add sources: they name files of the whole server.")
    now, allowed = parts.now(), allowed_source(parts.settings, body.address)
    place = parts.patience.call("source", lambda: checked_source(allowed))
    with transaction(parts.database) as session:
        source = add_source(session, parts.jobs, project, place, now)
        audit.record(session, caller.name, "source.add", project.config.name, {"address": place}, now, project.id)
    return AddedOut.of(source)
