"""The share of wrong labels: what counts, and that the interval covers the truth."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from bench.numbers import REPLAYS, replayed
from labeling.errors import Invalid
from labeling.quality.finite_samples import finite_interval
from labeling.quality.labels.wrong_labels import (
    Outcome,
    at_least,
    prospect,
    re_reviews_for_width,
    wrong_labels,
)

UPHELD, WRONG, OPEN = Outcome.UPHELD, Outcome.WRONG, Outcome.OPEN


def test_the_estimate_and_its_interval_are_those_of_the_contract() -> None:
    found = wrong_labels([WRONG] * 7 + [UPHELD] * 13, [WRONG] * 2 + [UPHELD] * 38, 500)

    assert found is not None
    lower, upper = finite_interval(2, 40, 480)
    assert found.share.value == pytest.approx((7 + 2 * 480 / 40) / 500)
    assert (found.share.lower, found.share.upper) == pytest.approx(((7 + lower) / 500, (7 + upper) / 500))
    assert (found.share.n, found.wrong, found.open) == (60, 9, 0)


def test_an_open_one_counts_half_and_widens_the_interval_to_both_sides() -> None:
    wrong, open_, upheld = (
        wrong_labels([UPHELD] * 20, [one] * 2 + [UPHELD] * 38, 300) for one in (WRONG, OPEN, UPHELD)
    )

    assert wrong is not None and open_ is not None and upheld is not None
    assert open_.share.value == pytest.approx(wrong.share.value / 2) and open_.open == 2
    assert (open_.share.lower, open_.share.upper) == (upheld.share.lower, wrong.share.upper)


def test_under_thirty_re_reviews_or_without_a_uniform_draw_it_is_not_yet_known() -> None:
    assert wrong_labels([WRONG] * 9, [UPHELD] * 20, 300) is None
    assert wrong_labels([WRONG] * 40, [], 300) is None
    assert wrong_labels([], [UPHELD] * 30, 30) is not None


def test_when_all_labels_were_re_reviewed_the_share_is_known_exactly() -> None:
    found = wrong_labels([WRONG] * 4 + [UPHELD] * 6, [WRONG] + [UPHELD] * 29, 40)

    assert found is not None
    assert found.share.lower == found.share.value == found.share.upper == pytest.approx(5 / 40)


def test_what_was_found_wrong_and_corrected_is_not_wrong_any_more() -> None:
    before, after = (wrong_labels([WRONG] * 7 + [UPHELD] * 13, [WRONG] * 2 + [UPHELD] * 38, 500, n) for n in (0, 9))

    assert before is not None and after is not None
    assert after.given == before.given == before.share
    for one, other in zip(
        (after.share.value, after.share.lower, after.share.upper),
        (before.share.value, before.share.lower, before.share.upper),
        strict=True,
    ):
        assert one == pytest.approx(other - 9 / 500)
    with pytest.raises(Invalid, match="10 labels were corrected of 9"):
        wrong_labels([WRONG] * 7 + [UPHELD] * 13, [WRONG] * 2 + [UPHELD] * 38, 500, 10)


def test_more_re_reviews_than_labels_are_refused() -> None:
    with pytest.raises(Invalid, match="count each label once"):
        wrong_labels([WRONG] * 20, [UPHELD] * 20, 39)


def test_double_answers_give_a_lower_bound_and_no_upper_one() -> None:
    found = at_least(8, 100)

    assert found.lower == pytest.approx(binomtest(8, 100).proportion_ci(method="exact").low / 2)
    assert (found.value, found.upper, found.n) == (0.04, 1.0, 100)
    assert (at_least(0, 50).lower, at_least(0, 0).known) == (0.0, False)
    assert at_least(50, 50).lower < 0.5


def test_more_re_reviews_make_it_narrower_and_say_how_many_would_do() -> None:
    few, many = prospect(300, None), prospect(300, wrong_labels([UPHELD] * 20, [WRONG] + [UPHELD] * 39, 300))

    assert few.width_now is None and many.width_now is not None
    assert many.width_then < min(many.width_now, few.width_then)
    assert prospect(40, wrong_labels([UPHELD] * 10, [UPHELD] * 20, 40)).more == 10
    assert re_reviews_for_width(29, 0.1) is None
    enough = re_reviews_for_width(100_000, 0.05)
    assert enough is not None and 200 < enough < 1_000


@pytest.mark.parametrize("name", [name for name in REPLAYS if name.startswith("share of wrong labels")])
def test_the_interval_covers_the_true_share_though_re_reviewers_err(name: str) -> None:
    found = replayed(REPLAYS[name], 40)

    assert found.covers
    assert found.error_ratio is not None and found.error_ratio <= 0.4  # .25 over many seeds
