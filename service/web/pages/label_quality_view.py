"""What the Label quality page shows: the worker's figures read back into plain values, and where suspects stand now.

In: figures as stored (docs/reference/figures.md). Out: one value for the template. A figure that is missing is
not shown; of one that another release kept in another form the page says that it is being counted. Suspects that were
seen to since they were listed are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from db.views import dashboard, label_audit
from labeling.project import Project
from service.figures.agreement import Agreement
from service.figures.drift import Drift, EngineCanaries
from service.figures.figures import outdated, read
from service.figures.label_errors import LabelErrors, Suspect
from service.figures.label_quality import LabelQuality

__all__ = [
    "LabelView",
    "look_at_labels",
]

SHOWN = 60


@dataclass(frozen=True, slots=True)
class LabelView:
    """Everything that the page shows; what is None is not there yet."""

    verdict: LabelQuality | None
    agreement: Agreement | None
    errors: LabelErrors | None
    pool: list[Suspect]
    holdout: list[Suspect]
    drift: Drift | None
    canaries: EngineCanaries | None
    computed_at: datetime | None
    outdated: frozenset[str]


def look_at_labels(session: Session, project: Project) -> LabelView:
    """Read the figures, and leave out the suspects that were seen to since."""
    figures = dashboard.figures(session, project.id)
    errors = read(figures, LabelErrors)
    waiting = _waiting(session, project, errors.suspects if errors else [])
    return LabelView(
        verdict=read(figures, LabelQuality),
        agreement=read(figures, Agreement),
        errors=errors,
        pool=[one for one in waiting if not one.holdout][:SHOWN],
        holdout=[one for one in waiting if one.holdout][:SHOWN],
        drift=read(figures, Drift),
        canaries=read(figures, EngineCanaries),
        computed_at=figures["label_quality"].computed_at if "label_quality" in figures else None,
        outdated=outdated(figures),
    )


def _waiting(session: Session, project: Project, listed: list[Suspect]) -> list[Suspect]:
    """Those whose label still stands, was not found right, and about which nobody is asked."""
    standing = label_audit.standing_labels(session, project.id, [one.label_id for one in listed])
    right = label_audit.checked_labels(session, project.id)
    asked = label_audit.open_images(session, standing.values())
    return [
        one for one in listed if one.label_id in standing and one.label_id not in right and one.image_id not in asked
    ]
