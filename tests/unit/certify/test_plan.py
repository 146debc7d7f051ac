"""Planned looks and numbers of answers: they add up, and each is the smallest that does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from labeling.certify.band import band, errors_allowed
from labeling.certify.plan import (
    Look,
    least_to_certify,
    least_to_finish,
    level_of,
    next_look,
    schedule,
    stream_answers,
)
from labeling.errors import Invalid
from labeling.estimates import images_for_certificate


@given(st.integers(1, 200), st.integers(1, 12), st.floats(0.01, 0.5), st.integers(1, 9), st.integers(1, 9))
def test_the_deltas_of_all_looks_versions_and_classes_add_up_to_no_more_than_delta(
    first: int, count: int, delta: float, versions: int, classes: int
) -> None:
    looks = schedule(first, count, delta)

    assert [look.size for look in looks] == [first * 2**k for k in range(count)]
    assert sum(level_of(look, versions, classes) for look in looks) * versions * classes == pytest.approx(delta)


def test_four_looks_have_a_tenth_to_four_tenths_of_delta() -> None:
    assert [look.delta for look in schedule(100, 4, 0.1)] == pytest.approx([0.01, 0.02, 0.03, 0.04])


def test_the_next_look_is_the_first_that_the_sample_has_not_reached() -> None:
    looks = schedule(100, 3, 0.1)

    due = [next_look(looks, images) for images in (0, 99, 100, 399, 400)]

    assert [look and look.number for look in due] == [1, 1, 2, 3, None]


@pytest.mark.parametrize(("precision", "delta"), [(0.95, 0.1), (0.98, 0.1), (0.9, 0.05)])
def test_in_a_large_set_a_finished_one_needs_the_published_numbers_of_images(precision: float, delta: float) -> None:
    """45, 77 and 105 at .95 and .10; 114, 194 and 265 at .98."""
    ours = [least_to_finish(wrong, 10**6, 1 - precision, delta) for wrong in (0, 1, 2)]

    assert ours == [images_for_certificate(precision, 1 - delta, wrong) for wrong in (0, 1, 2)]


@pytest.mark.parametrize(("size", "precision"), [(60, 0.9), (100, 0.95), (500, 0.9), (1_500, 0.95)])
@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_the_least_sample_is_the_first_with_which_the_whole_set_passes(size: int, precision: float, wrong: int) -> None:
    least = least_to_certify(wrong, size, precision, 0.1)

    sizes = range(1, least + 1 if least else size)
    bands = [band(size, n, 0.1, int(errors_allowed(size - n, precision))) for n in sizes]
    assert least == next((one.drawn for one in bands if len(one.left) > wrong), None)


def test_the_least_sample_of_a_finished_set_is_the_first_at_which_the_test_is_within_delta() -> None:
    least = least_to_finish(1, 700, 0.05, 0.1)

    assert least is not None
    assert hypergeom.cdf(1, 700, 37, least) <= 0.1 < hypergeom.cdf(1, 700, 37, least - 1)


def test_a_target_that_no_sample_reaches_has_no_least_sample() -> None:
    assert least_to_certify(3, 30, 0.95, 0.1) is None
    assert least_to_certify(0, 1, 0.5, 0.1) is None
    assert least_to_certify(0, 200, 1.0, 0.1001) == 180
    assert least_to_finish(0, 0, 0.1, 0.1) is None


def test_a_promise_that_cannot_be_broken_needs_as_many_images_as_are_wrong() -> None:
    assert least_to_finish(1, 3, 0.9, 0.1) == 1 and least_to_finish(3, 5, 0.9, 0.1) == 3


def test_missing_answers_are_counted_along_the_stream() -> None:
    stream = np.array([True, False, True, True, False, False, True])

    assert [stream_answers(stream, 3, images) for images in (0, 1, 2, 3, 4, 5)] == [0, 0, 0, 1, 4, None]


def test_terms_that_cannot_be_are_refused() -> None:
    with pytest.raises(Invalid):
        schedule(0, 4, 0.1)
    with pytest.raises(Invalid):
        level_of(Look(1, 100, 0.01), versions=0)
