"""What members of an ensemble disagree about: worked by hand, within its bounds, and asked in blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy as entropy_of

from labeling.errors import Invalid
from labeling.select.strategies.disagreement.by_members import ByMembers
from labeling.select.strategies.disagreement.drop_query import DropQuery, changed_share, unstable
from labeling.select.strategies.disagreement.members import bald, vote_entropy
from labeling.select.strategies.strategy import Labelled, Predicted, View


def _members(n_members: int, n: int, n_classes: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.5), size=(n_members, n))


@settings(max_examples=30, deadline=None)
@given(n_members=st.integers(1, 6), n=st.integers(1, 20), n_classes=st.integers(2, 5), seed=st.integers(0, 99))
def test_disagreement_is_within_its_bounds_and_bald_is_the_mean_divergence_from_the_consensus(
    n_members: int, n: int, n_classes: int, seed: int
) -> None:
    members = _members(n_members, n, n_classes, seed)

    by_bald, by_votes = bald(members), vote_entropy(members)

    most = np.log(min(n_members, n_classes)) + 1e-5
    for scores in (by_bald, by_votes):
        assert (scores >= 0).all() and (scores <= most).all()
    divergence = np.mean([entropy_of(one, members.mean(axis=0), axis=1) for one in members], axis=0)
    assert by_bald == pytest.approx(divergence, abs=1e-5)


def test_members_that_say_the_same_do_not_disagree_however_unsure_they_are() -> None:
    members = np.tile([[0.4, 0.3, 0.3]], (4, 5, 1))

    assert bald(members).max() < 1e-6 and vote_entropy(members).max() == 0


def test_a_row_of_nan_is_uniform_and_one_member_alone_never_disagrees() -> None:
    members = _members(3, 2, 3, 0)
    members[:, 1] = np.nan

    assert bald(members)[1] == vote_entropy(members)[1] == 0
    assert bald(members[:1]).max() == 0


def test_members_are_asked_some_thousand_images_at_a_time_and_the_scores_are_the_same() -> None:
    members, asked = _members(3, 9_000, 2, 1), []

    def given(at: np.ndarray) -> np.ndarray:
        asked.append(len(at))
        return members[:, at]

    scores = ByMembers("bald", bald).score(Predicted(members.mean(axis=0), members=given))

    assert scores is not None and scores == pytest.approx(bald(members), abs=1e-6)
    assert len(asked) == 3 and max(asked) <= 4_096


def test_engines_that_contradict_the_classifier_raise_what_members_agree_about() -> None:
    members = np.array([[[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]], [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]])
    predicted = Predicted(members.mean(axis=0), conflicts=np.array([0.0, 1.0, 0.0]), members=members)

    scores = ByMembers("disagreement", vote_entropy).score(predicted)

    assert scores is not None and scores.tolist() == pytest.approx([0, np.log(2), np.log(2)])


def test_a_disagreement_that_is_not_finite_is_refused() -> None:
    predicted = Predicted(np.full((2, 2), 0.5), members=np.full((2, 2, 2), 0.5))

    with pytest.raises(Invalid, match="'mine' must give one finite number an image"):
        ByMembers("mine", lambda members: np.full(members.shape[1], np.nan)).score(predicted)


def test_drop_query_asks_for_what_most_thinned_classifiers_name_otherwise() -> None:
    rng = np.random.default_rng(0)
    vectors = np.repeat(np.eye(4, dtype=np.float32) * 9, 25, axis=0) + rng.normal(size=(100, 4)).astype(np.float32)
    members = np.tile([[0.9, 0.1]], (5, 100, 1))
    members[:3, ::2] = [0.1, 0.9]  # three of five name every second image otherwise
    members[:2, 1] = [0.1, 0.9]
    predicted = Predicted(np.tile([[0.8, 0.2]], (100, 1)), members=members)
    view = View(np.arange(100), lambda at: vectors[at], lambda: Labelled((), lambda at: vectors[at]), predicted)

    picks = DropQuery().choose(view, 4, np.random.default_rng(0))

    assert changed_share(predicted)[:3].tolist() == [0.6, 0.4, 0.6]
    assert (picks.positions % 2 == 0).all() and sorted(picks.positions // 25) == [0, 1, 2, 3]
    assert picks.reasons[0] == "named otherwise by 60% of thinned classifiers"


def test_where_too_few_change_those_of_the_largest_shares_are_taken_and_of_too_many_chance_takes_some() -> None:
    few, many = np.array([0.2, 0.9, 0.4, 0.0]), np.ones(10_050)

    assert unstable(few, 3, np.random.default_rng(0)).tolist() == [0, 1, 2]
    assert len(unstable(many, 3, np.random.default_rng(0))) == 10_000
