"""The rule that pauses: teams whose truth is known, whom it finds within 50 answers, and whom it leaves alone.

Each gives 50 answers: 30 to gold, 20 to images that two others of the five answer too.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.quality.annotators.evidence import STEPS, WEIGHTS, log_evidence
from labeling.quality.annotators.pausing import ALPHA, Finding, Harm, find_harm, quick_limits
from labeling.quality.annotators.references import Answer
from tests.conftest import NOW
from tests.simulated_team import Behaviour, always, backdoor, colludes, copies, flips, honest, simulate

GOLD = 30
RUNS = 60


def _found(team: list[Behaviour], runs: int = RUNS, **how: int) -> list[list[Finding]]:
    design = {"gold": GOLD, **how}
    return [find_harm(simulate(team, np.random.default_rng([seed, 5]), **design)) for seed in range(runs)]


def _share(found: list[list[Finding]], people: set[int]) -> float:
    """How often each of these people was found."""
    return float(np.mean([who in {one.annotator for one in run} for run in found for who in people]))


@pytest.mark.parametrize(
    ("behaviour", "harm"), [(flips(0.3), Harm.ERRORS), (always("cat"), Harm.ERRORS), (copies, Harm.COPIES)]
)
def test_one_bad_annotator_of_five_is_found_within_fifty_answers(behaviour: Behaviour, harm: Harm) -> None:
    found = _found([behaviour, *[honest] * 4])

    assert _share(found, {1}) >= 0.95
    assert _share(found, {2, 3, 4, 5}) <= ALPHA
    assert {one.harm for run in found for one in run if one.annotator == 1} == {harm}


def test_a_colluding_pair_is_found_within_fifty_answers() -> None:
    found = _found([colludes(0.3, 9), colludes(0.3, 9), honest, honest, honest])

    assert _share(found, {1, 2}) >= 0.95
    assert _share(found, {3, 4, 5}) <= ALPHA
    pairs = [one for run in found for one in run if one.harm is Harm.SAME]
    assert {(one.annotator, one.partner) for one in pairs} == {(1, 2), (2, 1)}


def test_nobody_of_an_honest_team_is_found_over_a_longer_run() -> None:
    assert _share(_found([honest] * 5, 20, labels=200), {1, 2, 3, 4, 5}) <= ALPHA


def test_without_gold_a_plotting_pair_cannot_have_the_honest_others_paused() -> None:
    found = _found([colludes(0.3, 9), colludes(0.3, 9), honest, honest, honest], 20, gold=0)

    assert _share(found, {1, 2, 3, 4, 5}) == 0.0


def test_a_patch_on_one_image_in_a_hundred_is_beyond_the_rule() -> None:
    assert _share(_found([backdoor(0.01, "cat"), *[honest] * 4]), {1}) < 0.3


def test_without_gold_and_without_a_second_answer_nobody_is_found() -> None:
    answers = [replace(one, known=None) for one in simulate([flips(0.9)], np.random.default_rng(0), people=1)]

    assert find_harm(answers) == []


def test_nobody_is_judged_by_somebody_who_was_found() -> None:
    gold = [Answer(who, i, "dog" if who == 1 else "cat", _at(i), known="cat", gold=True)
            for who in (1, 2, 3) for i in range(30)]  # fmt: skip
    misled = [Answer(who, i, "dog" if who == 1 else "cat", _at(i)) for who in (1, 2, 3) for i in range(30, 90)]

    found = find_harm([*gold, *misled])

    assert [one.annotator for one in found] == [1]
    assert (found[0].harm, found[0].n) == (Harm.ERRORS, 90)


def test_who_is_paused_is_not_judged_and_judges_nobody() -> None:
    answers = simulate([flips(0.9), flips(0.9), honest], np.random.default_rng(1), gold=10)

    assert not {one.annotator for one in find_harm(answers, {1, 2})}


def test_evidence_is_a_mean_of_likelihood_ratios_worked_by_hand() -> None:
    events = [(True, 0.1), (False, 0.1)]
    alternatives = [0.1 + 0.9 * step for step in STEPS]

    found = log_evidence(events)

    after_one = sum(weight * p / 0.1 for weight, p in zip(WEIGHTS, alternatives, strict=True))
    after_two = sum(w * p / 0.1 * (1 - p) / 0.9 for w, p in zip(WEIGHTS, alternatives, strict=True))
    assert found == pytest.approx(math.log(max(1.0, after_one, after_two)))


@given(st.floats(0.02, 0.5), st.floats(0, 1))
def test_one_more_answer_adds_no_evidence_on_average_while_errors_are_tolerated(tolerated: float, part: float) -> None:
    rate = part * tolerated

    mean = sum(
        weight * (rate * (1 + step * (1 - tolerated) / tolerated) + (1 - rate) * (1 - step))
        for weight, step in zip(WEIGHTS, STEPS, strict=True)
    )

    assert mean <= 1 + 1e-12
    assert sum(WEIGHTS) == pytest.approx(1)


def test_the_order_in_which_answers_are_handed_in_does_not_matter() -> None:
    answers = simulate([flips(0.5), honest, honest, honest, honest], np.random.default_rng(3), gold=GOLD)

    assert find_harm(answers) == find_harm(answers[::-1])


def test_an_answer_is_quick_under_a_quarter_of_the_others_median_time_where_they_have_ten_times() -> None:
    seconds = [2.0, 4.0, 6.0, 8.0, 18.0, 22.0, 40.0, 60.0, 80.0, 100.0]
    theirs = [Answer(2, i, "cat", _at(i), lead_time_s=time) for i, time in enumerate(seconds)]
    nine = [Answer(1, i, "cat", _at(i), lead_time_s=30.0) for i in range(9)]
    without_a_time = [Answer(who, 99, "cat", _at(99)) for who in (1, 2)]

    assert quick_limits([*theirs, *nine, *without_a_time]) == {1: 5.0}


def test_two_wrong_answers_to_gold_and_none_right_are_enough() -> None:
    found = find_harm([_gold(1, i, "dog") for i in range(2)])

    evidence = math.exp(log_evidence([(True, 0.08)] * 2))
    assert found == [Finding(1, Harm.ERRORS, 2, 2, 0.08, pytest.approx(evidence), pytest.approx(1 / (0.05 * 0.65)))]
    assert find_harm([_gold(1, 0, "dog")]) == []


@pytest.mark.parametrize(("said", "seconds", "copied"), [("cat", 4.9, True), ("cat", 5.0, False), ("dog", 4.9, False)])
def test_five_pre_labels_accepted_quickly_are_enough(said: str, seconds: float, copied: bool) -> None:
    others = [Answer(2, i, "cat", _at(i), lead_time_s=20.0) for i in range(10)]
    fast = [Answer(1, 10 + i, said, _at(i), shown="cat", lead_time_s=seconds) for i in range(5)]

    found = find_harm([*others, *fast])

    evidence = math.exp(log_evidence([(True, 0.2)] * 5))
    needed = 1 / (0.05 * 0.1)
    expected = Finding(1, Harm.COPIES, 5, 5, 0.2, pytest.approx(evidence), pytest.approx(needed))
    assert found == ([expected] if copied else [])
    assert find_harm([*others, *fast[:4]]) == []


def test_two_who_make_the_same_mistakes_are_found_together_with_more_evidence_than_each_alone() -> None:
    answers = [_gold(who, i, "dog" if who < 3 else "cat") for who in (1, 2, 3, 4) for i in range(6)]

    found = find_harm(answers)

    evidence = math.exp(log_evidence([(True, 0.08)] * 6, [(True, 0.3)] * 6))
    assert found == [
        Finding(who, Harm.SAME, 6, 6, 0.08, pytest.approx(evidence), pytest.approx(3 / (0.05 * 0.2)), 3 - who)
        for who in (1, 2)
    ]


@pytest.mark.parametrize(("wrong", "tolerated"), [(0, 0.08), (5, 1.5 * 0.27), (9, 0.5)])
def test_what_is_tolerated_is_half_as_much_again_as_the_others_err_between_a_floor_and_a_half(
    wrong: int, tolerated: float
) -> None:
    # each of the others: ten imagined answers, .4 of them wrong, and ten answers: (.4 + 5) / 20 = .27
    others = [_gold(who, 10 * who + i, "dog" if i < wrong else "cat", at=i) for who in (2, 3) for i in range(10)]
    bad = [_gold(1, 100 + i, "dog") for i in range(90)]

    found = find_harm([*others, *bad])

    assert (found[0].annotator, found[0].n) == (1, 90)
    assert found[0].tolerated == pytest.approx(tolerated)


def test_who_cannot_tell_anything_is_found_within_fifteen_images_and_who_doubts_now_and_then_never() -> None:
    given = [Answer(2, i, "cat", _at(i)) for i in range(200)]
    doubts = [Answer(1, i, "unsure", _at(i)) for i in range(15)]
    rng = np.random.default_rng(0)
    cautious = [Answer(3, i, "unsure" if rng.random() < 0.4 else "cat", _at(i)) for i in range(200)]
    fair = [one for one in cautious if one.said == "cat"]

    found = find_harm([*given, *fair], frozenset(), [*doubts, *(one for one in cautious if one.said == "unsure")])

    assert [(one.annotator, one.harm, one.count, one.n) for one in found] == [(1, Harm.DOUBTS, 15, 15)]
    assert find_harm(given, frozenset(), doubts[:8]) == []


def test_where_the_whole_team_cannot_tell_nobody_is_found() -> None:
    doubts = [Answer(who, i, "unsure", _at(i)) for who in (1, 2, 3) for i in range(100) if (i + who) % 10 < 7]
    given = [Answer(who, i, "cat", _at(i)) for who in (1, 2, 3) for i in range(100) if (i + who) % 10 >= 7]

    assert find_harm(given, frozenset(), doubts) == []


def test_evidence_beyond_all_bounds_stays_a_number() -> None:
    found = find_harm([_gold(1, i, "dog") for i in range(300)])

    assert [one.evidence for one in found] == [math.exp(600)]


@pytest.mark.parametrize(
    ("known", "predicted", "people"), [(9, None, set()), (10, None, {1}), (0, "cat", {1}), (0, "dog", set())]
)
def test_others_alone_blame_nobody_before_ten_answers_of_known_truth_unless_the_prediction_says_so_too(
    known: int, predicted: str | None, people: set[int]
) -> None:
    right = [_gold(1, i, "cat") for i in range(known)]
    alone = [
        Answer(who, i, "dog" if who == 1 else "cat", _at(i), predicted=predicted)
        for who in (1, 2, 3)
        for i in range(100, 120)
    ]

    assert {one.annotator for one in find_harm([*right, *alone])} == people


def test_what_one_other_repeats_counts_as_right_where_little_is_known() -> None:
    wrong = [
        Answer(who, i, "dog" if who == 1 else "cat", _at(i), predicted="cat") for who in (1, 2, 3) for i in range(8)
    ]
    repeated = [Answer(who, i, "dog", _at(i - 50), predicted="cat") for who in (1, 2) for i in range(50, 58)]

    assert [(one.annotator, one.count, one.n) for one in find_harm(wrong)] == [(1, 8, 8)]
    assert find_harm([*wrong, *repeated]) == []


def test_labels_that_a_lead_corrected_are_held_against_nobody_who_alone_answered() -> None:
    alone = [Answer(1, i, "dog", _at(i), decided="cat") for i in range(30)]
    together = [
        Answer(who, i, "dog" if who == 1 else "cat", _at(i), decided="cat") for who in (1, 2) for i in range(30)
    ]

    assert find_harm(alone) == []
    assert [(one.annotator, one.n) for one in find_harm(together)] == [(1, 30)]


@pytest.mark.parametrize(("doubted", "people"), [(False, {1}), (True, set())])
def test_a_first_answer_that_others_were_asked_about_for_its_doubt_is_not_judged_as_gold_is(
    doubted: bool, people: set[int]
) -> None:
    gold = [_gold(1, i, "cat") for i in range(10)]
    mine = [
        Answer(1, i, "dog" if i % 3 == 0 else "cat", _at(i), predicted="bird", doubted=doubted) for i in range(40, 80)
    ]
    theirs = [Answer(who, i, "cat", _at(i)) for who in (2, 3) for i in range(40, 80)]

    assert {one.annotator for one in find_harm([*gold, *mine, *theirs])} == people


def test_who_agrees_with_one_of_others_who_differ_was_right() -> None:
    gold, found = [_gold(2, i, "cat") for i in range(10)], []
    for repeats in (0, 60):
        third = [
            Answer(who, i, "dog" if who == 1 else "cat", _at(i)) for who in (1, 2, 3) for i in range(100, 100 + repeats)
        ]
        wrong = [Answer(who, i, "dog" if who == 2 else "cat", _at(i)) for who in (1, 2, 3) for i in range(200, 206)]
        found.append({one.annotator for one in find_harm([*gold, *third, *wrong])})

    assert found == [{2}, set()]


@pytest.mark.parametrize("others", [["cat"], ["cat", "cat", "dog"]])
def test_one_other_or_others_who_differ_are_no_reference(others: list[str]) -> None:
    right = [_gold(1, i, "cat") for i in range(10)]
    mine = [Answer(1, i, "bird", _at(i)) for i in range(100, 120)]
    theirs = [Answer(2 + at, i, said, _at(i)) for at, said in enumerate(others) for i in range(100, 120)]

    assert find_harm([*right, *mine, *theirs]) == []


def _gold(who: int, image: int, said: str, *, at: int | None = None) -> Answer:
    """An answer about an image that is known to be a cat."""
    return Answer(who, image, said, _at(image if at is None else at), known="cat", gold=True)


def _at(minute: int) -> datetime:
    return NOW + timedelta(minutes=minute)


def test_what_a_lead_corrected_is_not_judged_as_gold_is_whoever_answered_first() -> None:
    corrected = [Answer(who, i, "dog", _at(i), decided="cat") for who in (1, 2) for i in range(2)]

    assert find_harm([*corrected, *(_gold(2, i, "cat") for i in range(10, 20))]) == []
