"""Who did what to what, append-only; nothing here updates or deletes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from db.tables import AuditRow


def record(
    session: Session, actor: str, action: str, subject: str, detail: Mapping[str, object], now: datetime
) -> None:
    """Append one action, in the transaction that performs it. `detail` never holds secrets."""
    session.add(AuditRow(at=now, actor=actor, action=action, subject=subject, detail=dict(detail)))
    session.flush()
