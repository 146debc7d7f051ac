"""How a project's certificates stand, for page, API and command line: terms, every attempt, and what is due.

In: rows. Out: the same values everywhere, and sentences. Nothing here tries a certificate or reads whether a certifying
answer was right.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from db.repositories.certificates import audits, certificates, sets
from db.repositories.certificates.adjudicated import adjudicated
from db.repositories.certificates.audits import Result
from db.repositories.certificates.certificates import Accepted, Certificate, Terms
from db.repositories.queries import stream
from labeling.project import CertificateTerms, Project
from labeling.types import ProjectId

__all__ = [
    "NO_GOLD",
    "RELATIVE",
    "Attempt",
    "Certificates",
    "Due",
    "HumanError",
    "nothing_planned",
    "pictures_of",
    "read_certificates",
]

RELATIVE = "relative to adjudicated people"
"""There is too little given gold for a human-error term to be subtracted."""
NO_GOLD = (
    "Where people agree on the machine's wrong label, nobody sees it. Given gold that was drawn by chance from the "
    "same images bounds it (`gold` in the terms): at .05, with 50, 100 and 300 such images and no common error among "
    "them, 5.8, 2.9 and 1.0 points would be subtracted; from 300 on they are."
)
ENOUGH_GOLD = 300
MOST_PICTURES = 12


@dataclass(frozen=True, slots=True)
class HumanError:
    """On `agreed_wrong` of `gold` given gold images that the certificate accepts people agree with its wrong label.

    So is at most a share `term` of what it delivers. `relative`: there is too little gold, and nothing is subtracted;
    else `bound` is the share that is right at least, against the truth. `gold_to_halve` images in all would halve it.
    """

    agreed_wrong: int
    gold: int
    term: float
    gold_to_halve: int | None
    relative: bool
    bound: float

    @property
    def words(self) -> str:
        """What it comes to, in a sentence or two."""
        on = f"On {self.agreed_wrong:,} of {self.gold:,} gold images that it accepts people agree with its wrong label"
        points = f"{100 * self.term:.1f} points"
        if not self.relative:
            return f"{on}: {points} are subtracted, so against the truth at least {100 * self.bound:.1f} % are right."
        halve = f"; {self.gold_to_halve:,} in all would halve that" if self.gold_to_halve else ""
        return f"{on}: under {ENOUGH_GOLD} nothing is subtracted. It would be {points}{halve}."


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, a refusal too. Counts are of images, one a near-duplicate group.

    Of the set of `size` images `sampled` have an answer, with `errors` in all and `wrong` among the `rank` surest;
    `missing` answers count as wrong. `accepted` had no answer and got the version's label; `delivered` have it now.
    `score` is the lowest accepted one, `frame_score` where the set begins. `delta` was spent: the look's share,
    divided by `versions`. `coverage` is the accepted share of the unsampled set. `outside` counts why groups are not in
    the set, `excluded` why images of it are not accepted whatever their score. `audit` is what its audit came to;
    `auditing` of its images are asked about and not decided. `human_error` None: its terms name no gold.
    """

    id: int
    promise: str
    look: int
    version: int
    size: int
    sampled: int
    errors: int
    rank: int
    wrong: int
    missing: int
    accepted: int
    delivered: int
    coverage: float
    lower: float | None
    score: float | None
    frame_score: float | None
    delta: float
    versions: int
    outside: dict[str, int]
    excluded: dict[str, int]
    human_error: HumanError | None
    audit: Result | None
    auditing: int
    at: datetime
    stands: bool
    ended: str | None
    ended_at: datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class Due:
    """When it is tried next: with `size` sampled images, of which `answered` are there and `waiting` are asked about.

    None of the numbers where it was tried at every planned size.
    """

    size: int | None
    answered: int
    waiting: int
    words: str


@dataclass(frozen=True, slots=True)
class Certificates:
    """How certificates stand. `terms` None: the project file has no target. `sentence` may be sent to a customer."""

    terms: CertificateTerms | None
    since: datetime | None
    promise: str
    standing: Attempt | None
    attempts: tuple[Attempt, ...]
    due: Due | None
    sentence: str


def read_certificates(session: Session, project: Project) -> Certificates:
    """How the project's certificates stand now, the newest attempt first."""
    wanted, held = project.config.policy.certificate, certificates.terms_in_force(session, project.id)
    found = [_attempt(session, project.id, one) for one in reversed(certificates.everyone(session, project.id))]
    standing = next((one for one in found if one.stands), None)
    kept = held if held is not None and held.terms == wanted else None
    return Certificates(
        terms=wanted,
        since=None if kept is None or wanted is None else kept.at,
        promise="" if wanted is None else wanted.words,
        standing=standing,
        attempts=tuple(found),
        due=None if wanted is None else _due(session, project, wanted, kept),
        sentence=_sentence(standing),
    )


