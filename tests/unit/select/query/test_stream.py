"""The random stream: its order, the sample that a figure rests on, and that this sample is uniform."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.project import RESERVED
from labeling.select.query.stream import PLANNED, Order, cohorts, next_groups, position_of, prefix, reserved_share

HALVES = st.lists(st.tuples(st.floats(0, 0.5, exclude_max=True), st.booleans(), st.booleans()), max_size=40)


def _order(rows: list[tuple[float, bool, bool]]) -> Order:
    """Groups 1, 2, … with a position, whether they were drawn, and (only then) whether they are decided."""
    drawn = np.array([row[1] for row in rows], bool)
    return Order(
        np.arange(1, len(rows) + 1),
        np.array([row[0] for row in rows], np.float64),
        drawn,
        drawn & np.array([row[2] for row in rows], bool),
        np.zeros(len(rows), bool),
    )


def test_positions_come_from_the_founder_and_the_salt_and_lie_evenly() -> None:
    founders = [f"{number:064x}" for number in range(4_000)]

    found = np.array([position_of(founder, "salt") for founder in founders])
    other = np.array([position_of(founder, "another") for founder in founders])

    assert (found == [position_of(founder, "salt") for founder in founders]).all()
    assert 0 <= found.min() < found.max() < 1
    assert np.histogram(found, 10, (0, 1))[0] == pytest.approx([400] * 10, abs=80)
    assert abs(np.corrcoef(found, other)[0, 1]) < 0.05
    assert abs(np.corrcoef(found, np.arange(4_000))[0, 1]) < 0.05


@given(HALVES, st.integers(-1, 50))
def test_the_next_groups_are_the_first_of_the_reserve_that_were_not_drawn(
    rows: list[tuple[float, bool, bool]], n: int
) -> None:
    order = _order(rows)

    found = next_groups(order, RESERVED, n)

    positions = dict(zip(order.ids.tolist(), order.positions.tolist(), strict=True))
    free = [group for group, drawn in zip(order.ids.tolist(), order.drawn.tolist(), strict=True) if not drawn]
    reserve = [group for group in free if positions[group] < RESERVED]
    assert found.tolist() == sorted(reserve, key=lambda group: (positions[group], group))[: max(n, 0)]


def test_newcomers_under_the_cursor_come_first() -> None:
    order = _order([(0.01, True, True), (0.1, True, True), (0.2, False, False), (0.05, False, False)])

    assert next_groups(order, RESERVED, 5).tolist() == [4, 3]


def test_a_sample_ends_at_the_first_group_that_is_open_in_the_order_of_the_stream() -> None:
    order = _order([(0.2, True, True), (0.01, True, True), (0.1, True, False), (0.05, True, True), (0.3, True, True)])

    found = prefix(order, RESERVED, [], newest=9)

    assert (found.groups.tolist(), found.until) == ([2, 4], 9)


def test_a_sample_ends_at_the_share_and_before_what_was_not_drawn_yet() -> None:
    whole = _order([(0.01, True, True), (0.1, True, True), (0.3, True, True)])
    more = _order([(0.01, True, True), (0.1, True, True), (0.15, False, False), (0.2, False, False)])

    assert prefix(whole, RESERVED, [3], newest=3).groups.tolist() == [1, 2]
    assert prefix(more, RESERVED, [4], newest=4).groups.tolist() == [1, 2]


def test_without_a_group_that_was_drawn_the_sample_is_empty_and_speaks_of_today() -> None:
    found = prefix(_order([(0.1, False, False)]), RESERVED, [], newest=7)
    nobody = prefix(_order([]), RESERVED, [3], newest=0)

    assert (found.groups.tolist(), found.until) == ([], 7)
    assert (nobody.groups.tolist(), nobody.until) == ([], 0)


@pytest.mark.parametrize(
    ("collections", "until"),
    [
        ([], 3),  # as far as is sure
        ([2], 2),
        ([1, 2, 3], 3),
        ([3, 6], 3),  # the newer query did not catch up: group 4 was not drawn
        ([7], 3),
    ],
)
def test_a_newcomer_that_was_passed_leaves_the_sample_of_the_collection_before_it(
    collections: list[int], until: int
) -> None:
    order = _order([(0.01, True, True), (0.2, True, True), (0.1, True, True), (0.15, False, False), (0.02, True, True)])

    found = prefix(order, RESERVED, collections, newest=7)

    assert found.until == until
    assert found.groups.tolist() == [group for group in (1, 3, 2) if group <= until]


def test_once_the_newcomers_are_drawn_and_decided_the_sample_speaks_of_all() -> None:
    order = _order([(0.01, True, True), (0.2, True, True), (0.1, True, True)])
    drawn = replace(order, decided=np.array([True, True, False]))

    asked = prefix(drawn, RESERVED, [2, 3], newest=3)
    answered = prefix(order, RESERVED, [2, 3], newest=3)

    assert (asked.groups.tolist(), asked.until) == ([1], 3)
    assert (answered.groups.tolist(), answered.until) == ([1, 3, 2], 3)


def test_newcomers_have_a_sample_of_their_own_as_far_as_they_were_drawn_in_their_order() -> None:
    rows = [(0.01, True, True), (0.2, True, True), (0.1, True, True), (0.15, False, False), (0.02, True, True)]

    found = cohorts(_order(rows), RESERVED, [2, 5], newest=6)

    assert [(one.groups.tolist(), one.until) for one in found] == [([1, 2], 2), ([5, 3], 6)]


def test_a_group_that_was_not_ready_for_the_query_that_drew_others_cuts_only_the_sample_of_its_part() -> None:
    rows = [(0.1, False, False), (0.2, True, True), (0.05, True, True), (0.04, True, True)]

    assert [(one.groups.tolist(), one.until) for one in cohorts(_order(rows), RESERVED, [3], newest=4)] == [
        ([3], 3),
        ([4], 4),
    ]


@given(HALVES, st.lists(st.integers(1, 40), max_size=5).map(sorted))
def test_cohorts_cover_the_project_once_and_each_sample_is_all_of_its_part_before_its_end(
    rows: list[tuple[float, bool, bool]], collections: list[int]
) -> None:
    order, collections = _order(rows), [until for until in collections if until <= len(rows)]

    found = cohorts(order, RESERVED, collections, newest=len(rows))

    ends = [one.until for one in found]
    assert ends == sorted(set(ends)) and ends[-1] == len(rows)
    assert found[0].until == prefix(order, RESERVED, collections, newest=len(rows)).until
    for begin, one in zip([0, *ends], found, strict=False):
        part = order.take((order.ids > begin) & (order.ids <= one.until))
        last = part.positions[part.ids == one.groups[-1]].item() if len(one.groups) else -1.0
        assert set(one.groups) == set(part.ids[part.positions <= last])
        assert part.decided[np.isin(part.ids, one.groups)].all()


@given(HALVES, st.lists(st.integers(1, 40), max_size=5).map(sorted))
def test_every_group_of_the_collection_before_the_end_of_a_sample_is_in_it(
    rows: list[tuple[float, bool, bool]], collections: list[int]
) -> None:
    order = _order(rows)

    found = prefix(order, RESERVED, collections, newest=len(rows))

    at = found.groups - 1
    assert order.decided[at].all()
    assert (np.diff(order.positions[at]) >= 0).all()
    if len(at):
        before = (order.positions < order.positions[at].max()) & (order.ids <= found.until)
        assert set(order.ids[before].tolist()) <= set(found.groups.tolist())


@pytest.mark.parametrize(
    ("groups", "share"), [(0, 0.25), (1, 0.25), (1_200, 0.25), (1_201, 300 / 1_201), (30_000, 0.01)]
)
def test_a_quarter_is_reserved_up_to_1200_groups_then_300(groups: int, share: float) -> None:
    assert reserved_share(groups) == pytest.approx(share)
    assert PLANNED / RESERVED == 1_200


@given(st.lists(st.tuples(st.integers(0, 100_000), st.floats(0, 1)), min_size=1, max_size=20))
def test_the_share_never_rises_and_what_was_drawn_stays_reserved(steps: list[tuple[int, float]]) -> None:
    """The cursor moves anywhere within the reserve; the number of groups may also fall."""
    share, cursor = RESERVED, 0.0
    for groups, moved in steps:
        cursor = max(cursor, moved * np.nextafter(share, 0))

        after = reserved_share(groups, share, cursor=cursor)

        assert 0 < after <= share
        assert cursor < after or cursor == 0
        share = after


def _replay(
    seed: int, *, queries: int = 12, groups: int = 200, arrive_at: int | None = None, more: int = 0
) -> tuple[float, int]:
    """A project played: the strategy asks the hardest of what is not reserved, the stream its share, people answer.

    The groups that arrive are easier. Returns how far the sample's share of right answers is from that of the
    collection that it speaks of, and its size.
    """
    rng = np.random.default_rng(seed)
    hardness, positions = rng.random(groups), rng.random(groups)
    drawn = asked = np.zeros(groups, bool)
    collections = []
    for number in range(queries):
        if number == arrive_at:
            hardness = np.concatenate([hardness, rng.random(more) * 0.4])
            positions = np.concatenate([positions, rng.random(more)])
            drawn, asked = (np.concatenate([one, np.zeros(more, bool)]) for one in (drawn, asked))
        order = Order(np.arange(1, len(positions) + 1), positions, drawn, drawn, np.zeros(len(positions), bool))
        drawn = drawn.copy()
        drawn[next_groups(order, RESERVED, 3) - 1] = True
        free = np.flatnonzero((positions >= RESERVED) & ~asked)
        asked = asked.copy()
        asked[free[np.argsort(-hardness[free])[:12]]] = True
        collections.append(len(positions))
    # A few answers are missing.
    waiting = np.flatnonzero(drawn)[rng.random(int(drawn.sum())) < 0.05]
    decided = drawn.copy()
    decided[waiting] = False
    order = Order(np.arange(1, len(positions) + 1), positions, drawn, decided, np.zeros(len(positions), bool))
    sample = prefix(order, RESERVED, collections, newest=len(positions))
    at = sample.groups - 1
    return (float(hardness[at].mean() - hardness[: sample.until].mean()) if len(at) else 0.0), len(at)


@pytest.mark.parametrize(
    ("arrive_at", "more"), [(None, 0), (6, 40), (6, 600), (11, 600), (2, 2_000)], ids=lambda value: str(value)
)
def test_a_sample_is_uniform_whatever_is_asked_away_and_whoever_arrives(arrive_at: int | None, more: int) -> None:
    found = [_replay(seed, arrive_at=arrive_at, more=more) for seed in range(300)]

    errors, sizes = np.array([error for error, n in found if n]), np.array([n for _, n in found])
    assert (sizes > 0).mean() > 0.8
    assert sizes.mean() > 5
    assert abs(errors.mean()) < 3 * errors.std() / np.sqrt(len(errors))
    assert abs(errors.mean()) < 0.03
