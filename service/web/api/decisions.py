"""Decisions: what leads decide about images, the images in dispute, and asking people again."""

from __future__ import annotations

from fastapi import APIRouter

from service.web.access import Guarded

__all__ = ["router"]

router = APIRouter(route_class=Guarded, tags=["decisions"])
