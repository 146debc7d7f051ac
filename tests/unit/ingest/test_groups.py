"""Near-duplicate groups: joining, becoming one, coming apart by labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.ingest.fingerprints import Fingerprints
from labeling.ingest.groups import Group, Neighbour, are_too_many, divide, group, place
from labeling.ingest.twins import NOTHING, TwinRule
from tests.unit.ingest.test_twin_index import made_up, with_bits_turned

RULE = TwinRule(30.0, 30.0)


def near(*names: str) -> list[Neighbour]:
    return [Neighbour(name, float(at)) for at, name in enumerate(names)]


def test_an_image_joins_the_group_of_its_nearest_twin_or_founds_one() -> None:
    placed = place(["c", "d"], {"c": near("b")}, {"b": Group("a", 1)}, {})

    assert placed.founders == ("a", "d")
    assert placed.joined == {}


def test_an_image_that_is_near_to_two_groups_makes_them_one_the_older() -> None:
    placed = place(["c"], {"c": near("young", "old")}, {"young": Group("young", 7), "old": Group("old", 2)}, {})

    assert placed.founders == ("old",)
    assert placed.joined == {"young": "old"}


def test_groups_with_different_labels_never_become_one() -> None:
    groups = {"a": Group("a", 1, frozenset({"cat"})), "b": Group("b", 2, frozenset({"dog"}))}

    placed = place(["c"], {"c": near("b", "a")}, groups, {})

    assert placed.founders == ("b",)
    assert placed.joined == {}


def test_an_image_with_another_label_than_its_twin_stays_apart() -> None:
    placed = place(["b"], {"b": near("a")}, {"a": Group("a", 1, frozenset({"cat"}))}, {"b": "dog"})

    assert placed.founders == ("b",)


def test_images_that_arrive_together_join_each_other() -> None:
    placed = place(["a", "b", "c"], {"b": near("a"), "c": near("b")}, {}, {})

    assert placed.founders == ("a", "a", "a")
    assert placed.joined == {}


def test_grouping_finds_the_families_of_a_pool() -> None:
    rng = np.random.default_rng(0)
    originals = made_up(400, rng)
    copies = with_bits_turned(originals, 10, rng)
    names = [f"o{at}" for at in range(400)] + [f"c{at}" for at in range(400)]
    both = Fingerprints(*(np.concatenate([getattr(p, f) for p in (originals, copies)]) for f in Fingerprints.__slots__))

    founders = group(both, names, RULE, {})

    assert founders[:400] == tuple(names[:400])
    assert np.mean([one == other for one, other in zip(founders[400:], names[:400], strict=True)]) >= 0.95
    assert group(both, names, NOTHING, {}) == tuple(names)


def test_grouping_the_same_images_again_gives_the_same_groups() -> None:
    images = made_up(50, np.random.default_rng(1))
    names = [str(at) for at in range(50)]

    assert group(images, names, TwinRule(110.0, 110.0), {}) == group(images, names, TwinRule(110.0, 110.0), {})


def test_members_with_different_labels_come_apart_and_the_rest_goes_with_the_nearest() -> None:
    rng = np.random.default_rng(2)
    two = made_up(2, rng)
    four = two[np.array([0, 1, 1, 0])]

    parts = divide(four, ["a", "b", "c", "d"], {"a": "cat", "b": "dog"})

    assert parts == ("a", "b", "b", "a")


def test_members_with_one_label_stay_together_though_nothing_is_known_of_how_near_they_are() -> None:
    assert divide(Fingerprints.read([b""] * 3), ["a", "b", "c"], {"a": "cat", "c": "cat"}) == ("a", "a", "a")


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["cat", "dog", "owl", None]), min_size=1, max_size=12), st.integers(0, 2**16))
def test_no_part_ever_holds_two_labels(given_labels: list[str | None], seed: int) -> None:
    images = made_up(len(given_labels), np.random.default_rng(seed))
    names = [f"{at:02}" for at in range(len(given_labels))]
    labels = {name: label for name, label in zip(names, given_labels, strict=True) if label is not None}

    parts = divide(images, names, labels)

    for founder in set(parts):
        assert (
            len({labels[name] for name, part in zip(names, parts, strict=True) if part == founder and name in labels})
            <= 1
        )


@pytest.mark.parametrize(
    ("joined", "of", "too_many"), [(1, 1, False), (49, 49, False), (10, 50, False), (11, 50, True)]
)
def test_more_than_a_fifth_of_many_is_too_many(joined: int, of: int, too_many: bool) -> None:
    assert are_too_many(joined, of) is too_many
