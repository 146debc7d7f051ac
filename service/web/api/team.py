"""Team: how each annotator does, who is paused, whose answers are void."""

from __future__ import annotations

from fastapi import APIRouter

from service.web.access import Guarded

__all__ = ["router"]

router = APIRouter(route_class=Guarded, tags=["team"])
