"""Escalation: each image in doubt once by each engine, reserved or not, and nobody is stopped by a broken engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.repositories.engines import engines_in_force
from db.repositories.projects import projects
from db.repositories.running import failures
from db.session import reading, transaction
from db.tables import SpendRow
from labeling.errors import EndpointSilent, EndpointUnavailable, Invalid, OverBudget, Unavailable
from labeling.prelabel.engine import Item
from labeling.prelabel.guards.checks import CONFLICT
from labeling.project import Budget, EngineUse, Policy, Project
from labeling.types import Actor, Outcome, Prelabel
from service.work.prelabel.escalate import escalate_batch
from tests import factories
from tests.conftest import NOW
from tests.service.labelled_pool import add_champion
from tests.service.prelabel.escalating import (
    Asking,
    Dear,
    EscalatingParts,
    add_pictures,
    escalate,
    everyone,
    failures_of,
    make_escalating,
    said_by,
    says,
)

DOUBTFUL, SURE = (0.4, 0.35, 0.25), (0.9, 0.06, 0.04)
AGENT, SECOND = EngineUse("agent:box/small"), EngineUse("agent:box/large")
POLICY = Policy(engine="scripted", escalation=(AGENT, SECOND))

Make = Callable[..., Project]


@pytest.fixture
def project(database: sa.Engine, make_project: Make) -> Project:
    return make_project(database, policy=POLICY)


def _parts(database: sa.Engine, folder: Path, project: Project, probs: tuple[float, ...] = DOUBTFUL) -> EscalatingParts:
    parts = make_escalating(database, folder, project, probs)
    parts.dear = {
        AGENT.engine: Asking("agent", lambda item: says("agent", "cat", SURE)),
        SECOND.engine: Asking("second", lambda item: says("second", "cat")),
    }
    return parts


@pytest.fixture
def parts(database: sa.Engine, tmp_path: Path, project: Project) -> EscalatingParts:
    return _parts(database, tmp_path, project)


def _reconfigure(parts: EscalatingParts, project: Project, policy: Policy) -> Project:
    with transaction(parts.database) as session:
        config = replace(project.config, policy=policy)
        return projects.configure(session, project.id, config, Actor("test", "a test", NOW))


def test_each_image_in_doubt_is_looked_at_once_reserved_or_not(parts: EscalatingParts, project: Project) -> None:
    add_pictures(parts, project, 20)

    first = escalate(parts, project, size=4)
    again = escalate(parts, project, size=4)

    assert set(said_by(parts, "agent")) == everyone(parts)
    assert len(parts.dear[AGENT.engine].seen) == len(everyone(parts)) == sum(c["done"] for c in first)
    assert again == [{"done": 0, "failed": 0, "left": 0}]


def test_what_the_first_engine_is_sure_of_goes_no_further(
    database: sa.Engine, tmp_path: Path, project: Project
) -> None:
    parts = _parts(database, tmp_path, project, SURE)
    add_pictures(parts, project, 8)

    counts = escalate(parts, project)

    assert counts == [{"done": 0, "failed": 0, "left": 0}]


def test_the_second_engine_looks_only_at_what_the_first_left_in_doubt_or_contradicted(
    parts: EscalatingParts, project: Project
) -> None:
    answers = [
        says("agent", "cat", SURE),
        says("agent", "dog", (0.1, 0.8, 0.1)),
        says("agent", None, outcome=Outcome.ABSTAINED),
    ]
    ids = sorted(add_pictures(parts, project, 12))
    pool = sorted(everyone(parts))
    parts.dear[AGENT.engine] = Dear("agent", _in_turn(answers))

    escalate(parts, project)

    said = said_by(parts, "agent")
    going = {image for image in pool if said[image].answer != "cat"}
    assert set(said_by(parts, "second")) == going and 0 < len(going) < len(pool) == len(ids)


def _in_turn(answers: list[Prelabel]) -> Callable[[Item], Prelabel]:
    given: dict[str, Prelabel] = {}
    return lambda item: given.setdefault(item.key, answers[len(given) % len(answers)])


def test_the_evidence_of_every_answer_names_the_version_of_the_configuration(
    parts: EscalatingParts, project: Project
) -> None:
    add_pictures(parts, project, 4)

    escalate(parts, project)

    for engine in ("scripted", "agent"):
        assert {row.evidence["config_version"] for row in said_by(parts, engine).values()} == {project.config_version}


def test_an_engine_that_cannot_be_loaded_is_shown_and_stops_nobody(parts: EscalatingParts, project: Project) -> None:
    add_pictures(parts, project, 6)
    parts.dear[AGENT.engine] = Invalid("The model is only half there. Download it again.")

    counts = escalate(parts, project)
    again = escalate(parts, project)

    [failure] = failures_of(parts, project)
    assert set(said_by(parts, "second")) == everyone(parts)
    assert failure.dead and failure.count == 1 and "half there" in failure.reason
    assert counts[-1]["left"] == 0 and again == [{"done": 0, "failed": 0, "left": 0}]


def test_a_broken_engine_is_tried_again_when_the_configuration_changes_or_by_hand(
    parts: EscalatingParts, project: Project
) -> None:
    add_pictures(parts, project, 4)
    parts.dear[AGENT.engine] = Invalid("The model is only half there.")
    escalate(parts, project)
    parts.dear[AGENT.engine] = Dear("agent", lambda item: says("agent", "cat"))

    escalate(parts, project)
    before = len(said_by(parts, "agent"))
    with transaction(parts.database) as session:
        failures.retry(session, project.id, "escalate")
    escalate(parts, project)
    retried = len(said_by(parts, "agent"))

    assert (before, retried) == (0, len(everyone(parts)))


def test_a_spent_budget_leaves_the_rest_to_people_and_a_new_one_goes_on(
    parts: EscalatingParts, project: Project
) -> None:
    add_pictures(parts, project, 12)
    money = [3]
    lock = threading.Lock()

    def answer(item: Item) -> Prelabel:
        with lock:
            if not money[0]:
                raise OverBudget("0.00 USD are left; this call may cost 0.01.")
            money[0] -= 1
        return says("agent", "cat", cost_micro=10_000)

    parts.dear[AGENT.engine] = Asking("agent", answer)
    escalate(parts, project, size=4)
    spent, refused = len(said_by(parts, "agent")), failures_of(parts, project)
    money[0] = 100
    _reconfigure(parts, project, replace(POLICY, seed=1))
    escalate(parts, project, size=4)

    assert spent == 3
    assert "people label them" in refused[0].reason and "0.00 USD" in refused[0].reason
    assert set(said_by(parts, "agent")) == everyone(parts)


def test_a_silent_endpoint_costs_one_image_and_is_not_asked_again(parts: EscalatingParts, project: Project) -> None:
    add_pictures(parts, project, 6)
    lost: list[str] = []

    def answer(item: Item) -> Prelabel:
        if not lost or item.key in lost:
            lost.append(item.key)
            raise EndpointSilent("No answer came within 120 s; the question may have been paid for.")
        return says("agent", "cat")

    parts.dear[AGENT.engine] = Dear("agent", answer)
    escalate(parts, project, size=4)
    asked = len(lost)
    escalate(parts, project, size=4)

    [failure] = failures_of(parts, project)
    assert failure.dead and "may have been paid" in failure.reason
    assert len(said_by(parts, "agent")) == len(everyone(parts)) - 1
    assert len(lost) == asked


def test_an_endpoint_that_is_away_fails_no_image_and_what_was_answered_is_kept(
    parts: EscalatingParts, project: Project
) -> None:
    add_pictures(parts, project, 10)
    answered: list[str] = []

    def answer(item: Item) -> Prelabel:
        if len(answered) >= 2:
            raise EndpointUnavailable("The endpoint refuses for now (429).")
        answered.append(item.key)
        return says("agent", "cat")

    parts.dear[AGENT.engine] = Asking("agent", answer, at_once=1)
    with pytest.raises(Unavailable):
        escalate(parts, project, size=4)
    kept = len(said_by(parts, "agent"))
    parts.dear[AGENT.engine] = Asking("agent", lambda item: says("agent", "cat"))
    escalate(parts, project)

    assert kept == 2 and failures_of(parts, project) == []
    assert set(said_by(parts, "agent")) == everyone(parts)


def test_one_bad_image_costs_only_itself_and_is_given_up_after_three_tries(
    parts: EscalatingParts, project: Project
) -> None:
    add_pictures(parts, project, 8)
    bad: list[str] = []

    def answer(item: Item) -> Prelabel:
        if not bad or item.key in bad:
            bad.append(item.key)
            raise RuntimeError("cannot look at this")
        return says("agent", "cat")

    parts.dear[AGENT.engine] = Dear("agent", answer)
    escalate(parts, project)

    [failure] = failures_of(parts, project)
    assert (failure.count, failure.dead) == (3, True) and len(set(bad)) == 1
    assert len(said_by(parts, "agent")) == len(everyone(parts)) - 1
    assert len(said_by(parts, "second")) >= 1, "the next engine is asked about it"


def test_an_endpoint_is_asked_about_no_more_images_at_once_than_it_takes(
    parts: EscalatingParts, project: Project
) -> None:
    add_pictures(parts, project, 16)
    running, most = [0], [0]
    lock, together = threading.Lock(), threading.Barrier(3)

    def answer(item: Item) -> Prelabel:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        if not together.broken:
            try:
                together.wait(timeout=5)  # three of them are here at the same time
            finally:
                together.abort()
        with lock:
            running[0] -= 1
        return says("agent", "cat")

    parts.dear[AGENT.engine] = Asking("agent", lambda item: _forgiving(answer, item), at_once=3)
    escalate(parts, project, size=16)

    assert most[0] == 3


def _forgiving(answer: Callable[[Item], Prelabel], item: Item) -> Prelabel:
    try:
        return answer(item)
    except threading.BrokenBarrierError:
        return says("agent", "cat")


def test_a_step_killed_around_its_write_is_done_again_without_doubling(
    parts: EscalatingParts, project: Project
) -> None:
    add_pictures(parts, project, 6)

    class Killed(BaseException):
        pass

    for deadly in ("escalate.before_write", "escalate.after_write"):

        def failpoint(name: str, deadly: str = deadly) -> None:
            if name == deadly:
                raise Killed

        parts.failpoint = failpoint
        with pytest.raises(Killed):
            escalate_batch(parts, project.id)  # type: ignore[arg-type]
    parts.failpoint = lambda name: None
    escalate(parts, project)

    assert set(said_by(parts, "agent")) == everyone(parts)


def test_labelled_images_are_left_alone(parts: EscalatingParts, project: Project) -> None:
    add_pictures(parts, project, 10)
    labelled = sorted(everyone(parts))[:2]
    with transaction(parts.database) as session:
        for image in labelled:
            factories.label(session, project.id, image, "cat")

    escalate(parts, project)

    assert set(said_by(parts, "agent")) == everyone(parts) - set(labelled)


def test_the_champion_decides_what_is_in_doubt_and_contradicting_it_is_flagged(
    parts: EscalatingParts, project: Project
) -> None:
    add_pictures(parts, project, 10)
    pool = sorted(everyone(parts))
    probs = [[0.34, 0.33, 0.33] if image in pool[:3] else [0.9, 0.05, 0.05] for image in pool]
    add_champion(parts, project, pool, probs)  # type: ignore[arg-type]
    parts.dear[AGENT.engine] = Dear("agent", lambda item: says("agent", "dog"))

    escalate(parts, project)

    said = said_by(parts, "agent")
    assert set(said) == set(pool[:3])
    assert all(row.evidence["flags"] == [CONFLICT] for row in said.values())
    assert parts.dear[AGENT.engine].seen[0].prediction == pytest.approx((0.34, 0.33, 0.33), abs=1e-3)


def test_a_shorter_escalation_forgets_who_stood_in_it(parts: EscalatingParts, project: Project) -> None:
    add_pictures(parts, project, 4)
    escalate(parts, project)
    _reconfigure(parts, project, replace(POLICY, escalation=(SECOND,)))

    escalate(parts, project)

    with reading(parts.database) as session:
        assert [(s.place, s.engine) for s in engines_in_force.in_force(session, project.id)] == [
            (0, "scripted"),
            (1, SECOND.engine),
        ]


def test_money_goes_to_the_most_doubtful_images_and_ends_with_the_budget(
    parts: EscalatingParts, project: Project
) -> None:
    with transaction(parts.database) as session:
        factories.spend(session, project.id)
    project = _reconfigure(parts, project, replace(POLICY, budget=Budget(10_000), escalation=(AGENT,)))
    parts.dear[AGENT.engine] = Asking("agent", lambda item: says("agent", "cat", cost_micro=3_000))
    add_pictures(parts, project, 16)

    first = escalate_batch(parts, project.id, size=4)  # type: ignore[arg-type]
    with transaction(parts.database) as session:
        session.get_one(SpendRow, project.id).spent_micro = 9_000
    rest = escalate(parts, project, size=1)

    [failure] = failures_of(parts, project)
    assert first["done"] == len(said_by(parts, "agent")) == 4
    assert rest == [{"done": 0, "failed": 0, "left": 0}]
    assert failure.dead and "budget" in failure.reason
