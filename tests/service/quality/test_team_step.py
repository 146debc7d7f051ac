"""The team: figures from real rows, pauses by the rule, and what voiding answers does to labels and model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db.repositories.labels import decisions
from db.repositories.people import annotators
from db.repositories.reviews import reviews
from db.repositories.running import alarms
from db.repositories.versions import versions
from db.session import reading, transaction
from db.tables import AnnotatorSwitchRow, AuditRow
from db.views import dashboard
from labeling.errors import Conflict, Invalid, NotFound
from labeling.jobs import Trigger
from labeling.project import Gold, Policy, Project, Team
from labeling.types import Actor, ImageId, ReviewKind, Verdict
from service.labels import annotators as team
from service.labels.resolution import resolve_labels
from service.work.learn.learn import learn
from service.work.pool.training_set import rebuild_snapshot
from service.work.promote.judge import judge
from service.work.quality.annotators.team import RULE, refresh_team
from tests.conftest import NOW
from tests.reviewing import label_values
from tests.service.labelled_pool import Ground
from tests.service.team_ground import (
    answers_of,
    ask_people,
    make_gold_of,
    people,
    rows,
    team_ground,
    truth_of,
    wrong_of,
)

HARD, RANDOM, GOLD = ReviewKind.HARD, ReviewKind.RANDOM, ReviewKind.GOLD
MakeProject = Callable[..., Project]


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: MakeProject) -> Ground:
    return team_ground(database, tmp_path / "home", make_project(database, policy=Policy(learn_after_labels=12)))


def figure(ground: Ground) -> dict[int, dict[str, Any]]:
    """The figure's rows, by annotator."""
    with reading(ground.parts.database) as session:
        data = dashboard.figures(session, ground.project.id)["team"].data
    return {row["annotator"]: row for row in data["annotators"]}


def everyone(ground: Ground) -> dict[int, annotators.Annotator]:
    with reading(ground.parts.database) as session:
        return {one.id: one for one in annotators.everyone(session, ground.project.id)}


def answer_gold(ground: Ground, said: dict[int, Callable[[Ground, int], str]], images: list[int]) -> None:
    """These images become gold, and each person answers all of them in their own way."""
    make_gold_of(ground, images)
    asked = ask_people(ground, images, GOLD, wanted=5)
    for who, how in said.items():
        answers_of(ground, who, {r: how(ground, i) for r, i in zip(asked, images, strict=True)})


# --- the figure and the rule ----------------------------------------------------------------------------


def test_the_rule_pauses_who_errs_on_gold_with_its_evidence_and_an_alarm_and_only_once(ground: Ground) -> None:
    ann, bob, cem = people(ground, "ann", "bob", "cem")
    answer_gold(ground, {ann: truth_of, bob: wrong_of, cem: truth_of}, ground.pool[:30])

    first, second, third = (refresh_team(ground.parts, ground.project.id) for _ in range(3))

    assert (first, second, third) == ({"team": 1, "paused": 1}, {"team": 1}, {"team": 0})
    found, seen = everyone(ground)[bob], figure(ground)
    assert (found.paused, found.author, found.evidence["harm"]) == (True, RULE, "errs more than the team")
    assert not everyone(ground)[ann].paused and not everyone(ground)[cem].paused
    assert (seen[ann]["gold"]["value"], seen[bob]["gold"]["value"], seen[bob]["gold"]["n"]) == (1.0, 0.0, 30)
    with reading(ground.parts.database) as session:
        [alarm] = alarms.open_alarms(session, ground.project.id)
    assert alarm.subject == str(bob) and "bob" not in alarm.words
    assert len(rows(ground.parts, AnnotatorSwitchRow)) == 1


