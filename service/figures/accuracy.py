"""The figures of the quality page: how right the classifier is, what people kept, which images are hard."""

from __future__ import annotations

import msgspec

from labeling.answers import AnswerSet
from service.figures.estimates import Accuracy, Share

__all__ = [
    "Acceptance",
    "Cell",
    "Confusion",
    "Guess",
    "HardImage",
    "Hardest",
    "AccuracyByVersion",
    "LabelsBySource",
    "OneClass",
    "OneVersion",
    "Round",
    "Rounds",
]


class OneVersion(Accuracy, kw_only=True):
    """One version on the random stream."""

    version: int
    """Its number."""
    promoted: bool
    """Whether it ever was."""
    champion: bool
    """Whether it is now."""


class AccuracyByVersion(msgspec.Struct):
    """How often each version is right on the random stream; it has a plot.

    Measured on those of today's labels that the version has predicted; for a version that never served, what was
    measured when it was fitted. "None of these" counts as an error.
    """

    versions: list[OneVersion]
    """The oldest first."""

    @property
    def drawable(self) -> bool:
        """Whether there is enough for a plot."""
        return any(one.known for one in self.versions)

    @property
    def champion(self) -> OneVersion | None:
        return next((one for one in self.versions if one.champion), None)


class Cell(msgspec.Struct):
    """How often people said one class and the classifier one."""

    truth: int | None
    """What people said, as a position in `classes`; null for "none of these"."""
    said: int
    """What the classifier said, as a position."""
    count: int


class Confusion(msgspec.Struct):
    """What people said of images of the random stream against what the champion says; it has a plot."""

    version: int | None
    """The champion; null while there is none."""
    n: int
    """The number of images."""
    known: bool
    """Whether these are at least 30."""
    classes: list[str]
    """The label set in order."""
    counts: list[Cell]
    """Only cells that are not zero."""

    @property
    def drawable(self) -> bool:
        """Whether there is enough for a plot."""
        return self.n > 0

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

    def recall(self, position: int) -> tuple[int, int]:
        """How many images of the class at this position the champion gets right, and of how many."""
        row = [cell for cell in self.counts if cell.truth == position]
        return sum(cell.count for cell in row if cell.said == position), sum(cell.count for cell in row)


class OneClass(Share, kw_only=True):
    """How often people kept a pre-label of one class."""

    label: str
    shown: int
    """Answers that saw it."""
    kept: int
    """Answers that kept it."""


class Acceptance(msgspec.Struct):
    """How often people kept the pre-label that stood selected; it has a plot. Blind reviews do not count.

    A pre-label that is kept is not therefore right: people who see an answer tend to keep it, which is why some reviews
    are blind.
    """

    all: OneClass
    """All classes together."""
    classes: list[OneClass]

    @property
    def drawable(self) -> bool:
        """Whether there is enough for a plot."""
        return self.all.shown > 0


class Guess(msgspec.Struct):
    """A class and how sure its giver was."""

    label: str
    probability: float


class HardImage(msgspec.Struct):
    """One image that was hard: what was suggested, and what people said."""

    image_id: int
    content_hash: str
    review_id: int
    kind: str
    """The kind of the review."""
    ls_task_id: int | None
    """Null until it stands in Label Studio."""
    doubt: float
    """1 minus the difference of the two best probabilities."""
    prelabel: Guess | None
    champion: Guess | None
    answer: str | None
    """Null while there is no label."""


class Hardest(msgspec.Struct):
    """Up to 24 of the images that were asked lately, the most doubtful first.

    Open blind reviews are left out, so that this page does not show what a blind task hides.
    """

    images: list[HardImage]


class LabelsBySource(msgspec.Struct):
    """How many images have a label, by where it comes from."""

    sources: dict[str, int]
    """`people`, `certificate`, `gold` and `import`."""


class Round(Accuracy, kw_only=True):
    """One version, as things stood when it was fitted."""

    version: int
    at: str
    """When it was fitted."""
    labels_by_people: int
    """How many images had a label by people then."""
    random_labels: int
    calibrated_by: str
    """How shown probabilities are calibrated: by `temperature`, or by `temperature and biases` where that is better on
    labels that it was not fitted on (tried from 300 labels on); `nothing yet` with less than 40."""
    calibrated_on: int
    """How many labels that rests on."""
    promoted: bool
    """Whether it ever was."""
    verdict: str | None
    """The newest about it; null: not judged yet."""
    reasons: list[str]
    """Those of the verdict."""
    triggers: list[str]
    """What made the version and its verdicts."""


class Rounds(msgspec.Struct):
    """All versions as they came. The plot is the learning curve, from the second known accuracy on."""

    rounds: list[Round]
    """The oldest first."""

    @property
    def drawable(self) -> bool:
        """Whether there is enough for a plot."""
        return sum(one.known for one in self.rounds) > 1
