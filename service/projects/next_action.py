"""What to do next, for page, API and command: the stored ranking of actions, cut to its first images.

In: a session and a project. Out: the figure, or None while the worker has not counted it.
"""

from __future__ import annotations

import msgspec
from sqlalchemy.orm import Session

from labeling.project import Project
from service.figures.figures import stored
from service.figures.next_action import NextAction

__all__ = ["MOST", "MEASURED", "next_action"]

MOST = 100
"""So many images are kept."""
MEASURED = "Expected by a model from predicted probabilities; not measured."
"""What is said beside every number of the ranking."""


def next_action(session: Session, project: Project, limit: int = MOST) -> NextAction | None:
    """The ranking with at most so many images; None: not counted yet."""
    found = stored(session, project.id, NextAction)
    return None if found is None else msgspec.structs.replace(found, first=found.first[:limit])
