"""Which part of an exported data set a label goes to: nothing that measures, and nothing unfit, is in train."""

from __future__ import annotations

import itertools

import pytest

from labeling.review.kinds import Split, Use, may_use, split_of
from labeling.types import NONE_OF_THESE, LabelSource, ReviewKind

FREE, RESERVED = False, True
PEOPLE, IMPORT, GOLD, SAMPLE = LabelSource.PEOPLE, LabelSource.IMPORT, LabelSource.GOLD, LabelSource.SAMPLE
EVERY = list(itertools.product(["cat", NONE_OF_THESE], [None, *ReviewKind], LabelSource, [None, FREE, RESERVED]))


def test_nothing_of_the_reserve_and_no_kind_that_may_not_be_learnt_from_is_in_train() -> None:
    train = [case for case in EVERY if split_of(*case) is Split.TRAIN]

    assert train
    for label, kind, source, reserved in train:
        assert reserved is FREE and (source, kind) != (GOLD, None) and label != NONE_OF_THESE
        assert kind is None or may_use(kind, Use.TRAIN)


def test_test_is_the_random_stream_and_what_was_imported_as_a_random_sample_and_nothing_else() -> None:
    test = [case for case in EVERY if split_of(*case) is Split.TEST]

    assert test
    assert all(reserved is not None for *_, reserved in test)
    assert all(kind is ReviewKind.RANDOM or source is SAMPLE for _, kind, source, _ in test)


@pytest.mark.parametrize(
    ("case", "split"),
    [
        (("cat", ReviewKind.HARD, PEOPLE, FREE), Split.TRAIN),
        (("cat", None, IMPORT, FREE), Split.TRAIN),
        (("cat", None, PEOPLE, FREE), Split.TRAIN),
        (("cat", ReviewKind.RANDOM, PEOPLE, RESERVED), Split.TEST),
        ((NONE_OF_THESE, ReviewKind.RANDOM, PEOPLE, RESERVED), Split.TEST),
        (("cat", ReviewKind.HARD, PEOPLE, RESERVED), Split.OTHER),
        (("cat", None, IMPORT, RESERVED), Split.OTHER),
        (("cat", None, SAMPLE, RESERVED), Split.TEST),
        (("cat", None, SAMPLE, FREE), Split.TEST),
        (("cat", None, SAMPLE, None), Split.OTHER),
        (("cat", None, GOLD, FREE), Split.OTHER),
        (("cat", ReviewKind.HARD, GOLD, FREE), Split.TRAIN),  # gold of agreement
        (("cat", ReviewKind.GOLD, PEOPLE, RESERVED), Split.OTHER),
        (("cat", ReviewKind.AUDIT, PEOPLE, FREE), Split.OTHER),
        (("cat", None, LabelSource.CERTIFICATE, FREE), Split.OTHER),
        (("cat", ReviewKind.HARD, PEOPLE, None), Split.OTHER),
        (("cat", ReviewKind.RANDOM, PEOPLE, None), Split.OTHER),
        ((NONE_OF_THESE, ReviewKind.HARD, PEOPLE, FREE), Split.OTHER),
    ],
)
def test_where_a_label_goes(case: tuple[str, ReviewKind | None, LabelSource, bool | None], split: Split) -> None:
    assert split_of(*case) is split
