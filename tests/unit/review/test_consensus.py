"""From votes to one value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from labeling.answers import Answer, AnswerSet
from labeling.review.consensus import Vote, consensus
from labeling.types import NONE_OF_THESE, UNSURE

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
KNOWN = AnswerSet(("cat", "dog"))
VOTES = st.lists(
    st.builds(
        Vote,
        st.integers(1, 4),
        st.sampled_from([("cat",), ("dog",), (NONE_OF_THESE,), (UNSURE,), ("cat", "dog"), ("fish",)]).map(Answer),
        st.integers(0, 3).map(lambda minutes: NOON + timedelta(minutes=minutes)),
    ),
    max_size=8,
)


def _vote(annotator: int, answer: str, minutes: int = 0) -> Vote:
    return Vote(annotator, Answer.one(answer), NOON + timedelta(minutes=minutes))


def test_one_answer_is_the_label() -> None:
    assert consensus([_vote(1, "cat")], KNOWN) == "cat"
    assert consensus([_vote(1, NONE_OF_THESE)], KNOWN) == NONE_OF_THESE


def test_most_of_those_who_can_tell_decide() -> None:
    votes = [_vote(1, "cat"), _vote(2, "dog"), _vote(3, "dog"), _vote(4, UNSURE)]

    assert consensus(votes, KNOWN) == "dog"


def test_a_tie_unsure_and_unknown_answers_make_no_label() -> None:
    assert consensus([_vote(1, "cat"), _vote(2, "dog")], KNOWN) is None
    assert consensus([_vote(1, UNSURE)], KNOWN) is None
    assert consensus([_vote(1, "fish")], KNOWN) is None
    assert consensus([], KNOWN) is None


def test_a_person_counts_once_by_the_newest_answer() -> None:
    assert consensus([_vote(1, "cat", 0), _vote(1, "dog", 1), _vote(1, "cat", 0)], KNOWN) == "dog"


@given(VOTES, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_of_votes_matters(votes, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(votes + votes, 2 * len(votes))

    assert consensus(shuffled, KNOWN) == consensus(votes, KNOWN)
