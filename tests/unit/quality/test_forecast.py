"""Forecasts: what comes true 95 times in 100 is in the interval, and what nothing speaks for is not made up."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labeling.estimates import Forecast
from labeling.quality.forecast import Count, count_of, total


def test_the_real_total_falls_into_the_interval_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    inside = 0

    for _ in range(200):
        costs = rng.gamma(4.0, 25.0, size=430)
        doubtful = rng.random(400) < 0.3
        hits = int((rng.random(60) < 0.3).sum())
        forecast = total(costs[:30].tolist(), Count(sure=0, open=400, hits=hits, observed=60), rng)
        inside += forecast.lower <= costs[30:][doubtful].sum() <= forecast.upper

    assert inside >= 180  # 95 in 100 are promised; 30 amounts resampled promise a little too much


@given(
    st.lists(st.floats(0, 1e6), min_size=5, max_size=30),
    st.integers(0, 1_000),
    st.integers(0, 1_000),
    st.integers(0, 50),
)
def test_a_forecast_is_in_order_and_never_negative(amounts: list[float], sure: int, left: int, tried: int) -> None:
    count = Count(sure, left, hits=tried // 2, observed=tried)

    forecast = total(amounts, count, np.random.default_rng(0), most=1e6)

    assert 0 <= forecast.lower <= forecast.upper <= 1e6 * (sure + left) * (1 + 1e-9)
    assert forecast.likely is None or forecast.lower <= forecast.likely <= forecast.upper


def test_too_few_amounts_leave_only_what_is_certain() -> None:
    rng = np.random.default_rng(0)

    assert total([1.0] * 4, Count(sure=10), rng, most=2.0) == Forecast(0.0, None, 20.0)
    assert total([1.0] * 4, Count(sure=10), rng).upper == math.inf
    assert total([1.0] * 4, Count(sure=10), rng, most=2.0, guess=0.5) == Forecast(0.0, 5.0, 20.0)
    assert total([], Count(sure=0, open=10), rng, most=2.0, guess=0.5).likely is None
    assert total([], Count(sure=0), rng) == Forecast(0.0, 0.0, 0.0)


def test_an_unknown_share_can_be_none_or_all() -> None:
    forecast = total([2.0] * 10, Count(sure=3, open=7), np.random.default_rng(0))

    assert forecast == Forecast(0.0, None, 20.0)
    assert count_of(Count(sure=3, open=7), np.random.default_rng(0)) == Forecast(3.0, None, 10.0)


def test_what_is_rare_and_expensive_may_not_have_been_measured_yet() -> None:
    few = total([10.0] * 8, Count(sure=100), np.random.default_rng(0), most=40.0)
    many = total([10.0] * 299, Count(sure=100), np.random.default_rng(0), most=40.0)

    assert (few.lower, few.likely, round(few.upper)) == (1_000.0, 1_000.0, 1_333)
    assert (many.lower, many.likely, round(many.upper)) == (1_000.0, 1_000.0, 1_010)


def test_a_measured_share_narrows_the_count() -> None:
    few = count_of(Count(0, 1_000, hits=3, observed=10), np.random.default_rng(0))
    many = count_of(Count(0, 1_000, hits=300, observed=1_000), np.random.default_rng(0))

    assert few.likely == many.likely == 300
    assert many.upper - many.lower < few.upper - few.lower
