"""Labels: what is held true of images, as it came to be."""

from __future__ import annotations

from fastapi import APIRouter

from db.session import reading
from db.views import listings
from db.views.listings import LabelItem
from labeling.types import LabelSource
from service.web.api.paging import PagingDep, SliceOut, slice_out
from service.web.edge.access import Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["labels"])


@router.get("/api/projects/{project}/labels", summary="List labels, newest first")
def list_labels(
    parts: PartsDep, project: ProjectDep, paging: PagingDep, source: LabelSource | None = None
) -> SliceOut[LabelItem]:
    """The newest label of an image holds; one with value null takes it back."""
    with reading(parts.database) as session:
        return slice_out(listings.labels(session, project.id, after=paging.after, limit=paging.limit, source=source))
