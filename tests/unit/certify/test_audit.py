"""The audit of a certificate: never more false alarms than delta, at any time, and exact in what it can detect."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from labeling.certify.audit import audited, detectable, evidence, suspension_chance, wrong_at_most
from labeling.errors import Invalid


def _paths(size: int, wrong: int) -> list[np.ndarray]:
    """Wrong ones found after 0, 1, 2, ... audited images, for every order in which they can come."""
    return [np.concatenate([[0], np.cumsum(np.isin(np.arange(size), one))]) for one in combinations(range(size), wrong)]


@pytest.mark.parametrize(("size", "allowed", "delta"), [(9, 2, 0.3), (11, 3, 0.25), (10, 1, 0.5), (8, 0, 0.4)])
def test_while_the_promise_holds_an_audit_suspends_in_delta_of_all_orders_at_most(
    size: int, allowed: int, delta: float
) -> None:
    found = {(t, k): evidence(t, k, size, allowed) for t in range(size + 1) for k in range(t + 1)}

    for wrong in range(size + 1):
        alarms = [any(found[t, int(k)] >= 1 / delta for t, k in enumerate(path)) for path in _paths(size, wrong)]

        assert np.mean(alarms) == pytest.approx(suspension_chance(size, wrong, size, allowed, delta))
        assert np.mean(alarms) <= delta if wrong <= allowed else True


def test_what_was_promised_and_missed_is_found() -> None:
    assert suspension_chance(11, 3, 11, 3, 0.25) > 0 and suspension_chance(11, 8, 11, 3, 0.25) > 0.9


@pytest.mark.parametrize(("size", "delta"), [(9, 0.2), (11, 0.4)])
def test_at_no_time_is_the_bound_above_the_truth_in_more_than_delta_of_all_orders(size: int, delta: float) -> None:
    bounds = {(t, k): wrong_at_most(t, k, size, delta) for t in range(size + 1) for k in range(t + 1)}

    for wrong in range(size + 1):
        missed = [any(bounds[t, int(k)] < wrong for t, k in enumerate(path)) for path in _paths(size, wrong)]

        assert np.mean(missed) <= delta
    assert bounds[size, 0] == 0 and bounds[size // 2, 0] < size - size // 2


@given(st.integers(1, 60), st.integers(0, 60), st.integers(2, 200), st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_the_evidence_is_the_mean_of_likelihood_ratios(images: int, wrong: int, size: int, allowed: int) -> None:
    images, allowed = min(images, size), 2 * min(allowed, size // 10)
    wrong = min(wrong, images, allowed)
    others = np.array([1.5, 2, 3, 5]) * allowed
    null = hypergeom.pmf(wrong, size, allowed, images)

    found = evidence(images, wrong, size, allowed)

    ratios = hypergeom.pmf(wrong, size, np.minimum(np.maximum(others, allowed + 1), size).astype(int), images)
    assert not null or found == pytest.approx(float((ratios / null).mean()), rel=1e-6)


def test_a_number_to_bet_on_that_cannot_be_has_lost_its_money() -> None:
    assert evidence(11, 3, 11, 3) == 0

    assert evidence(8, 0, 11, 3) == 0 < evidence(7, 1, 11, 3)


@pytest.mark.parametrize(("images", "wrong"), [(20, 0), (60, 1), (60, 6), (100, 2), (100, 15), (120, 30)])
def test_numbers_above_the_bound_are_those_that_likelihood_ratios_refuse(images: int, wrong: int) -> None:
    size, delta = 160, 0.1
    numbers = np.arange(4 * -(-wrong // 4), size - (images - wrong) + 1, 4)

    bound = wrong_at_most(images, wrong, size, delta)

    bets = hypergeom.pmf(wrong, size, numbers[:, None] // 4 * np.arange(4), images).mean(axis=1)
    refused = bets >= hypergeom.pmf(wrong, size, numbers, images) / delta
    assert (numbers > bound).tolist() == refused.tolist() and refused.any() and not refused.all()


@pytest.mark.parametrize(("images", "wrong"), [(10, 3), (11, 3), (14, 2), (16, 5), (17, 1)])
def test_the_bound_is_that_of_bets_made_one_after_the_other_in_any_order(images: int, wrong: int) -> None:
    """Of 20 images; shares of the numbers are no whole ones, and a bet that more are right than are left is lost."""
    rng, numbers = np.random.default_rng(0), range(wrong, 20 - (images - wrong) + 1)

    bound = wrong_at_most(images, wrong, 20, 0.2)

    for _ in range(3):
        path = rng.permutation(images) < wrong
        refused = [np.mean([_money(path, 20, one, c * one) for c in (0, 0.25, 0.5, 0.75)]) >= 5 for one in numbers]
        assert refused == [one > bound for one in numbers]


def _money(path: np.ndarray, size: int, number: int, bet: float) -> float:
    """What is left of 1 if `bet` is bet on in place of `number`."""
    money, found = 1.0, 0
    for at, wrong in enumerate(path):
        left = size - at
        fair, ours = (number - found) / left, max(0.0, bet - found) / left
        odds = (ours / fair if fair else 0.0) if wrong else ((1 - ours) / (1 - fair) if fair < 1 else 0.0)
        money, found = money * odds, found + bool(wrong)
    return money if found <= bet else 0.0


def test_a_certificate_is_suspended_from_the_evidence_of_one_over_delta_on() -> None:
    least = {images: next(k for k in range(images) if evidence(images, k, 2_000, 100) >= 20) for images in (30, 55, 80)}

    for images, wrong in least.items():
        assert audited(images, wrong, 2_000, 0.95, 0.05).suspended
        assert not audited(images, wrong - 1, 2_000, 0.95, 0.05).suspended
    assert min(evidence(images, wrong, 2_000, 100) for images, wrong in least.items()) < 40


def test_evidence_rises_with_wrong_images_and_falls_with_right_ones() -> None:
    by_wrong = [evidence(50, wrong, 1_000, 50) for wrong in range(52 - 2)]

    assert by_wrong == sorted(by_wrong) and by_wrong[0] < 1 < by_wrong[8]
    assert evidence(51, 3, 1_000, 50) < evidence(50, 3, 1_000, 50) < evidence(51, 4, 1_000, 50)


def test_more_wrong_images_than_allowed_are_certain_evidence() -> None:
    assert evidence(12, 6, 100, 5) == np.inf and audited(12, 6, 100, 0.95, 0.05).suspended
    assert evidence(100, 5, 100, 5) <= 1 and audited(100, 5, 100, 0.95, 0.05).lower == 0.95


def test_what_was_suspended_stays_so_and_a_bound_stays() -> None:
    first = audited(40, 12, 1_000, 0.9, 0.05)
    clean = audited(400, 4, 1_000, 0.9, 0.05)

    after = audited(500, 40, 1_000, 0.9, 0.05, before=first)

    assert first.suspended and after.suspended and not audited(500, 40, 1_000, 0.9, 0.05).suspended
    assert audited(600, 40, 1_000, 0.9, 0.05, before=clean).lower >= clean.lower > 0.95


def test_of_six_hundred_audits_as_many_suspend_as_computed() -> None:
    rng, delta, size = np.random.default_rng(0), 0.05, 400
    suspended = 0
    for _ in range(600):
        times = np.flatnonzero(rng.permutation(size)[:80] < 48) + 1  # evidence rises with wrong ones only
        suspended += any(evidence(int(t), k, size, 20) >= 1 / delta for k, t in enumerate(times, 1))

    assert suspended / 600 == pytest.approx(suspension_chance(80, 48, size, 20, delta), abs=0.06)


def test_what_could_be_detected_is_the_highest_precision_that_is_found_in_eighty_of_a_hundred() -> None:
    found = detectable(150, 1_000, 0.95, 0.05)

    assert found is not None
    wrong = round((1 - found) * 1_000)
    chances = [suspension_chance(150, some, 1_000, 50, 0.05) for some in (wrong - 1, wrong)]
    assert chances[0] < 0.8 <= chances[1]
    assert detectable(0, 1_000, 0.95, 0.05) is None and detectable(1, 1_000, 0.95, 0.05) is None


def test_the_bound_tightens_with_the_audit_and_ends_in_the_truth() -> None:
    bounds = [wrong_at_most(t, 0, 500, 0.05) for t in (0, 20, 100, 300, 500)]

    assert bounds[0] == 500 and bounds == sorted(bounds, reverse=True) and bounds[-1] == 0
    assert bounds[2] < 30


def test_counts_and_terms_that_cannot_be_are_refused() -> None:
    with pytest.raises(Invalid, match="count each image once"):
        audited(5, 6, 100, 0.95, 0.05)
    with pytest.raises(Invalid, match="tests a precision"):
        audited(5, 1, 100, 0.95, 0.9)
