"""The parts of `bench.labels` that need no images: the log of answers, the labels that follow, and its statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.label_people import PEOPLE, Given, People, counted, labels_of
from bench.label_targets import CERTIFIED, COSTS, Cell, answers_to, cells_below, gain, labels_fewer, lines, targets
from bench.labels import keep, read_kept
from labeling.project import Policy
from labeling.types import ReviewKind

HARD, RANDOM = ReviewKind.HARD, ReviewKind.RANDOM
CLEAN = Cell("digits", "good", 0.0)


def people_who_say(would: list[list[int]]) -> People:
    return People(np.array(would), 3, seed=0)


def curves(ours: float, random: float) -> dict[str, dict[int, float]]:
    same = {"champion": {50: ours}, CERTIFIED: {50: ours}, COSTS: {50: 0.0}, "full": {100: 1.0}}
    return {"ours": {50: ours}, "random": {50: random}, **same}


def test_answers_to_a_goal_are_read_between_budgets_and_from_the_first_crossing() -> None:
    curve = {50: 0.5, 100: 0.7, 150: 0.6, 200: 0.9}

    assert answers_to(0.6, curve) == 75
    assert answers_to(0.4, curve) == 50
    assert answers_to(0.95, curve) is None


def test_labels_fewer_is_the_ratio_of_answers_and_the_last_budget_stands_for_what_is_not_reached() -> None:
    full = {"full": {1_000: 1.0}}
    reached = {**full, "ours": {50: 0.9, 100: 1.0}, "random": {50: 0.9, 100: 0.94}}
    neither = {**full, "ours": {50: 0.9, 100: 0.9}, "random": {50: 0.9, 100: 0.9}}

    assert labels_fewer([reached]) == pytest.approx(100 / 75)
    assert labels_fewer([neither]) is None


def test_gain_is_the_mean_over_the_budgets_in_points_and_none_of_an_arm_that_did_not_run() -> None:
    run = {"ours": {50: 0.6, 100: 0.9}, "random": {50: 0.5, 100: 0.9}}

    assert gain(run, "ours", "random") == pytest.approx(5)
    assert gain(run, "badge", "random") is None


def test_a_cell_is_below_random_only_after_correction_for_all_cells() -> None:
    far_below, below, fine = [-3.0, -3.1, -3.2, -3.0, -3.1], [-1.0, -1.4, -1.2], [1.0, 1.2, 0.9]

    assert cells_below([below]) == 1
    assert cells_below([far_below, *[fine] * 30]) == 1
    assert cells_below([below, *[fine] * 30]) == 0
    assert cells_below([[1.0], [2.0]]) is None


def test_targets_say_not_yet_known_after_one_seed_where_an_interval_is_asked() -> None:
    weak = Cell("digits", "noise", 0.2)

    found = targets({CLEAN: [curves(0.9, 0.8)], weak: [curves(0.5, 0.5)]})

    assert found["good_vectors_points"].value == pytest.approx(10)
    assert found["weak_and_noisy_points"].meets
    assert found["weak_and_noisy_points_low"].meets is None
    assert found["cells_below_random"].meets is None
    assert found["over_best_peer_points"].meets is None


def test_the_lines_name_the_costs_of_a_certificate_target() -> None:
    run = {**curves(0.9, 0.8), COSTS: {50: 0.04}, CERTIFIED: {50: 0.89}}

    found = [line for line in lines({CLEAN: [run]}) if line.get("arm") == CERTIFIED]

    assert found == [
        {
            "set": "digits",
            "vectors": "good",
            "wrong": 0.0,
            "arm": CERTIFIED,
            "answers_of_it_percent": 4.0,
            "over_ours_points": -1.0,
            "standard_error": None,
        }
    ]


def test_every_answer_counts_but_those_of_a_certificate_only_where_it_is_wanted() -> None:
    log = [Given(0, RANDOM, 0, 1), Given(0, RANDOM, 1, 2, certifies=True), Given(1, HARD, 0, 1), Given(1, HARD, 1, 1)]

    assert [one.row for one in counted(log, 2, certified=False)] == [0, 1]
    assert [one.row for one in counted(log, 2, certified=True)] == [0, 0]


def test_people_who_differ_give_no_label_until_a_third_decides() -> None:
    two = [Given(7, HARD, 0, 1), Given(7, HARD, 1, 2)]

    assert labels_of(two).rows.tolist() == []
    assert labels_of([*two, Given(7, HARD, 2, 2)]).classes.tolist() == [2]


def test_a_re_review_changes_no_label_before_two_people_contradict_it() -> None:
    first = [Given(7, HARD, 0, 1), Given(7, HARD, 1, 2, re_review=True)]

    assert labels_of(first).classes.tolist() == [1]
    assert labels_of([*first, Given(7, HARD, 2, 2, re_review=True)]).classes.tolist() == [2]
    assert labels_of([*first, Given(7, HARD, 2, 1, re_review=True)]).classes.tolist() == [1]


def test_labels_of_the_stream_do_not_teach() -> None:
    labels = labels_of([Given(3, RANDOM, 0, 1), Given(4, HARD, 0, 2)])

    assert dict(zip(labels.rows.tolist(), labels.teaches.tolist(), strict=True)) == {3: False, 4: True}


def test_others_are_asked_about_a_tenth_of_the_strategy_s_images_and_never_about_the_stream() -> None:
    people = people_who_say([[0] * 40] * PEOPLE)
    for row in range(20):
        people.show(row, (1.0, 0.0, 0.0), blind=True)
        people.ask(20 + row, RANDOM)

    people.ask_others(Policy())
    people.ask_others(Policy())

    assert [one.kind for one in people.log[40:]] == [HARD, HARD]
    assert people.answers == 42


def test_a_certificate_has_a_second_person_where_the_version_differs_and_a_third_where_they_do() -> None:
    people = people_who_say([[0, 0], [1, 0], [1, 0], [1, 0]])
    people.ask(0, RANDOM)
    people.ask(1, RANDOM)

    people.certify({0: 0, 1: 0})
    before = people.answers
    people.certify({0: 2, 1: 2})
    people.certify({0: 2, 1: 2})

    assert [(one.row, one.said, one.certifies) for one in people.log[before:]] == [
        (0, 1, True),
        (0, 1, True),
        (1, 0, True),
    ]
    assert people.answers == before == 2
    assert labels_of(people.log).classes.tolist() == [1, 0]


def test_re_reviews_follow_a_plan_from_a_hundred_labels_on() -> None:
    people = people_who_say([[0] * 150] * PEOPLE)
    for row in range(99):
        people.ask(row, RANDOM)
    assert people.re_reviews_due(Policy()) == 0
    for row in range(99, 150):
        people.ask(row, RANDOM)

    due = people.re_reviews_due(Policy())
    assert people.lacks_plan()
    people.plan(np.arange(150), np.zeros(150))
    people.re_review(due)

    assert due == 3
    assert sum(one.re_review for one in people.log) == 3
    assert people.re_reviews_due(Policy()) == 0
    assert not people.lacks_plan()


def test_a_run_that_is_kept_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    assert read_kept(file) == {}

    keep(file, CLEAN, 3, curves(0.9, 0.8))

    assert read_kept(file) == {CLEAN: {3: curves(0.9, 0.8)}}
