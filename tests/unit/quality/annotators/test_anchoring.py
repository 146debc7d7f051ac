"""How far shown pre-labels pull: by hand, and against what simulated people really do."""

from __future__ import annotations

import numpy as np
import pytest

from bench.numbers import REPLAYS, replayed
from labeling.quality.annotators.anchoring import USUAL_PULL, Contradicted, anchoring

ALIKE = Contradicted(shown=270, shown_against=81, blind=30, blind_against=15)


def test_the_team_s_pull_is_by_how_much_contradictions_are_rarer_where_the_pre_label_is_seen() -> None:
    found = anchoring({1: ALIKE}).team

    assert found.value == pytest.approx(1 - 0.3 / 0.5)
    assert 0 < found.lower < 0.4 < found.upper < 0.7
    assert (found.n, found.known) == (30, True)


def test_the_interval_narrows_with_more_answers_and_holds_no_pull_where_there_is_none() -> None:
    many = anchoring({1: Contradicted(2_700, 810, 300, 150)}).team
    none = anchoring({1: Contradicted(900, 450, 100, 50)}).team

    few = anchoring({1: ALIKE}).team
    assert many.upper - many.lower < (few.upper - few.lower) / 2
    assert none.lower < 0 == none.value < none.upper


def test_of_whom_little_is_known_the_team_s_pull_is_told_and_of_others_their_own() -> None:
    team = {who: Contradicted(450, 135, 50, 25) for who in range(1, 6)}
    found = anchoring({**team, 6: Contradicted(9, 9, 1, 0), 7: Contradicted(900, 90, 100, 50)})

    assert abs(found.people[6].value - 0.4) < 0.25
    assert found.people[7].value > 0.7
    assert found.people[6].upper - found.people[6].lower > found.people[7].upper - found.people[7].lower
    assert [found.people[who].n for who in (1, 6, 7)] == [351, 10, 351]


@pytest.mark.parametrize("found", [{}, {1: Contradicted(0, 0, 0, 0)}, {1: Contradicted(5, 5, 0, 0)}])
def test_without_blind_answers_nothing_is_known(found: dict[int, Contradicted]) -> None:
    pull = anchoring(found)

    assert (pull.team.value, pull.team.known) == (USUAL_PULL, False)
    assert not any(one.known for one in pull.people.values())


def test_ends_stay_within_what_a_share_can_be() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        counts = {
            who: Contradicted(int(n), int(rng.integers(0, n + 1)), int(m), int(rng.integers(0, m + 1)))
            for who, (n, m) in enumerate(rng.integers(1, 40, (4, 2)))
        }
        pull = anchoring(counts)
        for one in (pull.team, *pull.people.values()):
            assert -1 <= one.lower <= one.value <= one.upper <= 1


@pytest.mark.parametrize("name", [name for name in REPLAYS if name.startswith("anchoring")])
def test_the_interval_covers_the_truth(name: str) -> None:
    assert replayed(REPLAYS[name], 100).covers
