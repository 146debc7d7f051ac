"""A query shared between doubt and representative images: by what evidence, in what order, and said how."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.select.strategies.hedged import (
    Evidence,
    Hedged,
    evidence_of,
    hedged,
    said,
    sampled_groups,
    share_by_doubt,
)
from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Labelled, Picks, Predicted, Strategy, View, checked_picks, ranked

MARGIN, TYPICAL = STRATEGIES["margin"], STRATEGIES["typical"]


def _view(groups: npt.NDArray[np.int64], seed: int = 0, labelled: int = 0) -> View:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(len(groups), 4)).astype(np.float32)
    theirs = rng.normal(size=(labelled, 4)).astype(np.float32)
    predicted = Predicted(rng.dirichlet(np.ones(3), size=len(groups)), conflicts=np.zeros(len(groups)))
    known = Labelled(("cat",) * labelled, lambda at: theirs[at])
    return View(groups, lambda at: vectors[at], lambda: known, predicted, costs=np.ones(len(groups)))


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(0, 50), groups=st.integers(1, 50), size=st.integers(0, 70), share=st.sampled_from([0, 0.3, 0.75, 1])
)
def test_a_hedged_query_is_distinct_one_a_group_full_the_same_for_a_seed_and_shared_as_said(
    n: int, groups: int, size: int, share: float
) -> None:
    view = _view(np.random.default_rng(n).integers(0, groups, size=n), labelled=3)

    picks = Hedged(MARGIN, share).choose(view, size, np.random.default_rng(1))

    again = Hedged(MARGIN, share).choose(view, size, np.random.default_rng(1))
    wanted = min(size, len(set(view.groups.tolist())))
    assert checked_picks(picks, view, size, "hedged").positions.tolist() == again.positions.tolist()
    assert len(picks.positions) == wanted and picks.by_doubt is not None
    assert picks.by_doubt.sum() == round(share * wanted)
    assert [reason.startswith("margin") for reason in picks.reasons] == picks.by_doubt.tolist()


def test_the_part_by_doubt_is_what_the_strategy_alone_picks_in_its_order_and_both_stand_in_turn() -> None:
    view = _view(np.arange(40))

    picks = Hedged(MARGIN, 0.5).choose(view, 8, np.random.default_rng(0))

    assert picks.by_doubt is not None
    alone = MARGIN.choose(view, 4, np.random.default_rng(0)).positions
    assert picks.positions[picks.by_doubt].tolist() == alone.tolist()
    assert picks.by_doubt.tolist() == [True, False] * 4
    assert (np.diff(picks.scores) < 0).all()


def test_few_representative_images_stand_among_many_doubtful_ones_not_at_the_end() -> None:
    picks = Hedged(MARGIN, 0.75).choose(_view(np.arange(40)), 8, np.random.default_rng(0))

    assert picks.by_doubt is not None
    assert np.flatnonzero(~picks.by_doubt).tolist() == [2, 6]


class _Covers(Strategy):
    """Notes what it was shown as labelled, and picks the first images."""

    def __init__(self) -> None:
        self.labelled: list[list[float]] = []

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        found = view.labelled()
        self.labelled = found.gather(np.arange(len(found.labels))).tolist()
        return ranked(np.arange(n), "first")


def test_representative_images_are_chosen_apart_from_the_labels_and_from_the_doubtful_picks() -> None:
    view, covers = _view(np.arange(9), labelled=2), _Covers()

    picks = Hedged(MARGIN, 0.5, covers).choose(view, 4, np.random.default_rng(0))

    assert picks.by_doubt is not None
    doubtful = view.gather(picks.positions[picks.by_doubt])
    known = view.labelled().gather(np.arange(2))
    assert covers.labelled == np.concatenate([known, doubtful]).tolist()


def test_an_image_of_the_reserve_would_have_been_picked_if_either_part_would_have_picked_it() -> None:
    view, reserve = _view(np.arange(60)), np.arange(40, 60)
    strategy = Hedged(MARGIN, 0.5)
    pool = replace(_view(np.arange(60)), groups=np.arange(40), predicted=Predicted(view.predicted.probs[:40]))  # type: ignore[union-attr]
    picks = strategy.choose(pool, 10, np.random.default_rng(2))
    assert picks.by_doubt is not None
    doubtful = Picks(picks.positions[picks.by_doubt], np.ones(5), ("",) * 5)

    would = strategy.would_pick(view, picks, reserve, np.random.default_rng(2))

    by_doubt = MARGIN.would_pick(view, doubtful, reserve, np.random.default_rng(2))
    assert (would >= by_doubt).all()
    assert by_doubt.sum() < would.sum() < 20


def test_a_hedged_query_gives_no_score_for_then_representative_images_would_come_last() -> None:
    assert Hedged(MARGIN, 0.5).score(Predicted(np.array([[0.5, 0.5]]))) is None


@pytest.mark.parametrize("name", ["random", "typical"])
def test_what_is_random_or_representative_already_is_not_hedged(name: str) -> None:
    strategy = STRATEGIES[name]

    assert hedged(strategy, None, promoted=True) is strategy


def test_before_a_version_is_promoted_the_query_is_representative_whatever_the_evidence() -> None:
    sure = Evidence(0.99, 0.0, 0.1, 500)
    view = _view(np.arange(30))

    picks = hedged(MARGIN, sure, promoted=False).choose(view, 6, np.random.default_rng(0))

    alone = TYPICAL.choose(view, 6, np.random.default_rng(0))
    assert picks.positions.tolist() == alone.positions.tolist()
    assert picks.by_doubt is not None and not picks.by_doubt.any()


def test_the_better_the_out_of_fold_accuracy_the_more_follows_doubt_and_more_of_it_where_classes_are_many() -> None:
    shares = [share_by_doubt(Evidence(accuracy / 100, 0.0, 0.5, 100)) for accuracy in range(101)]

    assert shares == sorted(shares) and shares[50] == 0 and shares[100] == 1
    assert share_by_doubt(Evidence(0.6, 0.0, 0.1, 100)) > share_by_doubt(Evidence(0.6, 0.0, 0.5, 100)) == 0
    assert share_by_doubt(Evidence(1.0, 0.0, 1.0, 100)) == 0  # one class: nothing to be in doubt between
    assert 0 < share_by_doubt(None) < 1


def test_evidence_counts_right_predictions_and_labels_that_a_sure_prediction_contradicts() -> None:
    labels = np.array([0] * 30 + [1] * 30)
    probs = np.array([[0.9, 0.1]] * 30 + [[0.1, 0.9]] * 18 + [[0.95, 0.05]] * 9 + [[0.6, 0.4]] * 2 + [[np.nan] * 2])

    found = evidence_of(labels, probs)

    assert found is not None
    assert (found.accuracy, found.most_frequent, found.labels) == (48 / 60, 0.5, 60)
    explained = 48 * 0.1 + 9 * 0.05  # a classifier that is sure by .9 errs in one of ten
    assert found.contradicted == pytest.approx((9 - explained) / 60)


@pytest.mark.parametrize("n", [0, 39])
def test_under_forty_labels_nothing_is_known(n: int) -> None:
    assert evidence_of(np.zeros(n, np.int64), np.full((n, 2), 0.5)) is None


def test_labels_that_no_classifier_could_predict_are_evidence_against_doubt() -> None:
    found = evidence_of(np.arange(50), np.full((50, 50), np.nan))

    assert found is not None and share_by_doubt(found) == 0


def test_wrong_answers_are_contradicted_and_do_not_count_against_doubt() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 400)
    probs = np.full((400, 4), 0.02)
    probs[np.arange(400), truth] = 0.94
    wrong = np.where(rng.random(400) < 0.3, (truth + 1) % 4, truth)

    clean, noisy = evidence_of(truth, probs), evidence_of(wrong, probs)

    assert clean is not None and noisy is not None
    assert clean.contradicted == 0 and noisy.contradicted == pytest.approx(0.3 - 0.06, abs=0.06)
    assert noisy.accuracy < 0.75
    assert share_by_doubt(noisy) > 0.95 > share_by_doubt(replace(noisy, contradicted=0.0))


def test_of_many_labels_a_thousand_are_used_whole_groups_of_them() -> None:
    groups = np.repeat(np.arange(2_000), 3)

    kept = sampled_groups(groups, np.random.default_rng(0))

    assert 900 <= len(kept) <= 1_000
    assert all(np.isin(np.flatnonzero(groups == group), kept).all() for group in np.unique(groups[kept])[:20])


def test_a_query_says_how_much_followed_doubt_and_why() -> None:
    picks = Hedged(MARGIN, 0.75).choose(_view(np.arange(60)), 40, np.random.default_rng(0))

    assert said(picks, Evidence(0.81, 0.05, 0.2, 120)) == (
        "30 of 40 by doubt, 10 representative: out-of-fold accuracy .81 on 120 labels, 5 % of them contradicted"
    )
    assert said(picks, None).endswith("whether doubt pays is not yet known")
    assert said(MARGIN.choose(_view(np.arange(9)), 3, np.random.default_rng(0)), None) == ""
