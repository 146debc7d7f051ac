"""Whether a candidate is worse on a class: as often wrong as is said, against scipy's test, and by its verdicts."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from labeling.answers import MISSING
from labeling.project import Gate
from labeling.promote.class_guard import ClassGuard, groups_needed, guard_classes
from labeling.promote.judgement import Judgement, judge
from labeling.promote.pair import Measure, Pair
from labeling.types import Verdict

RATE = 0.05
CLASSES = ("ant", "bee", "cat")


def guard(lost: list[int], gained: list[int], sizes: list[int], twins: int = 1) -> ClassGuard:
    """The candidate is wrong on `lost` groups of a class where the champion is right, and right on `gained`."""
    truth = np.repeat(np.arange(len(sizes)), np.array(sizes) * twins)
    ours, theirs, begin = truth.copy(), truth.copy(), 0
    for worse, better, size in zip(lost, gained, sizes, strict=True):
        ours[begin : begin + worse * twins] = len(sizes)
        theirs[begin + worse * twins : begin + (worse + better) * twins] = len(sizes)
        begin += size * twins
    return guard_classes(Pair(ours, theirs, truth, np.arange(len(truth)) // twins, Measure.ACCURACY, 3), 3, RATE)


def test_the_p_value_is_that_of_the_one_sided_binomial_test() -> None:
    [found] = guard([12, 3, 0], [2, 3, 0], [30, 30, 30]).worse

    theirs = binomtest(12, 14, 0.5, alternative="greater").pvalue
    assert (found.position, found.better, found.worse) == (0, 2, 12)
    assert found.p_value == pytest.approx(theirs)


def test_near_duplicates_count_together() -> None:
    assert guard([7, 0, 0], [0, 0, 0], [30, 30, 30], twins=4) == guard([7, 0, 0], [0, 0, 0], [30, 30, 30])
    assert not guard([1, 0, 0], [0, 0, 0], [30, 30, 30], twins=12).worse  # one group, though of twelve images


@pytest.mark.parametrize("sizes", [[6, 6, 6], [5, 0, 0], [7, 6, 5], [4, 4, 4]])
def test_a_guarded_class_can_refuse_and_no_more_could_be_guarded_with_it(sizes: list[int]) -> None:
    found = guard([0, 0, 0], [0, 0, 0], sizes)

    assert sorted((*found.guarded, *found.unguarded)) == [0, 1, 2]
    for position in found.guarded:
        lost = [size if at == position else 0 for at, size in enumerate(sizes)]
        assert [one.position for one in guard(lost, [0, 0, 0], sizes).worse] == [position]
    needed = groups_needed(RATE, len(found.guarded) + 1)
    assert all(sizes[position] < needed for position in found.unguarded)


@pytest.mark.parametrize(("images", "classes", "flips"), [(60, 3, 0.2), (300, 10, 0.1), (300, 3, 0.3)])
def test_equal_versions_are_refused_at_most_as_often_as_is_said(images: int, classes: int, flips: float) -> None:
    rng, refused = np.random.default_rng(3), 0
    for _ in range(2_000):
        truth = rng.integers(0, classes, images)
        ours, theirs = _equal(truth, classes, flips, rng)
        pair = Pair(ours, theirs, truth, np.arange(images), Measure.ACCURACY, classes)
        refused += bool(guard_classes(pair, classes, RATE).worse)

    assert 0 < refused / 2_000 <= RATE


def _equal(
    truth: NDArray[np.int64], classes: int, flips: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Answers of two classifiers that are equally good on every class and differ on a share `flips`."""
    kind = rng.random(len(truth))
    wrong = (truth + 1) % classes
    return np.where(kind < flips / 2, wrong, truth), np.where((kind >= flips / 2) & (kind < flips), wrong, truth)


# --- the verdict ----------------------------------------------------------------------------------------


def verdict(lost: int, gate: Gate, truth: NDArray[np.int64]) -> Judgement:
    """Worse on so many images of the first class, better on twice as many of the second."""
    ours, theirs = truth.copy(), truth.copy()
    ours[np.flatnonzero(truth == 0)[:lost]] = 2
    theirs[np.flatnonzero(truth == 1)[: 2 * lost]] = 2
    ours[truth == MISSING], theirs[truth == MISSING] = 0, 0
    probs = np.eye(3) * 0.8 + 0.1
    return judge(probs[ours] - 0.001, probs[theirs], truth, gate, np.random.default_rng(0), classes=CLASSES)


def test_a_version_that_is_better_in_all_and_worse_on_a_class_is_refused_where_the_policy_says_so() -> None:
    truth = np.repeat([0, 1, 2, MISSING], [40, 40, 3, 5])

    guarded, free = verdict(10, Gate(class_refusals=RATE), truth), verdict(10, Gate(), truth)

    assert (guarded.verdict, free.verdict) == (Verdict.REFUSED, Verdict.PROMOTED)
    assert (guarded.worse_on, guarded.unguarded) == (("ant",), ("cat",))
    assert guarded.reasons[1] == "It is worse on ant: worse in 10 groups, better in 0: p = 0.00098, one-sided."
    assert "Of 3 classes 2 were tested for being worse; at most 5 % of" in guarded.reasons[2]
    assert guarded.reasons[2].endswith("Not guarded yet, for that needs 6 groups of the class: cat.")
    assert not [why for why in free.reasons if "class" in why] and free.unguarded == ()


def test_what_is_worse_on_no_class_passes_as_before() -> None:
    truth = np.repeat([0, 1, 2], [40, 40, 3])

    found = verdict(3, Gate(class_refusals=RATE), truth)

    assert found.promoted and found.worse_on == () and "0 classes" not in found.reasons[1]
