"""What probes found out about endpoints' models, a row a probe; the newest of each model at its address is in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import columns, read, read_first
from db.tables import ProbeRow


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe: what it found, of which model, where and when."""

    id: int
    endpoint: str
    model: str
    url: str
    result: Mapping[str, Any]
    created_at: datetime


def record(session: Session, *, endpoint: str, model: str, url: str, result: Mapping[str, Any], now: datetime) -> Probe:
    """Keep what a probe found."""
    row = ProbeRow(endpoint=endpoint, model=model, url=url, result=dict(result), created_at=now)
    session.add(row)
    session.flush()
    return read(Probe, row)


def newest(session: Session, *, endpoint: str, model: str, url: str) -> Probe | None:
    """The probe in force; None where this model was never probed at this address."""
    wanted = ProbeRow.endpoint == endpoint, ProbeRow.model == model, ProbeRow.url == url
    return read_first(session, Probe, sa.select(*columns(Probe, ProbeRow)).where(*wanted).order_by(ProbeRow.id.desc()))
