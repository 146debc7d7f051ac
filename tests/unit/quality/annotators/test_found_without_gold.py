"""The rule that pauses without given gold, on the benchmark's teams: second answers by the product's own rule."""

from __future__ import annotations

from bench.annotators import BAD_ERROR, HONEST_ERROR, found_after


def test_somebody_who_errs_in_half_is_found_within_100_answers_and_nobody_else_is() -> None:
    found = [found_after(seed, [BAD_ERROR, *[HONEST_ERROR] * 2], 10) for seed in range(20)]

    assert sum(0 in one for one in found) >= 19
    assert not any(one.keys() - {0} for one in found)


def test_an_honest_team_is_left_alone() -> None:
    assert not any(found_after(seed, [HONEST_ERROR] * 3, 10) for seed in range(20))
