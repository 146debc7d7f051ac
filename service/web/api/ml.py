"""Label Studio's ML-backend protocol, answered from stored predictions."""

from __future__ import annotations

from fastapi import APIRouter

__all__ = ["router"]

router = APIRouter(tags=["label studio"])
