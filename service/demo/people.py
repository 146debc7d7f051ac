"""What hardcase says of the demo's simulated annotators and labels, beside what is known: how often each really errs.

In: the figures `team`, `agreement` and `label_quality` as the worker kept them, who is paused, and each account's
stated error rate. Out: values for the report. Whoever errs far more often than the others is the bad one; nothing here
helps hardcase to find them.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from db.repositories.people import annotators
from db.views import dashboard
from labeling.types import ProjectId
from service.figures.agreement import Agreement
from service.figures.estimates import Known
from service.figures.figures import read
from service.figures.label_quality import LabelQuality
from service.figures.team import Team

__all__ = ["People", "Person", "bad_ones", "read_people"]

FAR_MORE = 3.0
"""Who errs so many times as often as the one in the middle is a bad annotator."""


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated annotator as hardcase sees them, and the truth about them."""

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
    """The team, how far it agrees, and whether the labels can be shipped. `verdict` is empty before it was judged."""

    team: tuple[Person, ...]
    agreement: Known | None
    verdict: str
    words: str
    in_the_way: tuple[str, ...]

    @property
    def found(self) -> tuple[str, ...]:
        """Whom hardcase paused."""
        return tuple(person.name for person in self.team if person.paused)

    @property
    def missed(self) -> tuple[str, ...]:
        """Who is bad and takes part still."""
        return tuple(person.name for person in self.team if person.bad and not person.paused)

    @property
    def wronged(self) -> tuple[str, ...]:
        """Who was paused and is not bad."""
        return tuple(person.name for person in self.team if person.paused and not person.bad)


def read_people(session: Session, project_id: ProjectId, stated: Mapping[str, float]) -> People:
    """Read the figures that are there; `stated` is the error rate of each account, by its name in Label Studio."""
    figures = dashboard.figures(session, project_id)
    counted, agreement, quality = read(figures, Team), read(figures, Agreement), read(figures, LabelQuality)
    told = {one.annotator: one for one in counted.annotators} if counted else {}
    bad = bad_ones(stated)
    team = [
        Person(
            name=one.name,
            stated_error_rate=stated.get(one.name, 0.0),
            answers=told[one.id].answers if one.id in told else 0,
            gold=told[one.id].gold if one.id in told else None,
            agreement=told[one.id].agreement if one.id in told else None,
            paused=one.paused,
            reason=one.reason if one.paused else "",
            bad=one.name in bad,
        )
        for one in annotators.everyone(session, project_id)
    ]
    return People(
        team=tuple(sorted(team, key=lambda person: person.name)),
        agreement=agreement.people.all.alpha if agreement else None,
        verdict=quality.verdict if quality else "",
        words=quality.words if quality else "",
        in_the_way=tuple(quality.in_the_way) if quality else (),
    )


def bad_ones(stated: Mapping[str, float]) -> set[str]:
    """The accounts that err far more often than the one in the middle.

    >>> bad_ones({"a": 0.05, "b": 0.05, "c": 0.4})
    {'c'}
    """
    if not stated:
        return set()
    usual = statistics.median(stated.values())
    return {name for name, rate in stated.items() if rate > FAR_MORE * max(usual, 0.01)}
