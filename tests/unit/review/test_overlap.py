"""Which answers are worth another person: by Bayes, and by simulation against asking at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.review.overlap import Answered, choose, error_rates, gain, second_answers, second_answers_by_worth, wrong
from labeling.types import ReviewId, ReviewKind

HARD = ReviewKind.HARD
ONE = Answered(ReviewId(1), HARD, annotator=1, said=0, accepted=False, predicted=())


def _choose(answered: list[Answered], budget: int) -> list[int]:
    return [int(review) for review in choose(answered, {}, answers=4, budget=budget)]


def test_without_any_belief_an_answer_is_wrong_as_often_as_its_giver_errs() -> None:
    assert wrong(ONE, 0.2, 4) == pytest.approx(0.2)


def test_bayes_by_hand() -> None:
    # predicted, a tenth spread evenly: cat .9 * .25 + .05 = .275, dog .9 * .75 + .05 = .725; errs once in ten
    contradicted = replace(ONE, predicted=(0.25, 0.75))

    found = wrong(contradicted, 0.1, 2)

    assert found == pytest.approx(0.725 * 0.1 / (0.275 * 0.9 + 0.725 * 0.1))


def test_an_answer_that_a_sure_belief_contradicts_is_more_doubtful_than_one_it_supports() -> None:
    predictions = [(0.9, 0.05, 0.05), (0.4, 0.3, 0.3), (0.02, 0.96, 0.02)]

    doubts = [wrong(replace(ONE, predicted=one), 0.1, 3) for one in predictions]

    assert doubts == sorted(doubts)
    assert doubts[0] < 0.02 < 0.5 < doubts[2]


def test_an_accepted_pre_label_says_less_than_an_answer_of_one_s_own() -> None:
    own = replace(ONE, predicted=(0.6, 0.2, 0.2))

    assert wrong(replace(own, accepted=True), 0.05, 3) > 2 * wrong(own, 0.05, 3)


@pytest.mark.parametrize(("error", "rate"), [(0.1, 0.3), (0.4, 0.4)])
def test_a_wrong_pre_label_is_accepted_three_times_in_ten_or_as_often_as_its_giver_errs(
    error: float, rate: float
) -> None:
    accepted = replace(ONE, accepted=True)  # without a prediction both answers are as likely beforehand

    assert wrong(accepted, error, 2) == pytest.approx(rate)


def test_what_is_known_of_the_pull_of_pre_labels_counts_in_place_of_the_assumption() -> None:
    accepted = replace(ONE, accepted=True)
    # without a prediction: right .3 + .7 * .9 = .93, wrong .3 + .7 * .1 = .37
    assert wrong(accepted, 0.1, 2, pull=0.3) == pytest.approx(0.37 / (0.93 + 0.37))
    assert wrong(accepted, 0.1, 2, pull=0.0) == pytest.approx(wrong(ONE, 0.1, 2))
    assert wrong(accepted, 0.1, 2, pull=1.0) == pytest.approx(0.5)
    assert wrong(ONE, 0.1, 2, pull=0.9) == wrong(ONE, 0.1, 2)


def test_second_answers_go_to_whom_pre_labels_pull() -> None:
    answered = [
        replace(ONE, review_id=ReviewId(who), annotator=who, accepted=True, predicted=(0.6, 0.2, 0.1, 0.1))
        for who in (1, 2)
    ]

    assert choose(answered, {}, answers=4, budget=1, pulls={1: 0.05, 2: 0.7}) == [2]


@given(st.floats(0.01, 0.5), st.lists(st.floats(0.01, 1), min_size=3, max_size=3), st.integers(0, 2))
def test_a_doubt_is_a_probability_and_asking_never_makes_it_worse(error: float, belief: list[float], said: int) -> None:
    predicted = tuple(np.array(belief) / sum(belief))

    doubt = wrong(replace(ONE, said=said, predicted=predicted), error, 3)

    assert 0 <= doubt <= 1
    assert 0 <= gain(doubt, error, 3) <= doubt


def test_the_audit_is_always_asked_twice_and_the_random_stream_never_by_doubt() -> None:
    sure, doubtful = (0.97, 0.01, 0.01, 0.01), (0.01, 0.97, 0.01, 0.01)
    answered = [
        Answered(ReviewId(1), ReviewKind.RANDOM, 1, 0, False, sure),
        Answered(ReviewId(2), ReviewKind.RANDOM, 1, 0, False, doubtful),
        Answered(ReviewId(3), ReviewKind.AUDIT, 1, 0, False, sure),
        Answered(ReviewId(4), ReviewKind.GOLD, 1, 0, False, doubtful),
        Answered(ReviewId(5), HARD, 1, 0, False, sure),
        Answered(ReviewId(6), HARD, 1, 0, False, doubtful),
    ]

    assert _choose(answered, budget=1) == [3, 6]
    assert _choose(answered, budget=9) == [3, 6, 5]
    assert _choose(answered, budget=0) == _choose(answered, budget=-3) == [3]


def test_hard_images_and_those_to_label_again_are_chosen_by_doubt() -> None:
    doubtful, sure = (0.01, 0.97, 0.01, 0.01), (0.97, 0.01, 0.01, 0.01)
    answered = [
        replace(ONE, review_id=ReviewId(number), kind=kind, predicted=predicted)
        for number, kind, predicted in ((1, HARD, sure), (2, ReviewKind.RELABEL, doubtful), (3, HARD, doubtful))
    ]

    assert _choose(answered, budget=2) == [2, 3]


def test_errors_are_shared_by_those_who_differ_and_few_comparisons_count_little() -> None:
    said = [{1: "cat", 2: "cat", 3: "dog"}] * 20 + [{4: "cat"}]

    found = error_rates(said)

    assert found[3] == pytest.approx((1 + 20) / (10 + 40))
    assert found[1] == found[2] == pytest.approx((1 + 10) / (10 + 40))
    assert 4 not in found


def test_asking_where_it_pays_finds_more_than_twice_the_errors_that_asking_by_lot_finds() -> None:
    rng = np.random.default_rng(7)
    answered, is_wrong = [], []
    for number in range(600):
        truth = int(rng.integers(4))
        said = truth if rng.random() > 0.12 else int((truth + rng.integers(1, 4)) % 4)
        centre = truth if rng.random() > 0.25 else int(rng.integers(4))
        predicted = tuple(rng.dirichlet(0.5 + 4 * np.eye(4)[centre]))
        answered.append(Answered(ReviewId(number), HARD, 1, said, False, predicted))
        is_wrong.append(said != truth)

    chosen = _choose(answered, budget=60)

    by_lot = 60 * np.mean(is_wrong)
    assert sum(is_wrong[number] for number in chosen) > 2 * by_lot


def test_a_fifth_of_the_second_answers_is_asked_while_eleven_in_a_row_repeat_the_first() -> None:
    known = {"answered": 1_000, "several": 40, "since": 500}

    found = [second_answers(0.1, repeated=repeated, **known) for repeated in (0, 10, 11, 100)]

    assert found == [60, 60, 10, 10]


def test_never_more_are_asked_twice_than_the_share_allows() -> None:
    assert second_answers(0.1, answered=100, several=10, since=100, repeated=50) == 0
    assert second_answers(0.1, answered=100, several=30, since=0, repeated=0) == 0
    assert second_answers(0.0, answered=100, several=0, since=100, repeated=0) == 0


@pytest.mark.parametrize(
    ("worth", "several", "compared", "repeated", "due"),
    [
        (50, 0, 0, 0, 20),
        (50, 20, 0, 0, 0),
        (50, 20, 15, 0, 50),
        (0, 20, 15, 0, 0),
        (0, 2, 15, 0, 18),
        (0, 2, 15, 11, 2),
    ],
)
def test_second_answers_by_worth_are_never_fewer_than_a_tenth_by_its_own_rule(
    worth: int, several: int, compared: int, repeated: int, due: int
) -> None:
    counts = {"answered": 200, "several": several, "since": 100, "repeated": repeated}

    assert second_answers_by_worth(worth, compared=compared, **counts) == due
    assert due >= second_answers(0.1, **counts)
