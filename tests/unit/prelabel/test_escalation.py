"""Which images go on to a more expensive engine: those with two near classes or contradictions, and no others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from labeling.prelabel.escalation import disagreement, doubt, named, who_goes_on
from labeling.select.strategies.uncertainty import margin, raised

Array = npt.NDArray[Any]
VOTES = hnp.arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.integers(-1, 3))


@given(VOTES)
def test_disagreement_lies_between_none_and_a_tie_and_does_not_depend_on_who_said_what(votes: Array) -> None:
    shuffled = votes[:, ::-1]

    found = disagreement(votes)

    assert ((found >= 0) & (found <= 1)).all()
    assert np.allclose(found, disagreement(shuffled))
    for row, value in zip(votes, found, strict=True):
        said = row[row >= 0]
        assert (value == 0) == (len(set(said.tolist())) < 2)


@given(VOTES)
def test_whoever_abstains_changes_nothing(votes: Array) -> None:
    with_silent = np.hstack([votes, np.full((len(votes), 1), -1)])

    found = disagreement(with_silent)

    assert np.array_equal(found, disagreement(votes))


def test_a_lead_below_the_margin_goes_on_and_one_above_does_not() -> None:
    probs = np.array([[0.64, 0.36], [0.66, 0.34], [np.nan, np.nan]])  # leads of .28 and .32
    agreed = np.zeros((3, 2), np.int64)

    going = who_goes_on(probs, agreed, 0.3)

    assert going.tolist() == [2, 0]


def test_money_for_two_images_goes_to_the_two_most_doubtful() -> None:
    probs = np.array([[0.6, 0.4], [0.5, 0.5], [0.55, 0.45]])

    going = who_goes_on(probs, np.zeros((3, 1), np.int64), 1.0, most=2)

    assert going.tolist() == [1, 2]


def test_sure_answers_that_contradict_each_other_are_as_doubtful_as_a_tie() -> None:
    probs = np.array([[0.99, 0.01], [0.5, 0.5]])

    found = doubt(probs, np.array([[0, 1], [0, 0]]))

    assert found.tolist() == [1.0, 1.0]


def test_none_of_these_contradicts_a_class() -> None:
    probs = np.array([[0.9, 0.1]])

    votes = np.stack([named(probs), np.array([2])], axis=1)

    assert disagreement(votes).tolist() == [1.0]


@given(hnp.arrays(np.float64, st.integers(1, 8), elements=st.floats(0, 3)))
def test_without_a_conflict_no_doubt_changes_on_any_scale(doubts: Array) -> None:
    nothing, one = np.zeros(len(doubts)), np.zeros(len(doubts))
    one[0] = 1

    kept, moved = raised(doubts, nothing), raised(doubts, one)

    assert np.array_equal(kept, doubts)
    assert np.isclose(moved[0], doubts.max()) and np.array_equal(moved[1:], doubts[1:])


@given(hnp.arrays(np.float64, (5, 3), elements=st.floats(0.01, 1)))
def test_at_a_margin_of_one_everything_but_certainty_goes_on(weights: Array) -> None:
    probs = weights / weights.sum(axis=1, keepdims=True)

    going = who_goes_on(probs, np.zeros((5, 1), np.int64), 1.0)

    assert set(going.tolist()) == set(np.flatnonzero(margin(probs) > 0).tolist())
