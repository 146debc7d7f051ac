"""Snapshots and releases: frozen states of the labels."""

from __future__ import annotations

from fastapi import APIRouter

from service.web.access import Guarded

__all__ = ["router"]

router = APIRouter(route_class=Guarded, tags=["snapshots"])
