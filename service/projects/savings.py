"""What choosing saves, what more labels would add, and when to stop: figures and counts of one project together.

In: a session and a project. Out: one document for page, API and command, and for `select` the rule that stops it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy.orm import Session

from db.repositories.engines import call_ledger
from db.views import project_history
from labeling.estimates import Estimate
from labeling.project import Project, Stop
from labeling.review.stopping import Progress, Rule, rules, stopped_by
from service.figures.estimates import Known, known
from service.figures.figures import stored
from service.figures.machine_labels import NextAttempt
from service.figures.random_arm import RandomArm
from service.figures.random_stream import RandomStream

__all__ = ["NOT_COUNTED", "Savings", "next_attempt", "saved_in_words", "savings_of", "stop_rule"]

START = datetime(1970, 1, 1, tzinfo=UTC)
FOUND_AHEAD = timedelta(days=366)
"""Answers by a clock that is ahead count too."""
MICRO = 1_000_000
NOT_COUNTED = "What the next attempt may accept is not counted yet; the worker does so with its sweep."


class Savings(msgspec.Struct):
    """What a project's labels cost and give."""

    answers: int
    """Answers of people to anything."""
    measuring: int
    """How many of them went into measuring."""
    hours: float
    """How long people worked on them, as far as Label Studio knows; an answer counts as ten minutes at most."""
    saved: Known
    """Random labels for each chosen one at the same accuracy."""
    saved_in_words: str
    """Whether choosing the images has saved anything."""
    accuracy: Known
    """Of the champion on the collection."""
    gain: Known
    """Accuracy that the next `more` labels are expected to add."""
    more: int
    next_attempt: NextAttempt | None
    """What the next attempt at a certificate may accept; null without a target, and while it is not counted yet."""
    rules: list[Rule]
    """Every rule of `policy.stop`."""
    stopped_by: Rule | None
    """The rule that holds: no query is made while it does."""


def savings_of(session: Session, project: Project, now: datetime) -> Savings:
    """All of it, from figures that the worker counted and from the answers that there are."""
    stream, arm = stored(session, project.id, RandomStream), stored(session, project.id, RandomArm)
    progress = _progress(session, project, stream, arm, now)
    found = rules(project.config.policy.stop, progress)
    return Savings(
        answers=progress.answers,
        measuring=stream.answers if stream else 0,
        hours=round(progress.hours, 2),
        saved=arm.saved if arm else known(None),
        saved_in_words=saved_in_words(arm.saved if arm else known(None)),
        accuracy=stream.on_collection if stream else known(None),
        gain=arm.gain if arm else known(None),
        more=progress.more,
        next_attempt=next_attempt(session, project),
        rules=list(found),
        stopped_by=stopped_by(found),
    )


def saved_in_words(saved: Known) -> str:
    """Whether choosing the images has saved anything, in a sentence."""
    if saved.value is None or saved.lower is None:
        return "What choosing the images saved is not yet known: it takes 40 answered images of the random stream."
    if saved.lower > 1:
        return f"Choosing the images saved answers: a random sample needs {saved.lower:.2f} times as many at least."
    if saved.upper is not None and saved.upper < 1:
        return f"Choosing the images saved nothing: a random sample needs {saved.upper:.2f} times as many at most."
    return "Choosing the images is not known to have saved anything: as many random labels may do as well."


def next_attempt(session: Session, project: Project) -> NextAttempt | None:
    """What the next attempt at a certificate may accept; None without a target, and while it is not counted yet."""
    return None if project.config.policy.certificate is None else stored(session, project.id, NextAttempt)


def stop_rule(session: Session, project: Project, now: datetime) -> Rule | None:
    """The rule of the policy that holds now; None where it sets none, which reads nothing."""
    if project.config.policy.stop == Stop():
        return None
    return savings_of(session, project, now).stopped_by


def _progress(
    session: Session, project: Project, stream: RandomStream | None, arm: RandomArm | None, now: datetime
) -> Progress:
    worked = project_history.worked(session, project.id, START, now + FOUND_AHEAD)
    hours, spent = sum(one.seconds for one in worked) / 3600, call_ledger.spending(session, project.id).spent_micro
    policy = project.config.policy
    return Progress(
        answers=sum(one.answers for one in worked),
        hours=hours,
        money=hours * policy.stop.wage + spent / MICRO,
        currency=policy.budget.currency if policy.budget else "USD",
        accuracy=_estimate(stream.on_collection) if stream else None,
        gain=_estimate(arm.gain) if arm else None,
        more=arm.more if arm else 100,
    )


def _estimate(one: Known) -> Estimate | None:
    if one.value is None or one.lower is None or one.upper is None:
        return None
    return Estimate(one.value, one.lower, one.upper, one.n)
