"""Let one engine look at one image, and say everything about its answer.

In: an engine and an item. Out: a report with the classes in the order of their probability, what the engine said,
where its confidence came from, and what it took. Calls go through the book like any other.
"""

from __future__ import annotations

import msgspec

from labeling.prelabel.engine import Engine, Item, check_look
from labeling.project import Project
from labeling.types import Prelabel
from service.figures.engine_reports import Likely, Trial
from service.figures.estimates import rounded
from service.work.engine_reports.dry_run import currency_of

__all__ = ["try_engine"]


def try_engine(engine: Engine, project: Project, name: str, item: Item) -> Trial:
    """What the engine makes of this image.

    Raises
    ------
    Invalid
        When it did not answer with what an engine must answer.
    OverBudget, Unavailable
        As the engine's endpoint or the project's budget says.
    """
    classes = project.config.classes
    look = check_look(engine.look([item]), items=1, classes=len(classes))
    return _trial(name, look.prelabels[0], classes, currency_of(project))


def _trial(name: str, prelabel: Prelabel, classes: tuple[str, ...], currency: str) -> Trial:
    ranked = sorted(zip(prelabel.probs, classes, strict=False), key=lambda pair: -pair[0])
    return Trial(
        engine=name,
        revision=prelabel.revision,
        outcome=prelabel.outcome.value,
        answer=prelabel.answer or (ranked[0][1] if ranked else None),
        classes=[Likely(label, rounded(p, 4)) for p, label in ranked],
        description=prelabel.description,
        seconds=rounded(prelabel.duration_s, 4),
        cost_micro=prelabel.cost_micro,
        currency=currency,
        **msgspec.to_builtins(prelabel.evidence),
    )
