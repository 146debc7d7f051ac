"""The gate: a hand-made case for each verdict, and that nothing is ever promoted over itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.numbers import REPLAYS, Recipe, promoted_share, promotions_on_digits, replayed
from labeling.errors import Invalid
from labeling.project import Gate
from labeling.promote.judgement import VERDICTS_A_SAMPLE, Judgement, Sample, difference, judge, sample_for
from labeling.types import Verdict


def saying(answers: NDArray[np.int64] | list[int], k: int = 3, sure: float = 0.8) -> NDArray[np.float64]:
    """Probabilities whose likeliest classes are these."""
    rest = (1 - sure) / (k - 1)
    return np.where(np.eye(k, dtype=bool)[np.asarray(answers)], sure, rest)


def right_on(n: int, wrong: int) -> NDArray[np.int64]:
    """Answers to a truth of all 0, of which the last ones are wrong."""
    return np.array([0] * (n - wrong) + [1] * wrong)


def judged(candidate: NDArray[np.float64], champion: NDArray[np.float64], n: int = 100, **more: int) -> Judgement:
    return judge(candidate, champion, np.zeros(n, np.int64), Gate(), np.random.default_rng(0), **more)


@given(st.integers(0, 10_000), st.integers(1, 60), st.sampled_from(["accuracy", "macro_f1"]))
@settings(max_examples=40, deadline=None)
def test_a_classifier_is_never_promoted_over_itself(seed: int, n: int, measure: str) -> None:
    rng = np.random.default_rng(seed)
    probs, truth = rng.dirichlet(np.ones(4), size=n), rng.integers(-1, 4, size=n)

    judgement = judge(probs, probs, truth, Gate(measure=measure, min_labels=1), rng)

    assert judgement.verdict is Verdict.NO_CHANGE
    assert not judgement.promoted


def test_one_that_answers_the_same_and_is_silent_on_the_same_images_is_no_change() -> None:
    probs = saying(right_on(40, 5))
    probs[3] = np.nan

    judgement = judged(probs, probs.copy(), n=40)

    assert (judgement.verdict, judgement.gain) == (Verdict.NO_CHANGE, 0)
    assert judgement.reasons[1] == "This sample has now given 1 verdict."


def test_one_that_is_clearly_better_is_promoted() -> None:
    judgement = judged(saying(right_on(100, 10)), saying(right_on(100, 30)))

    assert judgement.promoted
    assert judgement.gain == pytest.approx(0.20)
    assert judgement.interval is not None and judgement.lower is not None
    assert judgement.interval[0] < judgement.lower < 0.20 < judgement.interval[1]
    assert "+20.0 points of accuracy against the champion" in judgement.reasons[0]


def test_one_that_is_as_good_and_hardly_differs_is_promoted() -> None:
    candidate = saying(right_on(100, 10), sure=0.9)

    judgement = judged(candidate, saying(right_on(100, 10)))

    assert judgement.promoted
    assert (judgement.gain, judgement.lower) == (0, None)
    assert judgement.reasons[0].endswith(
        "; the 90 % lower bound is not yet known: it needs 5 groups in which exactly one is right, and there are 0. "
        "In 90 % of resamples it is above -2.0."
    )


def test_one_that_is_worse_by_a_single_image_is_refused() -> None:
    judgement = judged(saying(right_on(100, 11)), saying(right_on(100, 10)))

    assert judgement.verdict is Verdict.REFUSED
    assert "it is not better" in judgement.reasons[0]


def test_a_loss_however_small_is_refused_whatever_margin_the_gate_leaves() -> None:
    n = 400
    truth, gate = np.zeros(n, np.int64), Gate(margin=0.5)

    judgement = judge(saying(right_on(n, 11)), saying(right_on(n, 10)), truth, gate, np.random.default_rng(0))

    assert judgement.gain == pytest.approx(-1 / n)
    assert judgement.verdict is Verdict.REFUSED
    assert judgement.lower is None and "lower bound" not in judgement.reasons[0]


def test_the_resamples_must_lie_above_minus_the_margin_and_not_on_it() -> None:
    candidate, champion = saying(right_on(40, 5), sure=0.9), saying(right_on(40, 5))

    judgement = judge(candidate, champion, np.zeros(40, np.int64), Gate(margin=0.0), np.random.default_rng(0))

    assert (judgement.verdict, judgement.lower) == (Verdict.REFUSED, None)
    assert judgement.reasons[0].endswith("In under 90 % of resamples it is above +0.0: it may well be worse.")


@pytest.mark.parametrize(("differ", "known"), [(4, False), (5, True)])
def test_the_lower_bound_is_known_from_five_groups_in_which_exactly_one_is_right(differ: int, known: bool) -> None:
    copies = np.concatenate([np.arange(40), np.arange(40 - differ, 40)])  # each that differs has a near-duplicate
    better, worse = (np.array([0] * 40 + [0] * differ), np.array([0] * (40 - differ) + [1] * 2 * differ))

    judgement = judge(
        saying(better), saying(worse), np.zeros(len(copies), np.int64), Gate(), np.random.default_rng(0), groups=copies
    )

    assert judgement.promoted
    assert (judgement.lower is not None) is known
    assert ("lower bound is not yet known" in judgement.reasons[0]) is not known


def test_the_reason_gives_the_gain_its_interval_and_its_bound_in_points() -> None:
    right, wrong, truth = saying(right_on(40, 0)), saying(right_on(40, 40)), np.zeros(40, np.int64)

    better, worse = (
        judge(one, other, truth, Gate(), np.random.default_rng(0), champion_name="v3").reasons[0]
        for one, other in ((right, wrong), (wrong, right))
    )

    assert better == (
        "+100.0 points of accuracy against v3 (95 % interval +86.0 to +100.0) on 40 images of the random stream; "
        "the 90 % lower bound is +100.0, above -2.0."
    )
    assert worse == (
        "-100.0 points of accuracy against v3 (95 % interval -100.0 to -86.0) on 40 images of the random stream: "
        "it is not better."
    )


def test_a_gain_that_may_well_be_a_loss_is_refused() -> None:
    truth_zero = np.zeros(40, np.int64)
    candidate, champion = truth_zero.copy(), truth_zero.copy()
    champion[:6], candidate[-5:] = 1, 1  # six better, five worse

    judgement = judged(saying(candidate), saying(champion), n=40)

    assert judgement.gain == pytest.approx(1 / 40)
    assert judgement.verdict is Verdict.REFUSED
    assert "may well be worse" in judgement.reasons[0]


def test_under_thirty_labels_no_gate_runs() -> None:
    judgement = judged(saying(right_on(29, 0)), saying(right_on(29, 20)), n=29)

    assert judgement.verdict is Verdict.NOT_YET_KNOWN
    assert judgement.gain is None
    assert "29 images of the random stream; the gate needs 30" in judgement.reasons[0]


def test_none_of_these_is_an_error_of_both_and_an_absent_answer_an_error_of_one() -> None:
    truth = np.array([0] * 39 + [-1])
    champion = saying([0] * 40)
    champion[:4] = np.nan

    judgement = judge(saying([0] * 40, sure=0.9), champion, truth, Gate(), np.random.default_rng(0))

    assert judgement.candidate == pytest.approx(39 / 40)
    assert judgement.champion == pytest.approx(35 / 40)


def test_an_answer_with_a_probability_that_is_not_a_number_is_absent() -> None:
    champion = saying([0] * 40)
    champion[0, 2] = np.nan

    judgement = judged(saying([0] * 40, sure=0.9), champion, n=40)

    assert judgement.champion == pytest.approx(39 / 40)


@pytest.mark.parametrize("rare", [1, 2])
def test_macro_f1_counts_rare_classes_as_much_as_common_ones(rare: int) -> None:
    truth = np.array([0] * 95 + [rare] * 5)
    gate = Gate(measure="macro_f1")

    judgement = judge(saying(truth), saying([0] * 100), truth, gate, np.random.default_rng(0))

    assert judgement.promoted
    assert judgement.gain == pytest.approx(1 - (2 * 95 / 195) / 2)


def test_a_sample_that_was_asked_often_wants_a_fresh_draw() -> None:
    better, worse = saying(right_on(100, 10)), saying(right_on(100, 30))

    often = judged(better, worse, earlier_verdicts=VERDICTS_A_SAMPLE - 1)
    seldom = judged(better, worse, earlier_verdicts=1)

    assert "20 verdicts" in often.reasons[-1] and "more of the random stream" in often.reasons[-1]
    assert (often.verdicts, seldom.verdicts) == (20, 2)
    assert seldom.reasons[-1] == "This sample has now given 2 verdicts."


def test_the_same_seed_gives_the_same_verdict_to_the_digit() -> None:
    better, worse = saying(right_on(100, 10)), saying(right_on(100, 12))

    assert judged(better, worse) == judged(better, worse)


@pytest.mark.parametrize(
    ("candidate", "champion"),
    [
        (saying(right_on(99, 0)), saying(right_on(100, 0))),
        (saying(right_on(99, 0)), saying(right_on(99, 10))),
        (saying(right_on(100, 0)), saying(right_on(100, 0), k=4)),
    ],
    ids=["fewer images", "fewer images than truths", "other classes"],
)
def test_answers_about_different_images_or_classes_are_not_compared(
    candidate: NDArray[np.float64], champion: NDArray[np.float64]
) -> None:
    with pytest.raises(Invalid, match="cannot be compared"):
        judged(candidate, champion, n=100)


def test_under_a_hundred_images_of_the_stream_training_images_carry_the_verdict_and_the_stream_is_shown() -> None:
    better, worse, truth = saying(right_on(60, 5)), saying(right_on(60, 15)), np.zeros(60, np.int64)
    rng = np.random.default_rng(0)
    stream = difference(saying(right_on(40, 8)), saying(right_on(40, 2)), np.zeros(40, np.int64), Gate(), rng)

    judgement = judge(better, worse, truth, Gate(), rng, sample=sample_for(stream.n), stream=stream)

    assert stream.value == pytest.approx(-0.15)
    assert judgement.promoted and judgement.carried_by is Sample.TRAINING and judgement.stream == stream
    assert "on 60 training images, each predicted without its fold" in judgement.reasons[0]
    assert judgement.reasons[2].startswith("On 40 images of the random stream the difference is -15.0 points (")
    assert judgement.reasons[2].endswith("under 100 it is shown and not used.")
    assert (
        "Label more images"
        in judge(better, worse, truth, Gate(), rng, sample=Sample.TRAINING, earlier_verdicts=VERDICTS_A_SAMPLE).reasons[
            -1
        ]
    )


def test_near_duplicates_are_drawn_together_so_twenty_copies_are_worth_one_image() -> None:
    better, worse = saying(right_on(60, 5)), saying(right_on(60, 15))  # the ten that are better are of one group
    groups = np.concatenate([np.arange(45), np.full(10, 45), np.arange(46, 51)])

    alone, together = (
        judge(better, worse, np.zeros(60, np.int64), Gate(), np.random.default_rng(0), groups=some)
        for some in (None, groups)
    )

    assert alone.lower is not None and together.lower is None
    assert alone.interval is not None and together.interval is not None
    assert np.diff(together.interval) > 1.5 * np.diff(alone.interval)


def test_where_no_answer_differs_the_interval_still_has_a_width() -> None:
    judgement = judged(saying(right_on(40, 10), sure=0.9), saying(right_on(40, 10)), n=40)

    assert judgement.gain == 0 and judgement.interval is not None
    assert judgement.interval[0] < -0.04 and judgement.interval[1] > 0.04


def test_a_verdict_says_what_it_could_have_detected() -> None:
    judgement = judged(saying(right_on(100, 10)), saying(right_on(100, 16)))
    of_f1 = judge(
        saying(right_on(40, 1)),
        saying(right_on(40, 4)),
        np.zeros(40, np.int64),
        Gate(measure="macro_f1"),
        np.random.default_rng(0),
    )

    assert judgement.power is not None and judgement.power.passes == pytest.approx(0.032, abs=0.001)
    assert judgement.reasons[1].startswith("What this could have detected: one that is 3.2 points better passes in 80")
    assert judgement.reasons[1].endswith("one that is 2 points worse passes in 13 of 100.")
    assert of_f1.power is None


@pytest.mark.parametrize("name", [name for name in REPLAYS if name.startswith("gain") and "vectors" not in name])
def test_the_interval_of_a_gain_covers_the_true_one(name: str) -> None:
    found = replayed(REPLAYS[name], 100)

    assert found.covers
    assert found.error_ratio is not None and found.error_ratio <= 0.35  # .25 over many seeds


@pytest.mark.parametrize("n", [30, 60, 100])
def test_few_labels_neither_promote_what_is_worse_nor_refuse_what_is_clearly_better(n: int) -> None:
    worse, better = promoted_share(n, 0.2, -0.1, 25), promoted_share(n, 0.2, 0.15, 25)

    assert worse <= 0.12
    assert better >= 0.8


def test_on_labelled_digits_more_labels_pass_and_half_of_the_picture_does_not() -> None:
    older, poorer = Recipe(share=0.5), Recipe(pixels=24)

    more = promotions_on_digits(60, Recipe(), older, 5)
    less = promotions_on_digits(60, poorer, Recipe(), 3)

    assert more.true_gain > 0.05 and more.promoted >= 0.8
    assert less.true_gain < -0.1 and less.promoted == 0
