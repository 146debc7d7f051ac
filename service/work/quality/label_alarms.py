"""Alarms about what other steps counted: people who agree little, many wrong labels, answers that come late.

In: figures, and the oldest event that waits. Out: appended facts. Cheap, so it is done every time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from db.repositories.projects import projects
from db.repositories.running.alarms import AlarmKind
from db.session import reading, transaction
from db.views import dashboard, project_stats
from labeling.project import Targets
from labeling.types import ProjectId
from service.figures.agreement import Agreement
from service.figures.figures import name_of, outdated, read
from service.figures.wrong_labels import ShareOfWrongLabels
from service.work.quality.alarm_rules import Watch, follow
from service.work.wiring import Parts

__all__ = ["watch_labels"]

AGREEMENT_STILL = 0.03
ERRORS_STILL = 0.01
"""An open alarm ends when the value is this far on the good side of its target."""
LATE, STILL_LATE = timedelta(minutes=10), timedelta(minutes=2)

RESTS_ON: Mapping[AlarmKind, type[msgspec.Struct]] = {
    AlarmKind.LOW_AGREEMENT: Agreement,
    AlarmKind.LABEL_ERRORS: ShareOfWrongLabels,
}
"""An alarm stays as it is while its figure is counted anew."""


def watch_labels(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Let the alarms follow what was counted."""
    with reading(parts.database) as session:
        figures = dashboard.figures(session, project_id)
        oldest = project_stats.oldest_event(session, project_id)
        targets = projects.by_id(session, project_id).config.policy.targets
    watches = [
        *_agreement(read(figures, Agreement), targets),
        *_errors(read(figures, ShareOfWrongLabels), targets),
        *([_lag(parts.now() - oldest)] if oldest else []),
    ]
    old = outdated(figures)
    kinds = [AlarmKind.SYNC_LAG, *(kind for kind, figure in RESTS_ON.items() if name_of(figure) not in old)]
    with transaction(parts.database) as session:
        return follow(session, project_id, kinds, watches, parts.now())


def _agreement(found: Agreement | None, targets: Targets) -> list[Watch]:
    alpha = found.people.blind.alpha if found else None
    if alpha is None or alpha.value is None or alpha.upper is None:
        return []
    target = targets.agreement
    words = (
        f"People who saw no pre-label agree too little: Krippendorff's alpha is {alpha.value:.2f} (at most "
        f"{alpha.upper:.2f}) on {alpha.n} images, and {target} is wanted. See which classes they confuse, and "
        "sharpen the guidelines."
    )
    still = alpha.value < target + AGREEMENT_STILL
    return [Watch(AlarmKind.LOW_AGREEMENT, "", alpha.upper < target, still, words, msgspec.to_builtins(alpha))]


def _errors(found: ShareOfWrongLabels | None, targets: Targets) -> list[Watch]:
    """From blind re-reviews alone: what is known "at least" from double answers is no share of these labels."""
    if found is None or found.share.value is None or found.share.lower is None:
        return []
    value, lower, target = found.share.value, found.share.lower, targets.label_errors
    words = (
        f"Wrong labels: {found.words}; at most {target:.1%} is wanted. Look at the suspected ones on the Label quality "
        "page, and at what people confuse."
    )
    evidence = msgspec.to_builtins(found.share)
    return [Watch(AlarmKind.LABEL_ERRORS, "", lower > target, value > target - ERRORS_STILL, words, evidence)]


def _lag(waited: timedelta) -> Watch:
    minutes = int(waited.total_seconds() // 60)
    words = f"Answers have waited for {minutes} minutes to be read. See on the Jobs page whether Label Studio answers."
    return Watch(AlarmKind.SYNC_LAG, "", waited >= LATE, waited >= STILL_LATE, words, {"minutes": minutes})
