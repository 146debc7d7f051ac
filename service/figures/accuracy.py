"""The figures of the quality page: one struct each, as stored."""

from __future__ import annotations

import msgspec

from labeling.answers import AnswerSet


class Known(msgspec.Struct, kw_only=True):
    """A share with its interval, and on how many images it rests; its numbers are null while not yet known."""

    known: bool
    n: int
    lower: float | None
    upper: float | None


class OneVersion(Known):
    """One version on the hold-out."""

    version: int
    promoted: bool
    champion: bool
    accuracy: float | None


class ByVersion(msgspec.Struct):
    """Hold-out accuracy, oldest version first."""

    versions: list[OneVersion]


class OneClass(Known):
    """How often people kept a pre-label of one class."""

    label: str
    shown: int
    kept: int
    share: float | None


class Acceptance(msgspec.Struct):
    """How often people kept pre-labels, over all and by class."""

    all: OneClass
    classes: list[OneClass]


class Cell(msgspec.Struct):
    """How often people said `truth` (null = none of these) and the classifier `said`; positions in `classes`."""

    truth: int | None
    said: int
    count: int


class Confusion(msgspec.Struct):
    """The champion's errors; only cells that are not zero."""

    version: int | None
    n: int
    known: bool
    classes: list[str]
    counts: list[Cell]

    def errors(self) -> list[tuple[str, str, int]]:
        """What people said, what the classifier said and how often, where the two differ; the most first."""
        wrong = [cell for cell in self.counts if cell.truth != cell.said]
        answers = AnswerSet(tuple(self.classes))
        return [
            (
                answers.labels[answers.none_code if cell.truth is None else cell.truth],
                self.classes[cell.said],
                cell.count,
            )
            for cell in sorted(wrong, key=lambda cell: -cell.count)
        ]


class Guess(msgspec.Struct):
    """A class and how sure its giver was."""

    label: str
    probability: float


class HardImage(msgspec.Struct):
    """One image that was hard: what was suggested, and what people said."""

    image_id: int
    content_hash: str
    kind: str
    ls_task_id: int | None
    prelabel: Guess | None
    champion: Guess | None
    answer: str | None


class Hardest(msgspec.Struct):
    """The hardest images, hardest first."""

    images: list[HardImage]


class Round(Known):
    """One version with the labels it was learnt from and the verdict on it."""

    version: int
    labels_by_people: int
    accuracy: float | None
    verdict: str | None
    reasons: list[str]


class Rounds(msgspec.Struct):
    """All rounds, oldest first."""

    rounds: list[Round]
