"""What a dispute may cost orders the queue of a lead."""

from __future__ import annotations

import pytest

from labeling.review.expected_cost import expected_damage
from labeling.types import ReviewKind


def test_the_same_doubt_weighs_more_where_more_rests_on_the_label() -> None:
    kinds = [ReviewKind.HARD, ReviewKind.RANDOM]

    damages = [expected_damage(0.5, kind, 1) for kind in kinds]

    assert damages == sorted(set(damages))
    assert expected_damage(0.5, None, 1) == damages[0]


@pytest.mark.parametrize("kind", list(ReviewKind))
def test_damage_rises_with_doubt_and_with_the_group_and_is_nothing_without_doubt(kind: ReviewKind) -> None:
    assert expected_damage(0.0, kind, 9) == 0
    assert expected_damage(0.2, kind, 1) < expected_damage(0.4, kind, 1) < expected_damage(0.4, kind, 3)
