"""Alarms about what other steps counted: people who agree little, many wrong labels, answers that come late.

In: figures, and the oldest event that waits. Out: appended facts. Cheap, so it is done every time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from db.repositories.running.alarms import AlarmKind
from db.session import reading, transaction
from db.views import dashboard, project_stats
from labeling.quality.labels.readiness import TARGETS
from labeling.types import ProjectId
from service.figures.agreement import Agreement
from service.figures.figures import name_of, outdated, read
from service.figures.label_errors import LabelErrors
from service.work.quality.alarm_rules import Watch, follow
from service.work.wiring import Parts

__all__ = ["watch_labels"]

AGREEMENT_STILL = 0.03
ERRORS_STILL = 0.01
"""An open alarm ends when the value is this far on the good side of its target."""
LATE, STILL_LATE = timedelta(minutes=10), timedelta(minutes=2)

RESTS_ON: Mapping[AlarmKind, type[msgspec.Struct]] = {
    AlarmKind.LOW_AGREEMENT: Agreement,
    AlarmKind.LABEL_ERRORS: LabelErrors,
}
"""An alarm stays as it is while its figure is counted anew."""


def watch_labels(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Let the alarms follow what was counted."""
    with reading(parts.database) as session:
        figures = dashboard.figures(session, project_id)
        oldest = project_stats.oldest_event(session, project_id)
    watches = [
        *_agreement(read(figures, Agreement)),
        *_errors(read(figures, LabelErrors)),
        *([_lag(parts.now() - oldest)] if oldest else []),
    ]
    old = outdated(figures)
    kinds = [AlarmKind.SYNC_LAG, *(kind for kind, figure in RESTS_ON.items() if name_of(figure) not in old)]
    with transaction(parts.database) as session:
        return follow(session, project_id, kinds, watches, parts.now())


def _agreement(found: Agreement | None) -> list[Watch]:
    alpha = found.people.blind.alpha if found else None
    if alpha is None or alpha.value is None or alpha.upper is None:
        return []
    target = TARGETS["agreement"]
    words = (
        f"People who saw no pre-label agree too little: Krippendorff's alpha is {alpha.value:.2f} (at most "
        f"{alpha.upper:.2f}) on {alpha.n} images, and {target} is wanted. See which classes they confuse, and "
        "sharpen the guidelines."
    )
    still = alpha.value < target + AGREEMENT_STILL
    return [Watch(AlarmKind.LOW_AGREEMENT, "", alpha.upper < target, still, words, msgspec.to_builtins(alpha))]


def _errors(found: LabelErrors | None) -> list[Watch]:
    if found is None or found.rate.value is None or found.rate.lower is None:
        return []
    rate, waiting, target = found.rate, found.found, TARGETS["label_errors"]
    value, lower = found.rate.value, found.rate.lower
    words = (
        f"About {100 * value:.0f} % of the labels are probably wrong (at least {100 * lower:.0f} %). "
        f"Look at the {waiting} suspected ones on the Label quality page."
    )
    still = waiting > 0 and value > target - ERRORS_STILL
    return [Watch(AlarmKind.LABEL_ERRORS, "", waiting > 0 and lower > target, still, words, msgspec.to_builtins(rate))]


def _lag(waited: timedelta) -> Watch:
    minutes = int(waited.total_seconds() // 60)
    words = f"Answers have waited for {minutes} minutes to be read. See on the Jobs page whether Label Studio answers."
    return Watch(AlarmKind.SYNC_LAG, "", waited >= LATE, waited >= STILL_LATE, words, {"minutes": minutes})