def pictures_of(session: Session, certificate_id: int) -> tuple[list[Accepted], list[Accepted]]:
    """The surest of what a certificate accepted, and the least sure, each from its end."""
    first = certificates.accepted_of(session, certificate_id, limit=MOST_PICTURES)
    shown = {one.image_id for one in first}
    last = certificates.accepted_of(session, certificate_id, limit=MOST_PICTURES, surest=False)
    return first, [one for one in last if one.image_id not in shown]


def _attempt(session: Session, project_id: ProjectId, one: Certificate) -> Attempt:
    report: dict[str, Any] = one.report
    asked, audit = audits.asked(session, project_id, one.id, one.at), audits.newest(session, one.id)
    unsampled = one.size - one.sampled
    return Attempt(
        **{name: getattr(one, name) for name in _AS_STORED},
        promise=one.terms.words,
        errors=int(report["errors"]),
        missing=int(report["missing"]),
        delivered=certificates.count_delivered(session, one.id) if one.stands else 0,
        coverage=one.accepted / unsampled if unsampled else 0.0,
        lower=report.get("lower"),
        score=report.get("score"),
        frame_score=report.get("frame_score"),
        outside=dict(report["outside"]),
        excluded={why: count for why, count in report.get("excluded", {}).items() if count},
        human_error=HumanError(**report["people"]) if report.get("people") else None,
        audit=audit,
        auditing=len(asked) - (audit.images if audit else 0) if one.stands else 0,
        why=str(report["why"]),
    )


_AS_STORED = (
    *("id", "look", "version", "size", "sampled", "rank", "wrong", "accepted", "delta", "versions"),
    *("at", "stands", "ended", "ended_at"),
)


def _due(session: Session, project: Project, wanted: CertificateTerms, held: Terms | None) -> Due:
    if held is None:
        return Due(
            wanted.planned_sizes[0], 0, 0, "The worker has not noted these terms yet; it does so with its sweep."
        )
    tried = certificates.last_tried(session, held.id)
    if tried >= wanted.sizes:
        return Due(None, 0, 0, nothing_planned(session, project.id, held))
    found = stream.read_stream(session, project.id)
    outside = sets.touched_groups(session, project.id) | stream.shadow_picks(session, project.id)
    asked = sets.drawn_since(session, project.id, held.newest_review) & found.asked - outside
    decided, size = {group for group in asked if group in found.examples}, wanted.planned_sizes[tried]
    words = "are answered"
    if wanted.people > 1:
        known = adjudicated(session, [found.examples[group].image_id for group in decided])
        decided = {group for group in decided if found.examples[group].image_id in known}
        words = "are answered by two people who agree, or decided by a lead"
    answered = len(decided)
    of = f"{size} sampled images of the set{_or_more(wanted, tried)}"
    words = f"It is tried next with {of}; {answered} that may belong to it {words}."
    possible = len(asked | (found.positions.keys() - found.asked - outside))
    if possible < size:
        words += (
            f" The reserve holds {possible} that may belong to it so far, so it is tried with those when all are "
            "answered. More images bring the planned size, or a lower `first_size` does."
        )
    return Due(size, answered, len(asked) - answered, words)


def _or_more(wanted: CertificateTerms, tried: int) -> str:
    return " (or the next planned size, where so few could show nothing)" if tried + 1 < wanted.sizes else ""


def nothing_planned(session: Session, project_id: ProjectId, held: Terms) -> str:
    """Why a certificate that was tried with the last size of these terms is not tried again."""
    tried = [one for one in certificates.everyone(session, project_id) if one.terms_id == held.id]
    planned = held.terms.planned_sizes[-1] if held.terms else 0
    if not tried or tried[-1].sampled >= planned:
        return "It was tried at every planned size; other terms begin anew."
    return (
        f"The reserve is used up: it was tried once more with the {tried[-1].sampled} sampled images that there were "
        f"({planned} were planned). Other terms begin anew, with images that come later."
    )


def _sentence(one: Attempt | None) -> str:
    if one is None:
        return "No certificate stands: nothing is promised."
    people = f"{RELATIVE}."
    if one.human_error is not None:
        people += f" {one.human_error.words}"
    return (
        f"Of {one.size:,} images, {one.sampled:,} were drawn by chance and labelled by people, and version "
        f"{one.version} labelled {one.accepted:,} others on {one.at:%d %B %Y}: {one.promise}, {people}"
    )
