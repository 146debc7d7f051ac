"""Planned looks and numbers of answers: they add up, and each is the smallest that does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from labeling.certify.band import band, errors_allowed
from labeling.certify.finished import finished
from labeling.certify.plan import (
    Look,
    least_to_certify,
    least_to_finish,
    level_of,
    schedule,
    sizes_left,
    stream_answers,
    stream_first,
)
from labeling.certify.scan import scan
from labeling.errors import Invalid
from labeling.estimates import images_for_certificate
from labeling.project import CertificateTerms


@given(st.integers(1, 200), st.integers(1, 12), st.floats(0.01, 0.5), st.integers(1, 9), st.integers(1, 9))
def test_the_deltas_of_all_looks_versions_and_classes_add_up_to_no_more_than_delta(
    first: int, count: int, delta: float, versions: int, classes: int
) -> None:
    looks = schedule(first, count, delta)

    assert [look.size for look in looks] == [first * 2**k for k in range(count)]
    assert sum(level_of(look, versions, classes) for look in looks) * versions * classes == pytest.approx(delta)


def test_four_looks_have_a_tenth_to_four_tenths_of_delta() -> None:
    assert [look.delta for look in schedule(100, 4, 0.1)] == pytest.approx([0.01, 0.02, 0.03, 0.04])


@pytest.mark.parametrize("promise", [{"precision": 0.9}, {"precision": 0.97}, {"finished": 0.05}])
@pytest.mark.parametrize("images", [45, 230, 3_000])
def test_sizes_that_could_accept_nothing_are_passed_over(promise: dict[str, float], images: int) -> None:
    terms = CertificateTerms(**promise, first_size=15, sizes=5)
    looks = schedule(15, 5, terms.delta)

    def accepts(look: Look) -> bool:
        if look.size >= images:
            return False
        sampled = np.random.default_rng(0).permutation(images) < look.size
        right = np.ones(look.size, bool)
        if terms.finished is not None:
            return finished(sampled, right, terms.finished, look.delta).unsampled > 0
        return scan(sampled, right, terms.precision or 1.0, look.delta).accepted is not None

    could = tuple(look for look in looks if accepts(look))
    assert sizes_left(terms, 0, images) == (could or looks)
    assert sizes_left(terms, 4, images) == looks[4:]


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


def _played(groups: int, reserve: int, images: int, query: int, share: float, seed: int) -> tuple[int, int]:
    """Queries until the sample has its size: how many hard labels there are, and how large the sample became.

    Each query takes the same part of the reserve as of what is open, by chance.
    """
    rng = np.random.default_rng(seed)
    in_set, drawn, hard = np.ones(reserve, bool), np.zeros(reserve, bool), 0
    for _ in range(groups):
        losing = query * reserve / groups
        first = stream_first(in_set, drawn, images, int(np.count_nonzero(~in_set)), losing)
        asked = np.flatnonzero(~drawn)[: max(first, round(share * query))]
        drawn[asked] = True
        hard += query - len(asked)
        in_set &= rng.random(reserve) >= (query - len(asked)) / max(groups - reserve - hard, 1)
        if np.count_nonzero(in_set & drawn) >= images or drawn.all():
            break
    return hard, int(np.count_nonzero(in_set & drawn))


@pytest.mark.parametrize("share", [0.1, 0.2, 0.33])
def test_a_small_reserve_brings_the_sample_whatever_the_share_of_the_stream(share: float) -> None:
    """Of 530 groups 140 are reserved: without the rule, at a share of .33, 8 of 50 samples come to their size."""
    played = [_played(530, 140, 50, 40, share, seed) for seed in range(50)]

    assert sum(sampled >= 50 for _, sampled in played) >= 48
    assert 100 <= np.median([hard for hard, _ in played]) <= 160


def test_in_a_large_reserve_the_share_of_the_policy_is_all_that_is_asked() -> None:
    in_set, drawn = np.ones(5_000, bool), np.arange(5_000) < 40

    assert stream_first(in_set, drawn, 100, 400, 10.0) == 0


def test_where_the_reserve_holds_the_sample_no_more_all_that_is_left_is_asked_about() -> None:
    in_set, drawn = np.arange(100) < 40, np.arange(100) % 2 == 0

    assert stream_first(in_set, drawn, 50, 60, 1.0) == 20


def test_where_the_reserve_never_held_twice_the_sample_nothing_is_asked_first() -> None:
    assert stream_first(np.ones(99, bool), np.zeros(99, bool), 50, 0, 10.0) == 0


def test_groups_outside_the_set_are_counted_on_the_way_to_those_within() -> None:
    in_set = np.array([True, False, False, True, True, True])

    assert stream_first(in_set, np.zeros(6, bool), 2, 4, 0.0) == 4


def test_nothing_is_asked_first_once_the_sample_has_its_size() -> None:
    assert stream_first(np.ones(100, bool), np.arange(100) < 50, 50, 30, 0.0) == 0


def test_terms_that_cannot_be_are_refused() -> None:
    with pytest.raises(Invalid):
        schedule(0, 4, 0.1)
    with pytest.raises(Invalid):
        level_of(Look(1, 100, 0.01), versions=0)
