"""The hash of what a version was fitted on."""

from __future__ import annotations

from dataclasses import replace

from labeling.learn.snapshot import Snapshot, make_snapshot
from labeling.types import NONE_OF_THESE, Example, ImageId, ReviewKind


def example(image: int, label: str = "cat") -> Example:
    return Example(ImageId(image), image, label, ReviewKind.HARD, 100 + image, f"{image:064x}")


def snapshot(*train: Example, temperature: tuple[Example, ...] = (), last_label_id: int = 200) -> Snapshot:
    return make_snapshot(train, temperature, ("cat", "dog"), last_label_id)


def test_the_order_and_the_newest_label_do_not_matter_to_the_hash() -> None:
    one, two = example(1), example(2)

    assert snapshot(one, two).hash == snapshot(two, one, last_label_id=300).hash


def test_a_changed_label_changes_the_hash_and_so_does_its_use() -> None:
    one, two = example(1), example(2)

    hashes = {
        snapshot(one, two).hash,
        snapshot(one, replace(two, label="dog")).hash,
        snapshot(one, replace(two, label_id=999)).hash,
        snapshot(one, temperature=(two,)).hash,
        snapshot(one).hash,
    }

    assert len(hashes) == 5


def test_none_of_these_teaches_no_class() -> None:
    assert snapshot(example(1), example(2, NONE_OF_THESE)).hash == snapshot(example(1)).hash


def test_what_is_left_out_leaves_the_hash() -> None:
    assert snapshot(example(1), example(2)).without([102]).hash == snapshot(example(1)).hash
