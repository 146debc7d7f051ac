"""Estimates as figures hold them: null while they rest on too few images, and how many those are."""

from __future__ import annotations

from typing import Any

from labeling.quality.metrics import Estimate

__all__ = ["as_json"]


def as_json(estimate: Estimate | None) -> dict[str, Any]:
    """A figure's `known`, `n`, `value`, `lower` and `upper`; None is an estimate of nothing."""
    if estimate is None or not estimate.known:
        return {"known": False, "n": 0 if estimate is None else estimate.n, "value": None, "lower": None, "upper": None}
    return {
        "known": True,
        "n": estimate.n,
        "value": round(estimate.value, 4),
        "lower": round(estimate.lower, 4),
        "upper": round(estimate.upper, 4),
    }
