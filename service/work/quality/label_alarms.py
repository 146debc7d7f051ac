"""Alarms about what other steps counted: people who agree little, many wrong labels, answers that come late.

In: figures, and the oldest event that waits. Out: appended facts. Cheap, so it is done every time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from db.repositories.running.alarms import AlarmKind
from db.session import reading, transaction
from db.views import dashboard, project_stats
from labeling.quality.labels.readiness import TARGETS
from labeling.types import ProjectId
from service.work.quality.alarm_rules import Watch, follow
from service.work.wiring import Parts

__all__ = ["watch_labels"]

AGREEMENT_STILL = 0.03
ERRORS_STILL = 0.01
"""An open alarm ends when the value is this far on the good side of its target."""
LATE, STILL_LATE = timedelta(minutes=10), timedelta(minutes=2)

Json = Mapping[str, Any]


def watch_labels(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Let the alarms follow what was counted."""
    with reading(parts.database) as session:
        figures = {name: figure.data for name, figure in dashboard.figures(session, project_id).items()}
        oldest = project_stats.oldest_event(session, project_id)
    watches = [
        *_agreement(figures.get("agreement", {})),
        *_errors(figures.get("label_errors", {})),
        *([_lag(parts.now() - oldest)] if oldest else []),
    ]
    kinds = (AlarmKind.LOW_AGREEMENT, AlarmKind.LABEL_ERRORS, AlarmKind.SYNC_LAG)
    with transaction(parts.database) as session:
        return follow(session, project_id, kinds, watches, parts.now())


def _agreement(data: Json) -> list[Watch]:
    alpha = data.get("people", {}).get("blind", {}).get("alpha", {})
    if not alpha.get("known"):
        return []
    target = TARGETS["agreement"]
    words = (
        f"People who saw no pre-label agree too little: Krippendorff's alpha is {alpha['value']:.2f} (at most "
        f"{alpha['upper']:.2f}) on {alpha['n']} images, and {target} is wanted. See which classes they confuse, and "
        "sharpen the guidelines."
    )
    still = alpha["value"] < target + AGREEMENT_STILL
    return [Watch(AlarmKind.LOW_AGREEMENT, "", alpha["upper"] < target, still, words, alpha)]


def _errors(data: Json) -> list[Watch]:
    rate = data.get("rate", {})
    if not rate.get("known"):
        return []
    target, waiting = TARGETS["label_errors"], data["found"]
    words = (
        f"About {100 * rate['value']:.0f} % of the labels are probably wrong (at least {100 * rate['lower']:.0f} %). "
        f"Look at the {waiting} suspected ones on the Label quality page."
    )
    still = waiting > 0 and rate["value"] > target - ERRORS_STILL
    return [Watch(AlarmKind.LABEL_ERRORS, "", waiting > 0 and rate["lower"] > target, still, words, rate)]


def _lag(waited: timedelta) -> Watch:
    minutes = int(waited.total_seconds() // 60)
    words = f"Answers have waited for {minutes} minutes to be read. See on the Jobs page whether Label Studio answers."
    return Watch(AlarmKind.SYNC_LAG, "", waited >= LATE, waited >= STILL_LATE, words, {"minutes": minutes})
