"""The ranking of what could be done: by hand, by properties, and against a simulation of what second answers do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.errors import Invalid
from labeling.review.next_action import (
    ACTIONS,
    Action,
    Candidates,
    after_engine,
    correction_teaches,
    label_teaches,
    rank,
    second_answer,
    seconds_worth_asking,
)

ENGINE, PERSON, SECOND = (ACTIONS.index(one) for one in (Action.ENGINE, Action.PERSON, Action.SECOND))
Row = tuple[int, int, float, float, float, float]
"""Image, action, wrong now, wrong after, seconds, money."""


def candidates(*rows: Row, size: float = 1.0) -> Candidates:
    columns = np.array(rows, np.float64).reshape(-1, 6)
    many = np.full(len(columns), size)
    ids, actions = columns[:, 0].astype(np.int64), columns[:, 1].astype(np.int64)
    return Candidates(ids, actions, *columns[:, 2:].T, many, np.zeros(len(columns)))


shares = st.floats(0, 1)
rows = st.lists(
    st.tuples(st.integers(1, 8), st.integers(0, 4), shares, shares, st.floats(0, 600), st.floats(0, 5)), max_size=20
)


@given(rows, st.floats(0, 100))
def test_what_is_listed_corrects_something_once_an_image_and_the_best_for_its_price_first(
    given_rows: list[Row], wage: float
) -> None:
    found = candidates(*given_rows)

    order = rank(found, wage)

    assert (found.gain[order] > 0).all()
    assert len(set(found.image_ids[order].tolist())) == len(order)
    prices = found.price(wage)[order]
    with np.errstate(over="ignore"):
        ratios = np.where(prices > 0, found.gain[order] / np.where(prices > 0, prices, 1), np.inf)
    assert (ratios[:-1] >= ratios[1:]).all()


@given(rows, st.randoms())
def test_the_order_of_the_rows_changes_nothing(given_rows: list[Row], chance: object) -> None:
    unique = list({(row[0], row[1]): row for row in given_rows}.values())
    turned = unique[::-1]

    one, other = rank(candidates(*unique), 20.0), rank(candidates(*turned), 20.0)

    assert [unique[at][:2] for at in one] == [turned[at][:2] for at in other]


@given(shares, shares, st.floats(0.1, 600), st.floats(0.1, 600))
def test_more_gain_and_a_lower_price_never_rank_lower(now: float, less: float, price: float, more: float) -> None:
    gains, prices = sorted((now, less)), sorted((price, more))
    by_gain = candidates((1, PERSON, gains[0], 0, price, 0), (2, PERSON, gains[1], 0, price, 0))
    by_price = candidates((1, PERSON, 0.5, 0, prices[1], 0), (2, PERSON, 0.5, 0, prices[0], 0))

    first_by_gain, first_by_price = rank(by_gain)[:1].tolist(), rank(by_price)[:1].tolist()

    if gains[1] / price > gains[0] / price:
        assert first_by_gain == [1]
    if 0.5 / prices[0] > 0.5 / prices[1]:
        assert first_by_price == [1]


def test_a_free_engine_goes_before_a_person_at_equal_gain() -> None:
    found = candidates((1, PERSON, 0.4, 0.1, 8, 0), (2, ENGINE, 0.4, 0.1, 0, 0))

    assert rank(found, 20.0).tolist() == [1, 0]


def test_with_a_wage_an_engine_that_costs_more_than_a_person_comes_after_them() -> None:
    rows = (1, PERSON, 0.4, 0.1, 9, 0), (2, ENGINE, 0.4, 0.1, 0, 0.08)

    assert rank(candidates(*rows), 20.0).tolist() == [0, 1]  # 9 s at 20 an hour are 0.05
    assert rank(candidates(*rows)).tolist() == [1, 0]  # without a wage money is not counted


def test_a_label_for_a_whole_group_is_worth_more_and_what_teaches_too() -> None:
    one = candidates((1, PERSON, 0.4, 0.1, 8, 0), size=3)
    teaching = Candidates(*(getattr(one, name) for name in Candidates.__slots__[:7]), np.array([0.2]))

    assert one.gain.tolist() == pytest.approx([0.9])
    assert teaching.gain.tolist() == pytest.approx([1.1])


def test_what_makes_more_wrong_or_costs_more_than_a_right_label_is_worth_is_left_as_it_is() -> None:
    found = candidates((1, PERSON, 0.05, 0.1, 8, 0), (2, PERSON, 0.5, 0.1, 8, 0), (3, PERSON, 0.2, 0.1, 8, 0))

    assert rank(found).tolist() == [1, 2]
    assert rank(found, worth=40.0).tolist() == [1]
    assert rank(found, worth=0.0).tolist() == []


@pytest.mark.parametrize(("wage", "worth", "price"), [(-1.0, None, 1.0), (0.0, -1.0, 1.0), (0.0, None, -1.0)])
def test_what_cannot_be_is_refused(wage: float, worth: float | None, price: float) -> None:
    with pytest.raises(Invalid, match="at least 0"):
        rank(candidates((1, PERSON, 0.5, 0.1, price, 0)), wage, worth)
    with pytest.raises(Invalid):
        rank(candidates((1, PERSON, float("nan"), 0.1, 1.0, 0)))


def test_a_second_answer_does_what_a_simulation_finds() -> None:
    rng, n, classes, w, e = np.random.default_rng(0), 400_000, 5, 0.3, 0.2
    is_wrong = rng.random(n) < w
    errs = rng.random(n) < e
    same = is_wrong & errs & (rng.random(n) < 1 / (classes - 1))  # the second repeats the first one's error
    differs = np.where(is_wrong, ~same, errs)

    found = second_answer(w, e, classes)

    assert found.wrong_after == pytest.approx(same.mean(), abs=0.003)
    assert found.answers == pytest.approx(1 + differs.mean(), abs=0.003)


def test_an_engine_does_what_enumeration_finds_and_a_poor_one_nothing() -> None:
    probs, right = np.array([0.5, 0.3, 0.2]), 0.7
    said = [[right if true == says else (1 - right) / 2 for says in range(3)] for true in range(3)]
    best = sum(max(probs[true] * said[true][says] for true in range(3)) for says in range(3))

    assert after_engine(probs[None], right)[0] == pytest.approx(1 - best)
    assert after_engine(probs[None], 1.0)[0] == pytest.approx(0)
    assert after_engine(probs[None], 1 / 3)[0] == pytest.approx(0.5)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=6), shares)
def test_an_engine_never_makes_it_worse(raw: list[float], right: float) -> None:
    probs = np.array([raw]) / sum(raw)

    after = after_engine(probs, right)[0]

    assert 0 <= after <= 1 - probs.max() + 1e-12


def test_a_corrected_label_teaches_at_least_twice_what_a_new_one_does_and_more_where_more_are_wrong() -> None:
    new = label_teaches(50.0, 100)

    taught = [correction_teaches(new, error, 10) for error in (0.0, 0.1, 0.2, 0.9)]

    assert new == 0.25
    assert taught == sorted(taught) and taught[0] >= 2 * new
    assert label_teaches(50.0, 0) == 0.0


def test_second_answers_are_worth_asking_above_the_median_of_what_stands_next() -> None:
    assert seconds_worth_asking([0.5, 0.2, 0.2], [0.9, 0.2, 0.1]) == 1
    assert seconds_worth_asking([0.5, 0.2, 0.0], []) == 2
    assert seconds_worth_asking([], [0.1]) == 0
