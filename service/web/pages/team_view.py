"""What the Team page shows: the worker's figure `team`, read back into plain values, beside who takes part now.

In: the figure as stored (docs/reference/figures.md) and the annotators of the project. Out: one value for the template.
A figure that is missing shows nothing but the names; of one in another form the page says that it is being counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from db.repositories.people.annotators import Annotator
from db.views.dashboard import Figure
from labeling.project import Project
from service.figures.estimates import Known
from service.figures.figures import name_of, outdated, read
from service.figures.team import Found, Person, Team
from service.projects.pseudonyms import shown_name

__all__ = [
    "Member",
    "TeamView",
    "bars",
    "look_at_team",
]


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
    is_outdated: bool


def look_at_team(project: Project, people: Sequence[Annotator], figures: Mapping[str, Figure]) -> TeamView:
    """Those whom the rule found come first, then by name."""
    team = read(figures, Team)
    by_number = {one.annotator: one for one in team.annotators} if team else {}
    names = {one.id: shown_name(project, one.id, one.name) for one in people}
    members = [Member(one, names[one.id], by_number.get(one.id), _evidence(one)) for one in people]
    members.sort(key=lambda member: (not _is_found(member), member.name))
    return TeamView(members, names, team, name_of(Team) in outdated(figures))


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
