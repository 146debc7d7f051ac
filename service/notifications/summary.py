"""The texts of messages: a week of a project, or an alarm, as plain text and as simple HTML.

In: the figures. Out: a subject of one line, text, HTML in which every text is escaped, and the same as data for
programs. Of people it says only what they did, under the names that the policy allows.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec

from labeling.ingest.text import clean_text

NOT_KNOWN = "not yet known"
_FACTS = ("labels", "labelled", "agreement", "accuracy", "wrong_labels", "verdict", "disputes", "alarms", "changes")
_SUBJECT = 150


@dataclass(frozen=True, slots=True)
class Words:
    """A message: `facts` are what its text says, for programs."""

    subject: str
    text: str
    html: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """A share with its 95 % interval and the number of images it was measured on; unknown under 30."""

    value: float | None
    lower: float | None
    upper: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Person:
    """What somebody did in the week."""

    name: str
    answers: int
    hours: float


@dataclass(frozen=True, slots=True)
class Week:
    """A week of a project: `name` as in ISO 8601 (2026-W47), from Monday `start`."""

    project: str
    name: str
    start: date
    labels: Mapping[str, int]
    labelled: int
    agreement: Measured
    accuracy: Measured
    wrong_labels: str
    verdict: str
    people: Sequence[Person]
    disputes: int
    alarms: Sequence[str]
    changes: Sequence[str]
    address: str


def weekly_words(week: Week) -> Words:
    """The summary of a week; a measure that is not yet known is given as that."""
    total = sum(week.labels.values())
    subject = _line(
        f"{week.project}, week {week.name}: {_many(total, 'label')}, {_many(week.disputes, 'dispute')} open"
    )
    sections = [
        ("Labels", [_labels(week, total)]),
        ("Quality", _quality(week)),
        ("People", [_person(person) for person in week.people] or ["Nobody answered."]),
        ("Alarms", list(week.alarms) or ["None is open."]),
        ("What changed", list(week.changes) or ["Nothing."]),
    ]
    heading = f"{week.project}: the week from {week.start.isoformat()}"
    return _put(subject, heading, sections, week.address, _facts(week))


def alarm_words(project: str, kind: str, words: str, address: str, facts: Mapping[str, Any]) -> Words:
    """An alarm, sent once."""
    return _put(f"{project}: {kind}", f"{project}: {kind}", [("Alarm", [words])], address, facts)


def _labels(week: Week, total: int) -> str:
    by = ", ".join(f"{count} by {source}" for source, count in week.labels.items())
    return f"{_many(total, 'image')} labelled this week{f' ({by})' if by else ''}; {week.labelled} labelled in all."


def _quality(week: Week) -> list[str]:
    lines = [
        f"People agree: {_measured(week.agreement)}.",
        f"Accuracy on the random stream: {_measured(week.accuracy)}.",
        *([f"Labels that are wrong: {week.wrong_labels}."] if week.wrong_labels else []),
        f"Disputes that wait for a lead: {week.disputes}.",
    ]
    return [*lines, f"Can it be shipped: {week.verdict}."] if week.verdict else lines


def _measured(found: Measured) -> str:
    if found.value is None or found.lower is None or found.upper is None:
        return f"{NOT_KNOWN} ({_many(found.n, 'image')} so far)"
    return f"{found.value:.1%} (95 % interval {found.lower:.1%} to {found.upper:.1%}, {_many(found.n, 'image')})"


def _person(person: Person) -> str:
    return f"{person.name}: {_many(person.answers, 'answer')}, {person.hours:.1f} hours"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _put(
    subject: str, heading: str, sections: Sequence[tuple[str, Sequence[str]]], address: str, facts: Mapping[str, Any]
) -> Words:
    plain = [(name, [_line(line, 2_000) for line in lines]) for name, lines in sections]
    parts = [part for name, lines in plain for part in (name, *(f"- {line}" for line in lines), "")]
    text = "\n".join([_line(heading), "", *parts])
    escaped = "".join(
        f"<h2>{html.escape(name)}</h2><ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>"
        for name, lines in plain
    )
    link = html.escape(address, quote=True)
    page = f'<h1>{html.escape(_line(heading))}</h1>{escaped}<p><a href="{link}">{link}</a></p>'
    return Words(_line(subject), f"{text}{address}\n", page, facts)


def _line(text: str, longest: int = _SUBJECT) -> str:
    """One line without control or invisible characters: a name cannot begin another header or another line."""
    return " ".join((clean_text(text) or "").split())[:longest]


def _facts(week: Week) -> dict[str, Any]:
    known = msgspec.to_builtins(week)
    people = [{**person, "hours": round(person["hours"], 2)} for person in known["people"]]
    return {"week": week.name, **{name: known[name] for name in _FACTS}, "people": people}
