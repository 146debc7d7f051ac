"""What is counted of people's work, as steps of the jobs `quality` (within seconds) and `inspect` (takes longer).

A step is a function of the parts and a project; it returns counts, may run twice, and does nothing while no fact that
it rests on has changed.
"""

from __future__ import annotations

from collections.abc import Callable

from labeling.types import ProjectId
from service.work.quality.agreement import refresh_agreement
from service.work.wiring import Parts

__all__ = ["QUICK", "SLOW", "Step"]

Step = Callable[[Parts, ProjectId], dict[str, int]]

QUICK: tuple[Step, ...] = (refresh_agreement,)
SLOW: tuple[Step, ...] = ()
