"""What the Team page shows: the worker's figure `team`, read back into plain values, beside who takes part now.

In: the figure as stored (docs/reference/figures.md) and the annotators of the project. Out: one value for the template.
A figure that is missing, or that an older worker wrote in another form, shows nothing but the names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from db.repositories.people.annotators import Annotator
from db.views.dashboard import Figure
from labeling.project import Project
from service.projects.pseudonyms import shown_name

__all__ = ["Member", "TeamView", "bars", "look_at_team"]


class Known(msgspec.Struct, kw_only=True):
    """A share or a difference of shares with its interval; its numbers are null while not yet known."""

    known: bool
    n: int
    value: float | None
    lower: float | None
    upper: float | None


class Times(msgspec.Struct):
    """Seconds an answer, and the quarter points around the median."""

    known: bool
    n: int
    median_s: float | None
    lower_s: float | None
    upper_s: float | None


class Drift(msgspec.Struct):
    """The first third of each session against the last."""

    early: Known
    late: Known
    change: Known
    early_s: float | None
    late_s: float | None


class OneClass(msgspec.Struct):
    """How often somebody is right on images of one class."""

    label: str
    right: Known


class Found(msgspec.Struct):
    """What the rule holds against somebody."""

    harm: str
    count: int
    n: int
    tolerated: float
    evidence: float
    needed: float
    partner: int | None


class Difference(msgspec.Struct):
    """One image on which somebody says otherwise than is held true."""

    image_id: int
    said: str
    true: str
    gold: bool
    content_hash: str
    ls_task_id: int | None


class Person(msgspec.Struct):
    """One annotator's figures."""

    annotator: int
    answers: int
    gold: Known
    agreement: Known
    kappa: float | None
    accepted_wrong: Known
    blind_error: Known
    anchoring: Known
    times: Times
    per_hour: float | None
    per_day: float | None
    drift: Drift
    quick_copies: Known
    commonest: str
    commonest_share: Known
    usual: Known
    classes: list[OneClass]
    findings: list[Found]
    differences: list[Difference]


class Team(msgspec.Struct):
    """The figure."""

    answers: int
    gold_images: int
    gold_answers: int
    annotators: list[Person]


@dataclass(frozen=True, slots=True)
class Member:
    """One person: who takes part now, how they are named, and their figures where there are any yet."""

    who: Annotator
    name: str
    figures: Person | None
    evidence: Found | None


@dataclass(frozen=True, slots=True)
class TeamView:
    """Everything that the page shows."""

    members: list[Member]
    names: Mapping[int, str]
    team: Team | None


def look_at_team(project: Project, people: Sequence[Annotator], figures: Mapping[str, Figure]) -> TeamView:
    """Those whom the rule found come first, then by name."""
    team = _read(figures)
    by_number = {one.annotator: one for one in team.annotators} if team else {}
    names = {one.id: shown_name(project, one.id, one.name) for one in people}
    members = [Member(one, names[one.id], by_number.get(one.id), _evidence(one)) for one in people]
    members.sort(key=lambda member: (not _is_found(member), member.name))
    return TeamView(members, names, team)


def bars(known: Known, *, signed: bool = False) -> tuple[float, float, float]:
    """Where an interval and its value stand on a scale of 0 to 100; a signed one goes from -1 to 1."""
    low, span = (-1.0, 2.0) if signed else (0.0, 1.0)
    numbers = (known.lower or 0.0, known.value or 0.0, known.upper or 0.0)
    left, middle, right = (round(100 * (number - low) / span, 2) for number in numbers)
    return left, middle, right


def _is_found(member: Member) -> bool:
    return member.who.paused or bool(member.figures and member.figures.findings)


def _evidence(one: Annotator) -> Found | None:
    """What the rule saw when it paused somebody; None where a person decided."""
    try:
        return msgspec.convert(dict(one.evidence), Found) if one.paused and one.evidence else None
    except msgspec.ValidationError:
        return None


def _read(figures: Mapping[str, Figure]) -> Team | None:
    if "team" not in figures:
        return None
    try:
        return msgspec.convert(figures["team"].data, Team)
    except msgspec.ValidationError:
        return None
