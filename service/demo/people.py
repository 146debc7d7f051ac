"""The demo's simulated annotators and labels as hardcase measures them, beside each annotator's real error rate.

In: the figures `team`, `agreement` and `label_quality` as the worker stored them, who is paused, and each account's
stated error rate. Out: values for the report. hardcase does not get the stated error rates.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from db.repositories.people import annotators
from db.repositories.people.annotators import Annotator
from db.views import dashboard
from labeling.types import ProjectId
from service.figures.agreement import Agreement
from service.figures.estimates import Known
from service.figures.figures import read
from service.figures.label_quality import LabelQuality
from service.figures.team import Team

FAR_MORE = 3.0
"""An annotator is bad whose error rate is more than so many times the median."""


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated annotator: hardcase's figures, and the real error rate."""

    name: str
    stated_error_rate: float
    answers: int
    gold: Known | None
    agreement: Known | None
    paused: bool
    reason: str
    bad: bool


@dataclass(frozen=True, slots=True)
class People:
    """The team, its agreement, and whether the labels can be shipped. `verdict` is empty before the first one."""

    team: tuple[Person, ...]
    agreement: Known | None
    verdict: str
    words: str
    in_the_way: tuple[str, ...]

    @property
    def found(self) -> tuple[str, ...]:
        """Annotators whom hardcase paused."""
        return tuple(person.name for person in self.team if person.paused)

    @property
    def missed(self) -> tuple[str, ...]:
        """Bad annotators who are not paused."""
        return tuple(person.name for person in self.team if person.bad and not person.paused)

    @property
    def wronged(self) -> tuple[str, ...]:
        """Paused annotators who are not bad."""
        return tuple(person.name for person in self.team if person.paused and not person.bad)


def read_people(session: Session, project_id: ProjectId, stated: Mapping[str, float]) -> People:
    """Read the figures that are there; `stated` is the error rate of each account, by its name in Label Studio."""
    figures = dashboard.figures(session, project_id)
    counted, agreement, quality = read(figures, Team), read(figures, Agreement), read(figures, LabelQuality)
    bad = bad_ones(stated)

    def person(one: Annotator) -> Person:
        found = counted.of(one.id) if counted else None
        return Person(
            name=one.name,
            stated_error_rate=stated.get(one.name, 0.0),
            answers=found.answers if found else 0,
            gold=found.gold if found else None,
            agreement=found.agreement if found else None,
            paused=one.paused,
            reason=one.reason if one.paused else "",
            bad=one.name in bad,
        )

    everyone = sorted(annotators.everyone(session, project_id), key=lambda one: one.name)
    return People(
        team=tuple(map(person, everyone)),
        agreement=agreement.people.all.alpha if agreement else None,
        verdict=quality.verdict if quality else "",
        words=quality.words if quality else "",
        in_the_way=tuple(quality.in_the_way) if quality else (),
    )


def bad_ones(stated: Mapping[str, float]) -> set[str]:
    """The accounts whose error rate is far above the median.

    >>> bad_ones({"a": 0.05, "b": 0.05, "c": 0.4})
    {'c'}
    """
    if not stated:
        return set()
    usual = statistics.median(stated.values())
    return {name for name, rate in stated.items() if rate > FAR_MORE * max(usual, 0.01)}
