"""What the Label quality page shows: the worker's figures read back into plain values, and where suspects stand now.

In: figures as stored (docs/reference/figures.md). Out: one value for the template. A figure that is missing, or that an
older worker wrote in another form, is simply not shown. Suspects that were seen to since they were listed are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec
from sqlalchemy.orm import Session

from db.views import dashboard, label_audit
from labeling.project import Project
from service.figures.label_quality import Agreement, Canaries, Drift, LabelErrors, Suspect, Verdict

__all__ = [
    "LabelView",
    "look_at_labels",
]

SHOWN = 60
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LabelView:
    """Everything that the page shows; what is None is not there yet."""

    verdict: Verdict | None
    agreement: Agreement | None
    errors: LabelErrors | None
    pool: list[Suspect]
    holdout: list[Suspect]
    drift: Drift | None
    canaries: Canaries | None
    computed_at: datetime | None


def look_at_labels(session: Session, project: Project) -> LabelView:
    """Read the figures, and leave out the suspects that were seen to since."""
    figures = dashboard.figures(session, project.id)
    errors = _read(figures, "label_errors", LabelErrors)
    waiting = _waiting(session, project, errors.suspects if errors else [])
    return LabelView(
        verdict=_read(figures, "label_quality", Verdict),
        agreement=_read(figures, "agreement", Agreement),
        errors=errors,
        pool=[one for one in waiting if not one.holdout][:SHOWN],
        holdout=[one for one in waiting if one.holdout][:SHOWN],
        drift=_read(figures, "drift", Drift),
        canaries=_read(figures, "engine_canaries", Canaries),
        computed_at=figures["label_quality"].computed_at if "label_quality" in figures else None,
    )


def _waiting(session: Session, project: Project, listed: list[Suspect]) -> list[Suspect]:
    """Those whose label still stands, was not found right, and about which nobody is asked."""
    standing = label_audit.standing_labels(session, project.id, [one.label_id for one in listed])
    right = label_audit.checked_labels(session, project.id)
    asked = label_audit.open_images(session, standing.values())
    return [
        one for one in listed if one.label_id in standing and one.label_id not in right and one.image_id not in asked
    ]


def _read(figures: dict[str, dashboard.Figure], name: str, kind: type[T]) -> T | None:
    if name not in figures:
        return None
    try:
        return msgspec.convert(figures[name].data, kind)
    except msgspec.ValidationError:
        return None
