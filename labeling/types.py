"""The words of the product as frozen values; every layer speaks them and nothing else.

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
    "AnnotationAction",
    "Example",
    "Gate",
    "ImageId",
    "Incoming",
    "JobName",
    "KeyId",
    "LabelClass",
    "LabelSource",
    "Policy",
    "Prelabel",
    "Project",
    "ProjectConfig",
    "ProjectId",
    "QueryId",
    "RegistrationId",
    "ReviewId",
    "ReviewKind",
    "Role",
    "Shares",
    "Side",
    "SourceId",
    "Trigger",
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
"""The answer that the person cannot tell. It closes a review and makes no label."""


class Side(StrEnum):
    """Which side of the hold-out a near-duplicate group stands on; written once."""

    POOL = "pool"
    HOLDOUT = "holdout"


class ReviewKind(StrEnum):
    """Why an image was asked for; decides what the answer may be used for (labeling.review.kinds)."""

    HARD = "hard"
    RELABEL = "relabel"
    CONTROL = "control"
    EVALUATION = "evaluation"
    CALIBRATION = "calibration"
    AUDIT = "audit"
    GOLD = "gold"


class LabelSource(StrEnum):
    """Who says that a label is true."""

    PEOPLE = "people"
    CERTIFICATE = "certificate"
    GOLD = "gold"
    IMPORT = "import"


class AnnotationAction(StrEnum):
    """What a person did with a review: answered, skipped, or took the answer back."""

    ANSWERED = "answered"
    SKIPPED = "skipped"
    WITHDRAWN = "withdrawn"


class Verdict(StrEnum):
    """What `promote` decided about a version."""

    PROMOTED = "promoted"
    REFUSED = "refused"
    NO_CHANGE = "no change"
    NOT_YET_KNOWN = "not yet known"
    ROLLED_BACK = "rolled back"


class JobName(StrEnum):
    """The background jobs, named after the loop. `sweep` asks all of them what is left to do.

    `tidy` removes what no row names any more.
    """

    INGEST = "ingest"
    PRELABEL = "prelabel"
    SELECT = "select"
    REVIEW = "review"
    LEARN = "learn"
    PROMOTE = "promote"
    FIGURES = "figures"
    SWEEP = "sweep"
    TIDY = "tidy"


class Trigger(StrEnum):
    """What made a stage run; kept with every query, version and verdict."""

    SOURCE = "source"
    INGESTED = "ingested"
    PRELABELED = "prelabeled"
    SELECTED = "selected"
    ANSWERED = "answered"
    LEARNED = "learned"
    PROMOTED = "promoted"
    SCHEDULE = "schedule"
    HAND = "by hand"


class Role(StrEnum):
    """What an API key may do. Each role may also read."""

    ADMIN = "admin"
    ENGINEER = "engineer"
    INGEST = "ingest"
    READ = "read"


@dataclass(frozen=True, slots=True)
class LabelClass:
    """One class of a label set, with the line that explains it to people and engines."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Shares:
    """Which part of every query is spent on the random kinds; the rest is `hard`. All in [0, 1]."""

    evaluation_until_target: float = 0.20
    evaluation: float = 0.05
    evaluation_target: int = 100
    evaluation_per_class: int = 5
    control: float = 0.05
    calibration: float = 0.05
    blind: float = 0.10


@dataclass(frozen=True, slots=True)
class Gate:
    """When a candidate is promoted: gain >= 0 and the one-sided lower bound above -margin."""

    measure: str = "accuracy"
    margin: float = 0.02
    confidence: float = 0.90
    min_labels: int = 30


@dataclass(frozen=True, slots=True)
class Policy:
    """How one project turns the loop. Counts are images, times are seconds."""

    engine: str = "bundled"
    strategy: str = "margin"
    choice: str = "single"
    seed: int = 0
    holdout_share: float = 0.25
    query_size: int = 50
    low_water: int = 15
    shares: Shares = field(default_factory=Shares)
    gate: Gate = field(default_factory=Gate)
    learn_after_labels: int = 40
    learn_every_s: int = 86_400
    source_every_s: int = 300
    keep_originals: bool = False
    metadata_as_text: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectConfig:
    """What a project's YAML file says. `labels` keeps its order: column k of every (N, K) array."""

    name: str
    labels: tuple[LabelClass, ...]
    guidelines: str = ""
    policy: Policy = field(default_factory=Policy)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)


@dataclass(frozen=True, slots=True)
class Project:
    """A project as stored: its configuration in force, and the salt that splits its hold-out."""

    id: ProjectId
    config: ProjectConfig
    config_version: int
    salt: str
    created_at: datetime


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
class Prelabel:
    """One engine's opinion of one image: `probs` (K,) in the order of the label set, summing to 1."""

    engine: str
    revision: str
    probs: tuple[float, ...]
    description: str
    duration_s: float
    cost_micro: int


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled image as a fit or a figure sees it: its label, the kind of review (None: imported), its group."""

    image_id: ImageId
    group_id: int
    label: str
    kind: ReviewKind | None
    label_id: int
    content_hash: str
