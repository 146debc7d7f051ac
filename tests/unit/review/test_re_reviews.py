"""What a blind re-review comes to: no single answer makes a label wrong, and a lead has the last word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.review.re_reviews import Outcome, outcome_of

ANSWERS = st.lists(st.sampled_from(["cat", "dog", "bird"]), max_size=4)


@pytest.mark.parametrize(
    ("answers", "decided", "outcome"),
    [
        ([], None, Outcome.OPEN),
        (["cat"], None, Outcome.UPHELD),
        (["dog"], None, Outcome.OPEN),
        (["dog", "dog"], None, Outcome.WRONG),
        (["dog", "bird"], None, Outcome.WRONG),
        (["dog", "cat"], None, Outcome.UPHELD),
        (["dog"], "cat", Outcome.UPHELD),
        (["dog"], "bird", Outcome.WRONG),
        (["cat"], "dog", Outcome.WRONG),
    ],
)
def test_a_label_is_wrong_only_where_a_third_answer_or_a_lead_does_not_uphold_it(
    answers: list[str], decided: str | None, outcome: Outcome
) -> None:
    assert outcome_of("cat", answers, decided) is outcome


@given(ANSWERS, st.randoms(use_true_random=False))
def test_the_order_of_the_answers_changes_nothing(answers: list[str], random) -> None:  # type: ignore[no-untyped-def]
    assert outcome_of("cat", random.sample(answers, len(answers))) is outcome_of("cat", answers)


@given(ANSWERS)
def test_more_answers_never_make_an_upheld_label_wrong(answers: list[str]) -> None:
    if outcome_of("cat", answers) is Outcome.UPHELD:
        assert outcome_of("cat", [*answers, "dog"]) is Outcome.UPHELD
