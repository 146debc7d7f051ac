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
    "Budget",
    "EngineUse",
    "Evidence",
    "Example",
    "Gate",
    "Gold",
    "ImageId",
    "Incoming",
    "JobName",
    "KeyId",
    "LabelClass",
    "LabelSource",
    "Outcome",
    "Overlap",
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
    "Team",
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


class Outcome(StrEnum):
    """What an engine made of an image. Only LABEL has an answer of the label set."""

    LABEL = "label"
    NONE_OF_THESE = "none of these"
    ABSTAINED = "abstained"


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

    `explain` draws second pictures for annotators; `escalate` lets dearer engines look at what is still in doubt;
    `engines` tries, compares or plans engines for a person who asked; `quality` counts people's answers, `inspect`
    looks for wrong labels and drift; `adopt` takes over tasks that were made in Label Studio; `messages` delivers
    alarms and summaries; `tidy` removes what no row names.
    """

    INGEST = "ingest"
    PRELABEL = "prelabel"
    ESCALATE = "escalate"
    SELECT = "select"
    REVIEW = "review"
    EXPLAIN = "explain"
    LEARN = "learn"
    PROMOTE = "promote"
    FIGURES = "figures"
    ENGINES = "engines"
    QUALITY = "quality"
    INSPECT = "inspect"
    ADOPT = "adopt"
    MESSAGES = "messages"
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
    """One class of a label set, with the line that explains it to people and engines.

    `prompts` are texts of its own that stand for it where an engine compares texts; none: the engine's templates.
    """

    name: str
    description: str = ""
    prompts: tuple[str, ...] = ()


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
class Gold:
    """How images whose answer is known are mixed in to measure people; they never look different.

    `rate` in [0, 1): the share of a query. `people`: how many different people are shown one gold image at most.
    `onboarding`: so many gold images come first for everybody. `from_consensus`: so many people must agree, and nobody
    disagree, for an image to become gold; 0: none is made. `feedback`: annotators may see how they did.
    """

    rate: float = 0.05
    people: int = 5
    onboarding: int = 0
    from_consensus: int = 0
    feedback: bool = False


@dataclass(frozen=True, slots=True)
class Overlap:
    """When another person is asked about an image: at most `people` in all, on at most this `share` of the images."""

    people: int = 3
    share: float = 0.1


@dataclass(frozen=True, slots=True)
class Team:
    """How annotators are treated: shown under pseudonyms or not, paused by the statistical rule or not."""

    pseudonyms: bool = False
    pause: bool = True


@dataclass(frozen=True, slots=True)
class EngineUse:
    """One engine as a project uses it: `engine` is `name` or `name:model`.

    `below_margin` in [0, 1]: an engine of the escalation looks only at images whose two best classes are nearer than
    this, by the engines before it or by the champion, or about which those disagree. `sends` names the fields that
    may leave the house. `examples` is how many of the nearest human-verified images it is shown.
    """

    engine: str
    templates: tuple[str, ...] = ()
    below_margin: float = 0.3
    sends: tuple[str, ...] = ("image", "text")
    examples: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """What a project may spend on engines in all, in millionths of its currency."""

    micro: int
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Policy:
    """How one project turns the loop. Counts are images, times are seconds.

    `engine` looks at every image; those of `escalation`, in this order, only at what is still in doubt. An empty
    `image_encoder` or `text_encoder` means the first engine's own. `strategy` says which images are hard, `head` how
    the classifier is fitted, `consensus` how several answers become one label. `show` names what annotators see beside
    the pre-label, `explanation` which second picture (never on blind tasks).
    """

    engine: str = "bundled"
    templates: tuple[str, ...] = ()
    image_encoder: str = ""
    text_encoder: str = ""
    escalation: tuple[EngineUse, ...] = ()
    budget: Budget | None = None
    regions: str = ""
    strategy: str = "margin"
    head: str = "logistic"
    choice: str = "single"
    seed: int = 0
    holdout_share: float = 0.25
    query_size: int = 50
    low_water: int = 15
    shares: Shares = field(default_factory=Shares)
    gate: Gate = field(default_factory=Gate)
    gold: Gold = field(default_factory=Gold)
    overlap: Overlap = field(default_factory=Overlap)
    team: Team = field(default_factory=Team)
    consensus: str = "majority"
    show: tuple[str, ...] = ("top", "reason")
    explanation: str = ""
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
class Evidence:
    """How an engine came to its opinion; everything that is needed to believe it, or to find out why it was wrong.

    `confidence_from` says what the probabilities are made of; empty: there are none. `prompt` names the exact prompt
    (a hash), `config_version` the version of the project's configuration with its guidelines. `examples` are the
    images that it was shown with their labels. `flags` name what made it less trustworthy (an injection probe).
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


@dataclass(frozen=True, slots=True)
class Prelabel:
    """One engine's opinion of one image: `probs` (K,) in the order of the label set, summing to 1.

    An engine that cannot say how sure it is has no `probs`: absent, never zeros. `answer` is the class that it named;
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
    """A labelled image as a fit or a figure sees it: its label, the kind of review (None: imported), its group."""

    image_id: ImageId
    group_id: int
    label: str
    kind: ReviewKind | None
    label_id: int
    content_hash: str
