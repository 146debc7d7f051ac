"""Which part of an exported data set a label goes to: nothing of the hold-out, and nothing unfit, is in train."""

from __future__ import annotations

import itertools

import pytest

from labeling.review.kinds import Split, Use, may_use, split_of
from labeling.types import NONE_OF_THESE, LabelSource, ReviewKind, Side

POOL, HOLDOUT = Side.POOL, Side.HOLDOUT
PEOPLE, IMPORT, GOLD = LabelSource.PEOPLE, LabelSource.IMPORT, LabelSource.GOLD
EVERY = list(itertools.product(["cat", NONE_OF_THESE], [None, *ReviewKind], LabelSource, [None, *Side], [False, True]))


def test_nothing_of_the_holdout_and_no_kind_that_may_not_be_learnt_from_is_in_train() -> None:
    train = [case for case in EVERY if split_of(*case) is Split.TRAIN]

    assert train
    for label, kind, source, side, bridge in train:
        assert side is POOL and not bridge and (source, kind) != (GOLD, None) and label != NONE_OF_THESE
        assert kind is None or may_use(kind, Use.TRAIN)


def test_test_is_the_holdout_and_nothing_else() -> None:
    test = [case for case in EVERY if split_of(*case) is Split.TEST]

    assert test
    assert all(side is HOLDOUT and not bridge for _, _, _, side, bridge in test)


@pytest.mark.parametrize(
    ("case", "split"),
    [
        (("cat", ReviewKind.HARD, PEOPLE, POOL), Split.TRAIN),
        (("cat", None, IMPORT, POOL), Split.TRAIN),
        (("cat", None, PEOPLE, POOL), Split.TRAIN),
        (("cat", ReviewKind.EVALUATION, PEOPLE, HOLDOUT), Split.TEST),
        ((NONE_OF_THESE, ReviewKind.EVALUATION, PEOPLE, HOLDOUT), Split.TEST),
        (("cat", ReviewKind.CALIBRATION, PEOPLE, POOL), Split.OTHER),
        (("cat", None, GOLD, POOL), Split.OTHER),
        (("cat", ReviewKind.HARD, GOLD, POOL), Split.TRAIN),  # gold of agreement
        (("cat", ReviewKind.GOLD, PEOPLE, HOLDOUT), Split.OTHER),
        (("cat", None, LabelSource.CERTIFICATE, POOL), Split.OTHER),
        (("cat", ReviewKind.HARD, PEOPLE, None), Split.OTHER),
        ((NONE_OF_THESE, ReviewKind.HARD, PEOPLE, POOL), Split.OTHER),
    ],
)
def test_where_a_label_goes(case: tuple[str, ReviewKind | None, LabelSource, Side | None], split: Split) -> None:
    assert split_of(*case) is split
