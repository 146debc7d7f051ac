"""The turning loop, watched: simulated annotators answer, triggers start every stage, and this looks on.

In: a running system with a project whose source has been named. Out: nothing but time: it returns when enough verdicts
have been given and everything answered is recorded, and raises with what is known when nothing moves any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from db.repositories.people.annotators import everyone
from db.repositories.reviews import reviews
from db.repositories.running import failures
from db.session import reading
from db.views import dashboard, project_history
from db.views.project_history import HowFar
from labeling.errors import Unavailable
from labeling.project import Project
from service.demo.annotators import Account, Annotators, SimulatedAnswers
from service.demo.show import Show
from service.demo.system import System, invite
from service.settings import Settings

_PAUSE_S = 0.2
_STUCK_AFTER_S = 300.0
_SETTLE_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    """What the playing works with once everything is up.

    `people` answers as the first of the team does; `team` has each account's own answers, by its name.
    """

    system: System
    settings: Settings
    database: sa.Engine
    project: Project
    people: SimulatedAnswers
    team: dict[str, SimulatedAnswers]
    accounts: list[Account]
    show: Show


def turn(stage: Stage, rounds: int) -> None:
    """Let the loop turn until so many verdicts have been given, while simulated annotators answer."""
    ls_project = _label_studio_project(stage)
    invite(stage.system.label_studio, stage.settings.label_studio_token.get_secret_value(), stage.accounts)
    stated = ", ".join(f"{one.error_rate:.0%}" for one in stage.team.values())
    stage.show.say(f"{len(stage.accounts)} simulated annotators answer in Label Studio, wrongly in {stated}.")
    answer, goes_on = _answers_from(stage), _who_goes_on(stage)
    with Annotators(
        stage.system.label_studio, ls_project, stage.accounts, answer, pause_s=_PAUSE_S, goes_on=goes_on
    ) as annotators:
        _watch(stage, rounds, lambda now: now.judged >= rounds, annotators)
        annotators.stop()
        _watch(stage, rounds, lambda now: now.annotations >= annotators.answered, annotators, _SETTLE_WITHIN_S)


def _label_studio_project(stage: Stage) -> int:
    """Wait until hardcase has prelabelled, asked, and pushed its first questions."""
    number: list[int] = []

    def pushed(now: HowFar) -> bool:
        with reading(stage.database) as session:
            place = dashboard.label_studio_place(session, stage.project.id)
        number[:] = [place.ls_project_id] if place else []
        return bool(place) and now.asked > 0

    _watch(stage, 0, pushed)
    return number[0]


def _watch(
    stage: Stage,
    rounds: int,
    done: Callable[[HowFar], bool],
    annotators: Annotators | None = None,
    stuck_after_s: float = _STUCK_AFTER_S,
) -> None:
    """Look on until it is done; Unavailable with what is known when nothing has moved for too long."""
    last, moved = None, time.monotonic()
    while True:
        with reading(stage.database) as session:
            now = project_history.how_far(session, stage.project.id)
        stage.show.update(now, rounds)
        if done(now):
            return
        stage.system.check()
        if annotators is not None:
            annotators.check()
        if now != last:
            last, moved = now, time.monotonic()
        elif time.monotonic() - moved > stuck_after_s:
            raise Unavailable(_what_is_stuck(stage, now, stuck_after_s))
        time.sleep(0.5)


def _what_is_stuck(stage: Stage, now: HowFar, seconds: float) -> str:
    with reading(stage.database) as session:
        failed = failures.listing(session, stage.project.id, limit=3)
    reasons = "; ".join(f"{failure.step}: {failure.reason[:200]}" for failure in failed)
    return f"The loop has not moved for {seconds:.0f} s, at {now}. {reasons or 'No step has failed.'}"


def _who_goes_on(stage: Stage) -> Callable[[Account], bool]:
    """Whoever hardcase has paused is told so, and leaves."""

    def goes_on(account: Account) -> bool:
        with reading(stage.database) as session:
            return not any(one.paused and one.name == account.email for one in everyone(session, stage.project.id))

    return goes_on


def _answers_from(stage: Stage) -> Callable[[Account, dict[str, Any]], str]:
    """From a Label Studio task to the simulated answer: the task names the review, the review its image."""

    def answer(account: Account, task: dict[str, Any]) -> str:
        key = task["data"]["external_id"]
        with reading(stage.database) as session:
            review = reviews.by_token(session, stage.project.id, [key])[key]
            named = project_history.first_named(session, stage.project.id)[review.image_id]
        return stage.team[account.email].to(named.reference)

    return answer
