"""Labels: every label that an image was given, in order."""

from __future__ import annotations

from fastapi import APIRouter

from db.views import listings
from db.views.listings import LabelItem
from labeling.types import LabelSource
from service.web.api.paging import PagingDep, SliceOut
from service.web.edge.access import Guarded

router = APIRouter(route_class=Guarded, tags=["labels"])


@router.get("/api/projects/{project}/labels", summary="List labels, newest first")
def list_labels(paging: PagingDep, source: LabelSource | None = None) -> SliceOut[LabelItem]:
    """The newest label of an image is in force; one with value null withdraws the label before it."""
    return paging.slice_of(listings.labels, source=source)
