"""Count what the pages show: reads aggregates, computes, keeps each figure as data.

docs/reference/figures.md says what every figure holds. Nothing is computed again while no fact has changed.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from db.session import transaction
from db.views import figures, tallies
from labeling.types import ProjectId
from service.figures.accuracy import LabelsBySource
from service.figures.figures import write
from service.work.figures.asked_images import acceptance_of, hardest_of
from service.work.figures.facts import Facts, read_facts
from service.work.figures.versions import accuracy_by_version, confusion_of, rounds_of
from service.work.wiring import Parts

__all__ = ["COUNTS", "refresh"]


def refresh(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Compute the tally and all figures, unless nothing has changed since they were computed last."""
    facts = read_facts(parts, project_id)
    if facts is None:
        return {"figures": 0}
    counted = [write(count(facts)) for count in COUNTS]
    now = parts.now()
    with transaction(parts.database) as session:
        tallies.keep_tally(session, project_id, facts.tally, now)
        return {"figures": figures.keep(session, project_id, counted, facts.fingerprint, now)}


COUNTS: tuple[Callable[[Facts], msgspec.Struct], ...] = (
    lambda facts: facts.stream,
    accuracy_by_version,
    confusion_of,
    acceptance_of,
    hardest_of,
    lambda facts: LabelsBySource(facts.tally["labels_by_source"]),
    lambda facts: facts.machine,
    rounds_of,
    lambda facts: facts.reliability,
    lambda facts: facts.work,
)
"""One for each figure of `service.figures.figures.OF_CLASSIFIERS`."""
