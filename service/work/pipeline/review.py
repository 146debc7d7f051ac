"""Review: open reviews go to Label Studio in the right order, people's answers come back, each exactly once."""

from __future__ import annotations

from service.work.review.push import push
from service.work.review.sync import sync

__all__ = ["push", "sync"]