def test_a_policy_that_does_not_pause_only_shows_what_the_rule_finds(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    project = make_project(database, policy=Policy(team=Team(pause=False)))
    ground = team_ground(database, tmp_path, project, pool=30, reserved=0)
    ann, bob = people(ground, "ann", "bob")
    answer_gold(ground, {ann: truth_of, bob: wrong_of}, ground.pool)

    refresh_team(ground.parts, project.id)

    assert not everyone(ground)[bob].paused
    assert [one["harm"] for one in figure(ground)[bob]["findings"]] == ["errs more than the team"]


def test_a_pause_stops_answers_from_counting_and_a_resumed_person_is_judged_by_later_ones(ground: Ground) -> None:
    ann, bob, cem = people(ground, "ann", "bob", "cem")
    answer_gold(ground, {ann: truth_of, bob: wrong_of, cem: truth_of}, ground.pool[:30])
    refresh_team(ground.parts, ground.project.id)
    asked = ask_people(ground, ground.pool[30:31], HARD)
    answers_of(ground, bob, {asked[0]: "cat"}, paused=True)  # as the ledger records it
    with reading(ground.parts.database) as session:
        still_open = reviews.newest_of_images(session, ground.project.id, [ImageId(ground.pool[30])])
    with transaction(ground.parts.database) as session:
        again = Actor("lead", "had read the wrong guidelines", ground.clock.at.replace(year=2027))
        team.resume(session, ground.parts.jobs, ground.project, bob, again)

    counts = refresh_team(ground.parts, ground.project.id)

    assert next(iter(still_open.values())).open
    assert counts == {"team": 1}
    assert not everyone(ground)[bob].paused
    with reading(ground.parts.database) as session:
        assert alarms.open_alarms(session, ground.project.id) == []


def test_the_figure_says_where_somebody_differs_but_neither_gold_nor_open_images(ground: Ground) -> None:
    ann, bob = people(ground, "ann", "bob")
    closed = ask_people(ground, ground.pool[:2], HARD, wanted=2)
    still_open = ask_people(ground, ground.pool[2:4], HARD, wanted=3)
    for who, how in ((ann, truth_of), (bob, wrong_of)):
        answers_of(ground, who, {r: how(ground, i) for r, i in zip([*closed, *still_open], ground.pool, strict=False)})
    answer_gold(ground, {bob: wrong_of}, ground.pool[10:12])

    refresh_team(ground.parts, ground.project.id)

    seen = figure(ground)[bob]["differences"]
    assert {one["image_id"] for one in seen} == set(ground.pool[:2])
    assert {(one["said"], one["true"]) for one in seen} == {
        (wrong_of(ground, image), truth_of(ground, image)) for image in ground.pool[:2]
    }


def test_gold_answers_are_told_where_the_policy_wants_feedback(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    project = make_project(database, policy=Policy(gold=Gold(feedback=True)))
    ground = team_ground(database, tmp_path, project, pool=6, reserved=0)
    [bob] = people(ground, "bob")
    answer_gold(ground, {bob: wrong_of}, ground.pool[:2])

    refresh_team(ground.parts, project.id)

    assert [one["gold"] for one in figure(ground)[bob]["differences"]] == [True, True]


def test_a_lead_decides_against_whom_an_answer_counts(ground: Ground) -> None:
    ann, bob = people(ground, "ann", "bob")
    images = [ImageId(image) for image in ground.pool[:40]]
    asked = ask_people(ground, images, HARD, wanted=2)
    for who, how in ((ann, truth_of), (bob, wrong_of)):
        answers_of(ground, who, {r: how(ground, i) for r, i in zip(asked, images, strict=True)})
    with transaction(ground.parts.database) as session:
        values = {image: truth_of(ground, image) for image in images}
        decisions.add(session, ground.project.id, values, decisions.ADJUDICATION, Actor("lead", "", NOW))
        resolve_labels(session, ground.project, images, NOW)

    refresh_team(ground.parts, ground.project.id)

    assert everyone(ground)[bob].paused and not everyone(ground)[ann].paused
    assert figure(ground)[ann]["agreement"]["value"] == 0.0  # with each other they agree on nothing
    assert figure(ground)[ann]["blind_error"]["value"] == 0.0


@pytest.mark.parametrize(("first", "paused"), [("bob", False), ("ann", True)])
def test_who_is_asked_first_is_not_judged_by_what_their_doubt_brought_to_light(
    ground: Ground, first: str, paused: bool
) -> None:
    ann, bob, cem = people(ground, "ann", "bob", "cem")
    answer_gold(ground, {ann: truth_of, bob: truth_of, cem: truth_of}, ground.pool[:10])
    images = ground.pool[10:30]
    asked = ask_people(ground, images, HARD, wanted=3)

    for who in (bob, ann, cem) if first == "bob" else (ann, bob, cem):
        wrong = 6 if who == bob else 0
        said = [(wrong_of if at < wrong else truth_of)(ground, image) for at, image in enumerate(images)]
        answers_of(ground, who, dict(zip(asked, said, strict=True)))
    refresh_team(ground.parts, ground.project.id)

    assert [one.paused for one in everyone(ground).values()] == [False, paused, False]


def test_labels_that_a_lead_corrects_pause_nobody_who_alone_answered(ground: Ground) -> None:
    ann, bob = people(ground, "ann", "bob")
    images = [ImageId(image) for image in ground.pool[:20]]
    answers_of(
        ground, bob, {r: wrong_of(ground, i) for r, i in zip(ask_people(ground, images, HARD), images, strict=True)}
    )
    with transaction(ground.parts.database) as session:
        values = {image: truth_of(ground, image) for image in images}
        decisions.add(session, ground.project.id, values, decisions.CORRECTION, Actor("lead", "", NOW))

    refresh_team(ground.parts, ground.project.id)

    assert not everyone(ground)[bob].paused
    assert figure(ground)[bob]["findings"] == []


def test_an_empty_project_has_an_empty_team(ground: Ground) -> None:
    assert refresh_team(ground.parts, ground.project.id) == {"team": 1}
    assert refresh_team(ground.parts, ground.project.id) == {"team": 0}
    assert figure(ground) == {}


# --- void, retrain, gate --------------------------------------------------------------------------------


def version(ground: Ground, number: int) -> versions.Version:
    with reading(ground.parts.database) as session:
        return versions.by_number(session, ground.project.id, number)


def learnt(ground: Ground) -> int:
    return learn(ground.parts, ground.project.id, Trigger.ANSWERED)["version"]


def judged(ground: Ground) -> Verdict:
    judge(ground.parts, ground.project.id, Trigger.LEARNED)
    with reading(ground.parts.database) as session:
        return versions.promotions(session, ground.project.id)[-1].verdict


def void(ground: Ground, who: int) -> team.Voided:
    with transaction(ground.parts.database) as session:
        by = Actor("lead", "answered without looking", NOW)
        return team.void_answers(session, ground.parts.jobs, ground.project, who, by)


def test_the_gate_stops_a_poisoned_model_and_voiding_retrains_without_the_poison(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    ground = team_ground(database, tmp_path / "home", make_project(database), reserved=100)
    ann, bob = people(ground, "ann", "bob")
    ground.label(ground.reserved, RANDOM)
    honest = ask_people(ground, ground.pool[:18], HARD)
    answers_of(ground, ann, {r: truth_of(ground, i) for r, i in zip(honest, ground.pool, strict=False)})
    clean = learnt(ground)
    first_verdict = judged(ground)
    poisoned = ask_people(ground, ground.pool[18:54], HARD)
    answers_of(ground, bob, {r: wrong_of(ground, i) for r, i in zip(poisoned, ground.pool[18:], strict=False)})

    worse = learnt(ground)
    verdict = judged(ground)
    voided = void(ground, bob)
    again = learnt(ground)

    reports = {number: version(ground, number).report for number in (clean, worse)}
    assert (first_verdict, verdict) == (Verdict.PROMOTED, Verdict.REFUSED)
    assert reports[worse]["accuracy"] < reports[clean]["accuracy"] - 0.3
    assert (voided.answers, voided.images, voided.labels) == (36, 36, 36)
    assert again == clean  # the very same labels: the version that was fitted on them is found again
    with reading(ground.parts.database) as session:
        for number in (clean, worse):
            found = version(ground, number)
            assert rebuild_snapshot(session, ground.project, found).hash == found.snapshot_hash


def test_voided_answers_are_asked_again_of_others_in_one_transaction(ground: Ground) -> None:
    ann, bob = people(ground, "ann", "bob")
    asked = ask_people(ground, ground.pool[:6], HARD)
    answers_of(ground, bob, dict.fromkeys(asked[:4], "bird"))
    answers_of(ground, ann, dict.fromkeys(asked[4:], "cat"))
    with pytest.raises(Killed), transaction(ground.parts.database) as session:
        team.void_answers(session, ground.parts.jobs, ground.project, bob, Actor("lead", "careless", NOW))
        raise Killed
    before = label_values(ground.parts.database, ground.project.id)

    voided = void(ground, bob)

    after = label_values(ground.parts.database, ground.project.id)
    assert (len(before), after) == (6, {ground.pool[4]: "cat", ground.pool[5]: "cat"})
    assert (voided.answers, voided.labels) == (4, 4)
    with reading(ground.parts.database) as session:
        assert reviews.count_open(session, ground.project.id) == 4
    jobs = {job.job for job in ground.parts.jobs.list(project_id=ground.project.id)}
    assert jobs == {"review", "quality", "figures", "learn"}
    assert [row.action for row in rows(ground.parts, AuditRow)] == ["team.void"]
    assert void(ground, bob).labels == 0


def test_gold_made_from_a_voided_answer_is_gold_no_more(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    from service.work.quality.gold import make_gold

    project = make_project(database, policy=Policy(gold=Gold(from_consensus=2)))
    ground = team_ground(database, tmp_path, project, pool=6, reserved=0)
    ann, bob = people(ground, "ann", "bob")
    [review] = ask_people(ground, ground.pool[:1], HARD, wanted=2)
    for who in (ann, bob):
        answers_of(ground, who, {review: "bird"})
    made = make_gold(ground.parts, project.id)

    void(ground, bob)

    assert made == {"gold": 1}
    assert label_values(database, project.id) == {ground.pool[0]: "bird"}  # ann still says so
    assert make_gold(ground.parts, project.id) == {}


def test_deeds_want_a_reason_a_known_person_and_something_to_change(ground: Ground) -> None:
    [ann] = people(ground, "ann")

    def do(what: Callable[..., Any], annotator: int, reason: str) -> Any:
        with transaction(ground.parts.database) as session:
            return what(session, ground.parts.jobs, ground.project, annotator, Actor("lead", reason, NOW))

    paused = do(team.pause, ann, "on holiday")

    assert (paused.paused, paused.author, paused.reason) == (True, "lead", "on holiday")
    with pytest.raises(Conflict, match="already"):
        do(team.pause, ann, "again")
    with pytest.raises(Invalid, match="why"):
        do(team.resume, ann, "  ")
    with pytest.raises(NotFound):
        do(team.void_answers, ann + 99, "who?")
    assert not do(team.resume, ann, "is back").paused


class Killed(BaseException):
    """The process died here."""
