"""The labels of a project as a list to correct from, and the history of each one."""

from __future__ import annotations

from fastapi import APIRouter

from service.web.access import Guarded

__all__ = ["router"]

router = APIRouter(route_class=Guarded, tags=["pages"])
