"""The adjudication queue: images about which people disagree, the dearest first, for a lead to decide."""

from __future__ import annotations

from fastapi import APIRouter

from service.web.access import Guarded

__all__ = ["router"]

router = APIRouter(route_class=Guarded, tags=["pages"])
