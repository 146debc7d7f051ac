"""The Team page: how each annotator does, with intervals, and the switches of a lead."""

from __future__ import annotations

from fastapi import APIRouter

from service.web.access import Guarded

__all__ = ["router"]

router = APIRouter(route_class=Guarded, tags=["pages"])
