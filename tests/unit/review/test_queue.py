"""The order of the queue: hard images by score, random kinds where they were drawn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labeling.review.queue import InQueue, order, scores
from labeling.types import ReviewId, ReviewKind

KINDS = st.sampled_from([ReviewKind.HARD, ReviewKind.RELABEL, ReviewKind.AUDIT, ReviewKind.RANDOM])
REVIEWS = st.lists(
    st.builds(
        InQueue,
        st.integers(1, 10_000).map(ReviewId),
        KINDS,
        st.integers(1, 5),
        st.floats(0, 1, exclude_max=True),
        st.floats(0, 1),
    ),
    unique_by=lambda review: review.review_id,
    max_size=30,
)


def _hard(number: int, doubt: float, query: int = 1) -> InQueue:
    return InQueue(ReviewId(number), ReviewKind.HARD, query, 0.0, doubt)


def _random(number: int, place: float, query: int = 1) -> InQueue:
    return InQueue(ReviewId(number), ReviewKind.RANDOM, query, place, 0.0)


def test_the_most_doubtful_hard_image_comes_first_whatever_query_asked_for_it() -> None:
    found = order([_hard(1, 0.2, query=1), _hard(2, 0.9, query=2), _hard(3, 0.5, query=1)])

    assert found == [2, 3, 1]


def test_an_image_to_label_again_is_ranked_by_its_score_among_the_hard_ones() -> None:
    again = InQueue(ReviewId(2), ReviewKind.RELABEL, 1, 0.9, 0.5)

    found = order([_hard(1, 0.2), again, _hard(3, 0.8)])

    assert found == [3, 2, 1]


def test_leftover_random_reviews_of_an_older_query_come_before_everything_newer() -> None:
    found = order([_hard(1, 1.0, query=2), _random(2, 0.99, query=1), _random(3, 0.1, query=1)])

    assert found == [3, 2, 1]


def test_random_reviews_stand_among_the_hard_ones_at_their_drawn_place() -> None:
    found = order([_hard(1, 0.9), _hard(2, 0.1), _random(3, 0.5)])

    assert found == [1, 3, 2]


def test_re_reviews_of_a_newer_query_stand_among_the_hard_ones_and_push_no_random_one_forward() -> None:
    def re_review(number: int, place: float, query: int) -> InQueue:
        return InQueue(ReviewId(number), ReviewKind.RELABEL, query, place, 0.9, fixed=True)

    found = order([_hard(1, 0.9), _hard(2, 0.1), _random(3, 0.5), re_review(4, 0.4, 2), re_review(5, 0.9, 3)])
    alone = order([re_review(4, 0.4, 2), re_review(5, 0.1, 3)])

    assert found == [1, 4, 3, 2, 5]
    assert alone == [5, 4]


def test_each_hard_review_stands_in_the_middle_of_its_share_of_the_newest_query() -> None:
    alone = order([_hard(1, 0.9), _random(2, 0.49), _random(3, 0.51)])
    of_two = order([_hard(1, 0.9), _hard(2, 0.1), *(_random(n, p) for n, p in ((3, 0.24), (4, 0.26), (5, 0.74)))])

    assert alone == [2, 1, 3]
    assert of_two == [3, 1, 4, 5, 2]


@given(REVIEWS, st.randoms(use_true_random=False))
def test_random_kinds_keep_their_order_when_scores_change_and_rows_come_otherwise(reviews, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = [
        InQueue(r.review_id, r.kind, r.query_number, r.place, random.random())
        for r in random.sample(reviews, len(reviews))
    ]
    drawn = {r.review_id for r in reviews if r.kind in (ReviewKind.AUDIT, ReviewKind.RANDOM)}

    before, after = order(reviews), order(shuffled)

    assert [r for r in before if r in drawn] == [r for r in after if r in drawn]
    assert sorted(before) == sorted(after) == sorted(r.review_id for r in reviews)


@given(REVIEWS)
def test_scores_rise_along_the_order_and_stay_below_one(reviews: list[InQueue]) -> None:
    ordered = order(reviews)

    found = scores(ordered)

    values = [found[review_id] for review_id in ordered]
    assert values == sorted(set(values))
    assert all(0 <= value < 1 for value in values)


def test_hard_reviews_of_equal_score_stay_in_the_order_in_which_they_were_picked() -> None:
    picked = [(7, 1, 0.0), (3, 1, 0.5), (5, 2, 0.1), (1, 2, 0.6)]
    reviews = [InQueue(ReviewId(number), ReviewKind.HARD, query, place, 0.0) for number, query, place in picked]

    assert order(reviews[::-1]) == [7, 3, 5, 1]


def test_hard_reviews_lie_in_the_middle_of_equal_parts_of_the_newest_query() -> None:
    hard = [_hard(1, 0.9), _hard(2, 0.1)]

    found = order([*hard, _random(3, 0.24), _random(4, 0.26), _random(5, 0.74), _random(6, 0.76)])

    assert found == [3, 1, 4, 5, 2, 6]


def test_the_onboarding_set_comes_before_everything_in_the_order_it_was_asked() -> None:
    first = [InQueue(ReviewId(number), ReviewKind.GOLD, 3, place, 0.0, True) for number, place in ((8, 0.1), (7, 0.9))]

    found = order([_random(1, 0.0, query=1), _hard(2, 1.0), *first])

    assert found == [7, 8, 1, 2]
