"""Watches the loop: simulated annotators answer, triggers start every stage, and nothing is started here.

In: a running system with a project whose source is registered. Out: how many tasks came without their prediction. It
returns when every image has a label, or a reason for having none, and every answer is recorded, and raises with what is
known when nothing has changed for too long.
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
from db.repositories.versions import versions
from db.session import reading
from db.views import dashboard, project_history
from db.views.project_history import HowFar
from labeling.errors import Unavailable
from labeling.project import Project
from labeling.quality.random_arm import LEAST_IMAGES
from service.demo.annotators import Account, Annotators, SimulatedAnswers, invite
from service.demo.measured.last_known import LastKnown, is_of_champion
from service.demo.show import Show
from service.demo.system import System
from service.figures.figures import stored
from service.figures.random_arm import RandomArm
from service.figures.random_stream import RandomStream
from service.work.quality.random_arm import GROWN
from service.work.wiring import Parts

_PAUSE_S = 0.2
_STUCK_AFTER_S = 600.0
"""The first pre-labels come in one batch: on a machine that is busy with other work that took longer than 300 s."""
_HOLDS_S = 8.0
_RECORDED_WITHIN_S = 60.0
_COUNTED_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Stage:
    """What the demo works with once the system runs; `team` has each account's answers."""

    system: System
    parts: Parts
    project: Project
    team: dict[Account, SimulatedAnswers]
    show: Show
    known: LastKnown

    @property
    def database(self) -> sa.Engine:
        return self.parts.database

    @property
    def first(self) -> SimulatedAnswers:
        """The answers of the first annotator."""
        return next(iter(self.team.values()))

    def answer(self, account: Account, task: dict[str, Any]) -> str:
        """The account's answer to a Label Studio task: the task names the review, the review its image."""
        key = task["data"]["external_id"]
        with reading(self.database) as session:
            review = reviews.by_token(session, self.project.id, [key])[key]
            named = project_history.first_named(session, self.project.id)[review.image_id]
        return self.team[account].to(named.reference)

    def goes_on(self, account: Account) -> bool:
        """False for an annotator whom hardcase has paused."""
        with reading(self.database) as session:
            return not any(one.paused and one.name == account.email for one in everyone(session, self.project.id))


def turn(stage: Stage, rounds: int) -> int:
    """Let the loop turn until every image is labelled, or until `rounds` verdicts where that is not 0.

    Simulated annotators answer meanwhile; how many tasks they were given without the prediction that every task has.
    """
    _watch(stage, rounds, lambda now: now.asked > 0 and _label_studio_project(stage) is not None)
    ls_project = _label_studio_project(stage)
    assert ls_project is not None
    address = stage.system.label_studio
    invite(address, stage.parts.settings.label_studio_token.get_secret_value(), stage.team)
    stated = ", ".join(f"{one.error_rate:.0%}" for one in stage.team.values())
    stage.show.say(f"{len(stage.team)} simulated annotators answer in Label Studio; their error rates: {stated}.")
    with Annotators(
        address, ls_project, stage.team, stage.answer, pause_s=_PAUSE_S, goes_on=stage.goes_on
    ) as annotators:
        _watch(stage, rounds, _holds(lambda now: _is_done(stage, now, rounds), 0.0 if rounds else _HOLDS_S), annotators)
        annotators.stop()
        _watch(stage, rounds, lambda now: now.annotations >= annotators.answered, annotators, _RECORDED_WITHIN_S)
        _watch(
            stage,
            rounds,
            lambda now: is_counted(stage.database, stage.project, now.annotations),
            annotators,
            _COUNTED_WITHIN_S,
        )
        return annotators.shown_nothing


def _label_studio_project(stage: Stage) -> int | None:
    with reading(stage.database) as session:
        place = dashboard.label_studio_place(session, stage.project.id)
    return place.ls_project_id if place else None


def _is_done(stage: Stage, now: HowFar, rounds: int) -> bool:
    if rounds:
        return now.judged >= rounds
    if now.fetched < now.registered or now.answered < now.asked:
        return False
    with reading(stage.database) as session:
        if project_history.how_labelled(session, stage.project.id).waiting:
            return False
    return is_counted(stage.database, stage.project, now.annotations)  # then it is known who else is to be asked


def _holds(done: Callable[[HowFar], bool], seconds: float) -> Callable[[HowFar], bool]:
    """Whether it is done and has been for so long: where people disagree, another is asked a moment later."""
    since: list[float] = []

    def held(now: HowFar) -> bool:
        if not done(now):
            since.clear()
            return False
        since.append(time.monotonic())
        return since[-1] - since[0] >= seconds

    return held


def is_counted(database: sa.Engine, project: Project, answers: int) -> bool:
    """Whether the figures rest on so many answers and are of the version in use, the random arm on about the stream."""
    with reading(database) as session:
        champion = versions.champion(session, project.id)
        measured = stored(session, project.id, RandomStream)
        arm = stored(session, project.id, RandomArm)
    if measured is None or measured.answers_in_all < answers:
        return False
    if champion is not None and measured.rests_on and not is_of_champion(database, project.id):
        return False
    return measured.rests_on < LEAST_IMAGES or (arm is not None and measured.rests_on < GROWN * arm.rests_on)


def _watch(
    stage: Stage,
    rounds: int,
    done: Callable[[HowFar], bool],
    annotators: Annotators | None = None,
    stuck_after_s: float = _STUCK_AFTER_S,
) -> None:
    """Wait until it is done; Unavailable with what is known when nothing has changed for too long."""
    last, moved = None, time.monotonic()
    while True:
        with reading(stage.database) as session:
            now = project_history.how_far(session, stage.project.id)
        stage.show.update(now, rounds)
        stage.known.follow(now.judged)
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
