"""Explain: second pictures for open reviews, of where the suggested class is thought to be or why it is suggested."""

from __future__ import annotations

from service.work.explain.explanations import draw_explanations
from service.work.explain.regions import draw_regions

__all__ = ["draw_explanations", "draw_regions"]
