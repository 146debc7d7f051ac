"""The terms of the product as frozen values; every layer uses them.

One word, one meaning: see docs/reference/vocabulary.md. Times are aware UTC datetimes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

__all__ = [
    "NONE_OF_THESE",
    "UNSURE",
    "Actor",
    "AnnotationAction",
    "DeletionKind",
    "Evidence",
    "Example",
    "ISSUES",
    "ImageChecks",
    "ImageId",
    "Incoming",
    "KeyId",
    "LabelSource",
    "Outcome",
    "Prelabel",
    "ProjectId",
    "QueryId",
    "RegistrationId",
    "ReviewId",
    "ReviewKind",
    "SourceId",
    "Verdict",
    "VersionId",
]

ProjectId = NewType("ProjectId", int)
SourceId = NewType("SourceId", int)
RegistrationId = NewType("RegistrationId", int)
ImageId = NewType("ImageId", int)
QueryId = NewType("QueryId", int)
ReviewId = NewType("ReviewId", int)
VersionId = NewType("VersionId", int)
KeyId = NewType("KeyId", int)

NONE_OF_THESE = "none of these"
"""The answer that no class of the label set fits. A label, but of no class: never trained on."""
UNSURE = "unsure"
"""The answer of a person who cannot decide. It closes a review and makes no label."""


class ReviewKind(StrEnum):
    """Why an image was asked for; decides what the answer may be used for (labeling.review.kinds)."""

    HARD = "hard"
    RELABEL = "relabel"
    RANDOM = "random"
    AUDIT = "audit"
    GOLD = "gold"


class Outcome(StrEnum):
    """The result of an engine for an image. Only LABEL has an answer of the label set."""

    LABEL = "label"
    NONE_OF_THESE = "none of these"
    ABSTAINED = "abstained"


class LabelSource(StrEnum):
    """Who says that a label is true."""

    PEOPLE = "people"
    CERTIFICATE = "certificate"
    GOLD = "gold"
    IMPORT = "import"
    SAMPLE = "sample"
    """Imported too, and by the project file a random sample of the images: it measures and never teaches."""


class AnnotationAction(StrEnum):
    """What a person did with a review: answered, skipped, or took the answer back."""

    ANSWERED = "answered"
    SKIPPED = "skipped"
    WITHDRAWN = "withdrawn"


class DeletionKind(StrEnum):
    """What a person can have deleted for good."""

    IMAGE = "image"
    SOURCE = "source"
    ANNOTATOR = "annotator"
    PROJECT = "project"


class Verdict(StrEnum):
    """What `promote` decided about a version."""

    PROMOTED = "promoted"
    REFUSED = "refused"
    NO_CHANGE = "no change"
    NOT_YET_KNOWN = "not yet known"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, why, and when; kept with every fact that a person decided."""

    author: str
    reason: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Incoming:
    """Something named as an image, before it is registered: where it is, and what came with it.

    `reference` is its name in the project; a known reference with another `fingerprint` is its next revision.
    """

    reference: str
    address: str
    text: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    known_label: str | None = None
    gold: bool = False
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """How an engine came to its prediction: what is needed to check it, or to find out why it was wrong.

    `confidence_from` says how the probabilities were computed; empty: there are none. `prompt` names the exact prompt
    (a hash), `config_version` the version of the project's configuration with its guidelines. `examples` are the
    images that it was shown with their labels. `flags` name what makes it less reliable (such as an injection probe).
    """

    reason: str = ""
    question: str = ""
    raw: str = ""
    confidence_from: str = ""
    prompt: str = ""
    config_version: int = 0
    examples: tuple[int, ...] = ()
    flags: tuple[str, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    cached: bool = False


ISSUES = {"blurry": 0.29, "dark": 0.32, "light": 0.05, "low_information": 0.3, "odd_aspect": 0.35}
"""What may be wrong with a picture itself: a score of `ImageChecks` under this says so. cleanvision's limits."""


@dataclass(frozen=True, slots=True)
class ImageChecks:
    """Scores of a picture in [0, 1], lower is worse. Something to know and to filter by, never a reason to drop it."""

    blurry: float
    dark: float
    light: float
    low_information: float
    odd_aspect: float


@dataclass(frozen=True, slots=True)
class Prelabel:
    """One engine's prediction for one image: `probs` (K,) in the order of the label set, summing to 1.

    An engine that gives no confidence has no `probs`: absent, never zeros. `answer` is the class that it named;
    None where it only gave probabilities, found none of the classes, or abstained.
    """

    engine: str
    revision: str
    probs: tuple[float, ...]
    description: str
    duration_s: float
    cost_micro: int
    outcome: Outcome = Outcome.LABEL
    answer: str | None = None
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled image for a fit or a figure: its label, the kind of review (None: imported), its group."""

    image_id: ImageId
    group_id: int
    label: str
    kind: ReviewKind | None
    label_id: int
    content_hash: str
