"""The figures that are beside the truth while a demo runs, each kept as it was known last.

In: moments, read once the worker has counted the figures of a new verdict's champion, and one at the end. Out: each
figure of the newest moment that knew it, and how many images people had labelled by then. At the end of a demo nothing
is left that machine labels could speak of, so their figure is one of an earlier moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from db.repositories.versions import versions
from db.session import reading
from labeling.project import Project
from labeling.types import ProjectId
from service.demo.annotators import SimulatedAnswers
from service.demo.measured.accuracies import compare_accuracies
from service.demo.measured.machine_labels import compare_machine_labels
from service.demo.measured.moment import Moment, as_labelled, as_shown, random_arm, read_moment
from service.demo.measured.random_arm import RandomArm
from service.demo.summary import MachineThreshold, Measured, RandomPoint
from service.figures.figures import stored
from service.figures.machine_labels import MachineLabels
from service.figures.random_arm import ArmPoint
from service.figures.random_stream import RandomStream
from service.work.wiring import Parts

__all__ = ["Beside", "LastKnown", "compare", "is_of_champion", "newest_known"]


@dataclass(frozen=True, slots=True)
class ArmBeside:
    """What the product says that random labels give, and the simulation that knows; no points under 40 of them."""

    points: Sequence[ArmPoint]
    simulated: RandomArm = field(compare=False)

    def compare(self) -> tuple[RandomPoint, ...]:
        """Each point beside the truth: sixty fits, so only what is shown in the end is compared."""
        return tuple(
            RandomPoint(one.labels, as_shown(one.accuracy, self.simulated.on_the_rest(one.labels)))
            for one in self.points
        )


@dataclass(frozen=True, slots=True)
class Beside:
    """Figures beside the truth when people had labelled so many images.

    `earlier` names those that are of an earlier moment, each with how many people had labelled then.
    """

    labelled: int
    accuracy_on_collection: Measured
    accuracy_on_what_is_left: Measured
    machine_labels: tuple[MachineThreshold, ...]
    random_arm: ArmBeside
    earlier: Mapping[str, int] = field(default_factory=dict)


_KNOWN: Mapping[str, Callable[[Any], bool]] = {
    "accuracy_on_collection": lambda found: found.value is not None,
    "accuracy_on_what_is_left": lambda found: found.value is not None,
    "machine_labels": lambda found: any(one.lower is not None for one in found),
    "random_arm": lambda found: any(one.accuracy.known for one in found.points),
}
"""When a figure is known, by the field that holds it."""


def compare(moment: Moment, people: SimulatedAnswers) -> Beside:
    """The figures of one moment beside the truth at that moment."""
    on_collection, on_what_is_left = compare_accuracies(moment, people)
    return Beside(
        labelled=moment.labelled,
        accuracy_on_collection=on_collection,
        accuracy_on_what_is_left=on_what_is_left,
        machine_labels=compare_machine_labels(moment, people),
        random_arm=ArmBeside(moment.arm.arm if moment.arm else [], random_arm(moment, as_labelled(moment, people))),
    )


def newest_known(before: Beside | None, now: Beside) -> Beside:
    """`now`, and in place of each figure that is not known there the one that `before` knew."""
    if before is None:
        return now
    kept: dict[str, Any] = {}
    for name, is_known in _KNOWN.items():
        held = getattr(before, name)
        if not is_known(getattr(now, name)) and is_known(held):
            kept[name] = held
    earlier = {name: before.earlier.get(name, before.labelled) for name in kept}
    return replace(now, **kept, earlier=earlier)


def is_of_champion(database: sa.Engine, project_id: ProjectId) -> bool:
    """Whether the worker's figures are of the version in use, with what it says of the random stream."""
    with reading(database) as session:
        champion = versions.champion(session, project_id)
        machine, measured = stored(session, project_id, MachineLabels), stored(session, project_id, RandomStream)
    if champion is None or machine is None or measured is None:
        return False
    return machine.version == champion.number and measured.on_collection.n > 0


class LastKnown:
    """Follows a demo's project; `beside` is None before the first moment."""

    def __init__(self, parts: Parts, project: Project, people: SimulatedAnswers) -> None:
        self.beside: Beside | None = None
        self._parts, self._project, self._people = parts, project, people
        self._judged = 0

    def follow(self, judged: int) -> None:
        """Read a moment for each new count of verdicts, once the figures are of the version in use then."""
        if judged != self._judged and is_of_champion(self._parts.database, self._project.id):
            self.add(read_moment(self._parts, self._project))
            self._judged = judged

    def add(self, moment: Moment) -> Beside:
        """Keep what this moment knows; what it does not know stays as it was."""
        self.beside = newest_known(self.beside, compare(moment, self._people))
        return self.beside
