"""The allowed uses of each kind of review; nothing else decides this.

In: a kind and a use, and whether the image's group is reserved for the random stream. Out: yes or no. Every training
set, temperature, gate, figure and certificate uses this table; `docs/reference/kinds.md` shows the same table, and a
test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum

from labeling.answers import is_none
from labeling.types import LabelSource, ReviewKind

__all__ = ["Split", "Use", "blind_always", "kinds_for", "may_teach", "may_use", "split_of"]


class Use(StrEnum):
    """What a label can be used for."""

    TRAIN = "train"
    MEASURE = "measure"
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
    ReviewKind.RANDOM: frozenset({Use.MEASURE}),
    ReviewKind.AUDIT: frozenset({Use.PRECISION}),
    ReviewKind.GOLD: frozenset({Use.ANNOTATORS}),
}

_BLIND = frozenset({ReviewKind.RANDOM, ReviewKind.AUDIT, ReviewKind.GOLD})


def may_use(kind: ReviewKind, use: Use) -> bool:
    """Whether an answer to a review of this kind may be put to this use.

    >>> may_use(ReviewKind.RANDOM, Use.TRAIN)
    False
    """
    return use in _TABLE[kind]


def kinds_for(use: Use) -> tuple[ReviewKind, ...]:
    """All kinds whose answers may be put to this use.

    >>> [kind.value for kind in kinds_for(Use.TRAIN)]
    ['hard', 'relabel']
    """
    return tuple(kind for kind in ReviewKind if may_use(kind, use))


def may_teach(kind: ReviewKind | None, source: LabelSource, reserved: bool) -> bool:
    """Whether a label may be learnt from: by kind, or given by an import or a lead; never one of a reserved group.

    What was imported as a random sample is of another source, and never may.

    `kind` is None for a label that no review made.

    >>> may_teach(ReviewKind.HARD, LabelSource.PEOPLE, reserved=True)
    False
    """
    if reserved:
        return False
    return source in (LabelSource.IMPORT, LabelSource.PEOPLE) if kind is None else may_use(kind, Use.TRAIN)


def blind_always(kind: ReviewKind) -> bool:
    """Whether reviews of this kind never show a pre-label, whatever the policy says."""
    return kind in _BLIND


def split_of(label: str, kind: ReviewKind | None, source: LabelSource, reserved: bool | None) -> Split:
    """Where an exported label belongs: train is what may be learnt from, test is the random stream, other is the rest.

    What was imported as a random sample is of the stream. Other are given gold and audit answers, images with no group
    yet (`reserved` is None), what people or an import said of a reserved image that the stream has not asked about, and
    "none of these" where it would train. `kind` is None for a label that no review made; gold of agreement keeps the
    kind of the review that it comes from.

    >>> split_of("cat", ReviewKind.RANDOM, LabelSource.PEOPLE, reserved=True)
    <Split.TEST: 'test'>
    """
    if reserved is None:
        return Split.OTHER
    if kind is ReviewKind.RANDOM or source is LabelSource.SAMPLE:
        return Split.TEST
    return Split.TRAIN if may_teach(kind, source, reserved) and not is_none(label) else Split.OTHER
