"""Figures of annotators: hand-worked, against scikit-learn, and against a published example."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score

from labeling.quality.annotators.performance import AnnotatorFigures, describe, sessions
from labeling.quality.annotators.references import Answer, collect_votes, reference_of
from tests.conftest import NOW
from tests.simulated_team import copies, honest, simulate


def _said(who: int, image: int, said: str, *, second: float = 0, **facts: object) -> Answer:
    return Answer(who, image, said, NOW + timedelta(seconds=second), **facts)  # type: ignore[arg-type]


def _one(answers: list[Answer], who: int = 1) -> AnnotatorFigures:
    return next(figures for figures in describe(answers) if figures.annotator == who)


def test_the_share_that_somebody_cannot_tell_is_of_all_they_were_asked_also_if_they_told_nothing() -> None:
    given = [_said(1, i, "cat") for i in range(30)]
    doubts = [_said(who, 100 + i, "unsure") for who in (1, 2) for i in range(10)]

    first, second = describe(given, doubts)

    assert (first.answers, first.cannot_tell.value, first.cannot_tell.n) == (30, 0.25, 40)
    assert (second.annotator, second.answers, second.commonest, second.cannot_tell.value) == (2, 0, "", 1.0)


def test_nobody_is_compared_with_their_own_answer() -> None:
    votes = [_said(1, 7, "cat"), _said(2, 7, "dog"), _said(3, 7, "dog"), _said(4, 7, "cat")]

    found = [reference_of(vote, collect_votes(votes)) for vote in votes]

    assert [one.value if one else None for one in found] == ["dog", "cat", "cat", "dog"]
    assert reference_of(votes[0], collect_votes(votes), {2, 3}).value == "cat"  # type: ignore[union-attr]


def test_a_split_among_the_others_is_no_reference_and_what_is_known_stands_above_them() -> None:
    split = [_said(1, 7, "cat"), _said(2, 7, "dog"), _said(3, 7, "bird")]
    known = _said(1, 7, "cat", known="bird")

    assert reference_of(split[0], collect_votes(split)) is None
    assert reference_of(known, collect_votes([known, *split[1:]])).value == "bird"  # type: ignore[union-attr]


def test_only_the_newest_answer_of_a_person_about_an_image_is_a_vote() -> None:
    votes = collect_votes([_said(2, 7, "dog", second=9), _said(2, 7, "cat", second=1)])

    assert votes[7][2].said == "dog"


def test_agreement_and_kappa_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    mine, theirs = rng.choice(["cat", "dog", "bird"], (2, 120), p=[0.6, 0.3, 0.1])
    answers = [_said(who, i, str(said)) for who, column in ((1, mine), (2, theirs)) for i, said in enumerate(column)]

    found = _one(answers)

    assert found.agreement.value == pytest.approx(accuracy_score(theirs, mine))
    assert found.kappa == pytest.approx(cohen_kappa_score(mine, theirs))
    assert found.agreement.n == 120


def test_gold_judges_on_its_own_and_by_class() -> None:
    gold = [
        _said(1, i, said, known=true, gold=True)
        for i, (said, true) in enumerate([("cat", "cat"), ("cat", "dog"), ("dog", "dog"), ("dog", "dog")])
    ]

    found = _one([*gold, _said(1, 9, "bird")])

    assert (found.gold.value, found.gold.n, found.answers) == (0.75, 4, 5)
    assert [(one.label, one.right.n, one.right.value) for one in found.classes] == [
        ("cat", 1, 1.0),
        ("dog", 3, pytest.approx(2 / 3)),
    ]


def test_wrong_pre_labels_kept_and_own_errors_where_none_was_shown_are_told_apart() -> None:
    blind = [_said(1, i, "dog" if i < 10 else "cat", known="cat") for i in range(100)]
    misled = [_said(1, i, "dog" if i < 150 else "cat", known="cat", shown="dog") for i in range(100, 200)]
    rightly_shown = [_said(1, i, "cat", known="cat", shown="cat") for i in range(200, 300)]

    found = _one([*blind, *misled, *rightly_shown])

    assert (found.accepted_wrong.value, found.blind_error.value) == (0.5, 0.1)
    assert (found.accepted_wrong.n, found.blind_error.n) == (100, 100)


def test_answers_beside_count_as_work_and_judge_nobody() -> None:
    mine = [_said(1, i, "cat", second=60 * i, known="cat", lead_time_s=2.0) for i in range(30)]
    beside = [_said(who, i, "dog", second=60 * (100 + i), lead_time_s=6.0) for who in (1, 2) for i in range(60)]

    first, second = describe(mine, beside=beside)
    alone = describe(mine)[0]

    assert (first.answers, first.times.n, first.times.median_s) == (90, 90, 6.0)
    assert (second.answers, second.agreement.n, second.commonest) == (60, 0, "")
    for name in ("agreement", "classes", "blind_error", "commonest_share", "usual", "cannot_tell", "drift"):
        assert getattr(first, name) == getattr(alone, name)


def test_sessions_are_cut_at_long_pauses_and_drift_compares_their_thirds() -> None:
    def day(number: int) -> list[Answer]:
        start = 86_400.0 * number
        return [
            _said(
                1,
                100 * number + i,
                "cat" if i < 40 else "dog",
                second=start + 60 * i,
                known="cat",
                lead_time_s=5.0 if i < 30 else 2.0,
            )  # fmt: skip
            for i in range(60)
        ]

    found = _one([*day(0), *day(1)])

    assert [len(one) for one in sessions([*day(0), *day(1)])] == [60, 60]
    assert (found.drift.early.value, found.drift.late.value) == (1.0, 0.0)
    assert (found.drift.early.n, found.drift.early_s, found.drift.late_s) == (40, 5.0, 2.0)
    assert found.drift.change.upper < -0.8
    assert found.per_day == 60
    assert found.per_hour == pytest.approx(3_600 * 120 / (2 * (59 * 60 + 5)))


def test_quick_copies_are_measured_by_the_time_of_the_others() -> None:
    answers = simulate([copies, honest, honest, honest, honest], np.random.default_rng(0), labels=80)

    hasty, careful = _one(answers, 1), _one(answers, 2)

    assert hasty.quick_copies.value == 1.0 and hasty.quick_copies.known
    assert careful.quick_copies.value < 0.1
    assert hasty.times.median_s < careful.times.lower_s


def test_an_annotator_who_always_gives_the_same_answer_is_visible() -> None:
    answers = [_said(1, i, "cat") for i in range(50)]
    answers += [_said(2, i, "cat" if i % 5 == 0 else "dog") for i in range(50)]

    found = _one(answers)

    assert (found.commonest, found.commonest_share.value, found.usual.value) == ("cat", 1.0, 0.2)


def test_few_answers_are_not_yet_known() -> None:
    found = _one([_said(1, i, "cat", known="cat", gold=True, lead_time_s=1.0) for i in range(29)])

    assert not found.gold.known and not found.times.known
    assert (found.kappa, found.per_hour, found.per_day) == (None, None, None)
