"""The allowed uses of each kind of review; nothing else decides this.

In: a kind and a use. Out: yes or no. Every training set, temperature, gate, figure and certificate uses
this table; `docs/reference/kinds.md` shows the same table, and a test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum

from labeling.answers import is_none
from labeling.types import LabelSource, ReviewKind, Side

__all__ = ["Split", "Use", "blind_always", "kinds_for", "may_use", "side_of", "split_of"]


class Use(StrEnum):
    """What a label can be used for."""

    TRAIN = "train"
    TEMPERATURE = "temperature"
    GATE = "gate"
    CERTIFICATE = "certificate"
    PRECISION = "precision of accepted labels"
    ANNOTATORS = "annotators"


class Split(StrEnum):
    """The part of an exported data set that a label goes to."""

    TRAIN = "train"
    TEST = "test"
    OTHER = "other"


_TABLE: dict[ReviewKind, frozenset[Use]] = {
    ReviewKind.HARD: frozenset({Use.TRAIN}),
    ReviewKind.RELABEL: frozenset({Use.TRAIN}),
    ReviewKind.CONTROL: frozenset({Use.TRAIN}),
    ReviewKind.EVALUATION: frozenset({Use.GATE}),
    ReviewKind.CALIBRATION: frozenset({Use.TEMPERATURE, Use.CERTIFICATE}),
    ReviewKind.AUDIT: frozenset({Use.PRECISION}),
    ReviewKind.GOLD: frozenset({Use.ANNOTATORS}),
}

_BLIND = frozenset({ReviewKind.EVALUATION, ReviewKind.CALIBRATION, ReviewKind.AUDIT, ReviewKind.GOLD})


def may_use(kind: ReviewKind, use: Use) -> bool:
    """Whether an answer to a review of this kind may be put to this use.

    >>> may_use(ReviewKind.EVALUATION, Use.TRAIN)
    False
    """
    return use in _TABLE[kind]


def kinds_for(use: Use) -> tuple[ReviewKind, ...]:
    """All kinds whose answers may be put to this use.

    >>> [kind.value for kind in kinds_for(Use.TRAIN)]
    ['hard', 'relabel', 'control']
    """
    return tuple(kind for kind in ReviewKind if may_use(kind, use))


def blind_always(kind: ReviewKind) -> bool:
    """Whether reviews of this kind never show a pre-label, whatever the policy says."""
    return kind in _BLIND


def side_of(kind: ReviewKind) -> Side:
    """The side of the hold-out that this kind is drawn from; gold images are given, from either side."""
    return Side.HOLDOUT if kind is ReviewKind.EVALUATION else Side.POOL


def split_of(
    label: str, kind: ReviewKind | None, source: LabelSource, side: Side | None, bridge: bool = False
) -> Split:
    """Where an exported label belongs: train is what may be learnt from, test is the hold-out, other is the rest.

    Other are given gold, calibration and audit answers, bridges, images without a group yet, and "none of these" in the
    pool. `kind` is None for a label that no review made.

    >>> split_of("cat", ReviewKind.EVALUATION, LabelSource.PEOPLE, Side.HOLDOUT)
    <Split.TEST: 'test'>
    """
    given_gold = source is LabelSource.GOLD and kind is None
    if bridge or side is None or given_gold or kind is ReviewKind.GOLD:
        return Split.OTHER
    if side is Side.HOLDOUT:
        return Split.TEST
    given = kind is None and source in (LabelSource.IMPORT, LabelSource.PEOPLE)
    learnt_from = given or (kind is not None and may_use(kind, Use.TRAIN))
    return Split.TRAIN if learnt_from and not is_none(label) else Split.OTHER
