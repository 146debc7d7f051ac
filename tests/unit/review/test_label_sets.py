"""Canonical lines, their hash, and what differs between two states of a project's labels."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.errors import Invalid
from labeling.review.label_sets import Change, Entry, compare, entry_of, line_of, state_hash

NAMES = st.sampled_from(["cat", "dog", "chou-fleur à l’eau", '"quoted"\n', "none of these"])
SOFT = st.none() | st.dictionaries(NAMES, st.floats(0, 1), min_size=1)
ENTRIES = st.builds(
    Entry,
    content_hash=st.text("0123456789abcdef", min_size=1, max_size=3),
    label=NAMES,
    source=st.sampled_from(["people", "import", "gold"]),
    kind=st.none() | st.sampled_from(["hard", "random"]),
    decided=st.sampled_from(["", "correction"]),
    answers=st.dictionaries(NAMES, st.integers(1, 5)),
    soft_label=SOFT,
)
STATES = st.lists(ENTRIES, unique_by=lambda entry: entry.content_hash, max_size=6).map(
    lambda entries: sorted(entries, key=lambda entry: entry.content_hash)
)
CAT = Entry("0a", "cat", "people", "hard", "", {"cat": 2, "dog": 1}, {"dog": 0.3, "cat": 0.7})


def test_a_line_is_plain_sorted_json_in_utf_8() -> None:
    line = line_of(CAT)

    assert line == (
        b'{"answers":{"cat":2,"dog":1},"content_hash":"0a","decided":"","kind":"hard","label":"cat",'
        b'"soft_label":{"cat":0.7,"dog":0.3},"source":"people"}\n'
    )


@given(ENTRIES)
def test_a_line_gives_its_entry_back_and_holds_no_line_feed_but_its_own(entry: Entry) -> None:
    line = line_of(entry)

    assert entry_of(line) == entry
    assert line.count(b"\n") == 1


@given(ENTRIES)
def test_the_order_in_which_answers_and_classes_came_does_not_matter(entry: Entry) -> None:
    turned = Entry(
        entry.content_hash, entry.label, entry.source, entry.kind, entry.decided,
        dict(reversed(list(entry.answers.items()))),
        None if entry.soft_label is None else dict(reversed(list(entry.soft_label.items()))),
    )  # fmt: skip

    assert line_of(turned) == line_of(entry)


@given(STATES, STATES)
def test_two_states_have_the_same_hash_only_if_they_are_the_same(one: list[Entry], other: list[Entry]) -> None:
    same = state_hash(map(line_of, one)) == state_hash(map(line_of, other))

    assert same == (one == other)


@given(STATES)
def test_a_state_compared_with_itself_differs_in_nothing(state: list[Entry]) -> None:
    found = compare(state, state)

    assert (found.added, found.removed, found.changed, found.restated, found.counts) == ((), (), (), (), [])
    assert found.same == len(state)


@given(STATES, STATES)
def test_compared_the_other_way_round_everything_is_the_other_way_round(one: list[Entry], other: list[Entry]) -> None:
    there, back = compare(one, other), compare(other, one)

    assert there.added == _turned(back.removed)
    assert there.removed == _turned(back.added)
    assert there.changed == _turned(back.changed)
    assert there.restated == _turned(back.restated)
    assert sorted(map(str, there.counts)) == sorted(str((after, before, n)) for before, after, n in back.counts)


@given(STATES, STATES)
def test_every_image_of_either_state_is_counted_once(one: list[Entry], other: list[Entry]) -> None:
    found = compare(one, other)

    differing = (*found.added, *found.removed, *found.changed, *found.restated)
    assert len(differing) + found.same == len({e.content_hash for e in (*one, *other)})
    assert {change.content_hash for change in found.added} == _hashes(other) - _hashes(one)


def test_changes_are_counted_from_class_to_class_most_first() -> None:
    before = [Entry(f"{n}", "cat", "people", None, "", {}, None) for n in range(4)]
    after = [Entry(f"{n}", "dog" if n < 2 else "bird", "people", None, "", {}, None) for n in range(3)]

    found = compare(before, after)

    assert found.counts == [("cat", "dog", 2), ("cat", None, 1), ("cat", "bird", 1)]


def test_the_same_label_for_other_reasons_is_restated() -> None:
    after = Entry("0a", "cat", "people", "hard", "correction", {}, None)

    found = compare([CAT], [after])

    assert (found.changed, found.restated) == ((), (Change(CAT, after),))


@pytest.mark.parametrize("entries", [[CAT, CAT], [Entry("0b", "cat", "people", None, "", {}, None), CAT]])
def test_entries_out_of_order_are_refused(entries: list[Entry]) -> None:
    with pytest.raises(Invalid, match="order of their content hashes"):
        compare(entries, [])


@pytest.mark.parametrize("line", [b"", b"[]", b"\xff", b'{"content_hash": 1}', json.dumps({"label": "cat"}).encode()])
def test_a_line_that_is_not_ours_is_refused(line: bytes) -> None:
    with pytest.raises(Invalid, match="not one of ours"):
        entry_of(line)


def _turned(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    return tuple(Change(change.after, change.before) for change in changes)


def _hashes(entries: list[Entry]) -> set[str]:
    return {entry.content_hash for entry in entries}
