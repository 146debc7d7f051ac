"""How many different people are wanted for a review: appended facts, of which the highest counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from db.session import insert_new
from db.tables import OverlapRow
from labeling.types import ReviewId

__all__ = ["want"]


def want(session: Session, people: Mapping[ReviewId, int], *, reason: str, author: str, now: datetime) -> int:
    """Note that so many people are wanted for these reviews; return how many notes are new."""
    rows = [
        {"review_id": review, "people": number, "reason": reason, "author": author, "at": now}
        for review, number in people.items()
    ]
    return insert_new(session, OverlapRow, rows)
