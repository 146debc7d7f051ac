"""What hardcase says of the demo's simulated annotators and labels, beside what is known: how often each really errs.

In: the figures `team`, `agreement` and `label_quality` as the worker kept them, who is paused, and each account's
stated error rate. Out: values for the report. Whoever errs far more often than the others is the bad one; nothing here
helps hardcase to find them.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from db.repositories.people import annotators
from db.views import dashboard
from labeling.types import ProjectId

__all__ = ["Known", "People", "Person", "bad_ones", "read_people"]

FAR_MORE = 3.0
"""Who errs so many times as often as the one in the middle is a bad annotator."""


@dataclass(frozen=True, slots=True)
class Known:
    """A figure with its interval and on how many images it rests; `value` None: not yet known."""

    n: int
    value: float | None
    lower: float | None
    upper: float | None


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
    figures = {name: figure.data for name, figure in dashboard.figures(session, project_id).items()}
    told = {row["annotator"]: row for row in figures.get("team", {}).get("annotators", [])}
    bad, quality = bad_ones(stated), figures.get("label_quality", {})
    team = [
        Person(
            name=one.name,
            stated_error_rate=stated.get(one.name, 0.0),
            answers=int(told.get(one.id, {}).get("answers", 0)),
            gold=_known(told.get(one.id, {}).get("gold")),
            agreement=_known(told.get(one.id, {}).get("agreement")),
            paused=one.paused,
            reason=one.reason if one.paused else "",
            bad=one.name in bad,
        )
        for one in annotators.everyone(session, project_id)
    ]
    return People(
        team=tuple(sorted(team, key=lambda person: person.name)),
        agreement=_known(figures.get("agreement", {}).get("people", {}).get("all", {}).get("alpha")),
        verdict=str(quality.get("verdict", "")),
        words=str(quality.get("words", "")),
        in_the_way=tuple(str(name) for name in quality.get("in_the_way", ())),
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


def _known(found: Mapping[str, Any] | None) -> Known | None:
    if not found:
        return None
    known = bool(found.get("known"))
    value, lower, upper = (found.get(name) if known else None for name in ("value", "lower", "upper"))
    return Known(int(found.get("n", 0)), value, lower, upper)
