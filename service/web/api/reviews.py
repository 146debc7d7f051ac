"""Queries and reviews: what people were asked and what they answered; more queries, and the sync."""

from __future__ import annotations

from fastapi import APIRouter

from db.views import rounds
from db.views.rounds import QueryItem, ReviewItem
from labeling.jobs import JobName
from labeling.types import ReviewKind
from service.jobs.arguments import ReviewArguments, SelectArguments
from service.web.api.jobs import AskedOut, ask_by_hand
from service.web.api.paging import PagingDep, SliceOut
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["queries and reviews"])


@router.get("/api/projects/{project}/queries", summary="List queries")
def list_queries(paging: PagingDep) -> SliceOut[QueryItem]:
    return paging.slice_of(rounds.queries)


@router.post("/api/projects/{project}/queries", status_code=202, summary="Ask for the next query")
def ask_for_query(parts: PartsDep, caller: CallerDep, project: ProjectDep, force: bool = False) -> AskedOut:
    """Chooses images for people when few reviews are open; `force` chooses them anyway."""
    return ask_by_hand(parts, caller, project, JobName.SELECT, SelectArguments(force=force))


@router.get("/api/projects/{project}/reviews", summary="List reviews with their last answer")
def list_reviews(paging: PagingDep, kind: ReviewKind | None = None) -> SliceOut[ReviewItem]:
    return paging.slice_of(rounds.reviews, kind=kind)


@router.post("/api/projects/{project}/reviews/sync", status_code=202, summary="Sync with Label Studio")
def sync_reviews(parts: PartsDep, caller: CallerDep, project: ProjectDep, full: bool = False) -> AskedOut:
    """Reads new answers and pushes new reviews; `full` also finds what was deleted there, over all tasks."""
    return ask_by_hand(parts, caller, project, JobName.REVIEW, ReviewArguments(full=full))
