"""What a project is: its label set and its policy, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from labeling.answers import AnswerSet
from labeling.types import ProjectId

__all__ = [
    "AUTO",
    "PLANNED",
    "RANDOM_SAMPLE",
    "RESERVED",
    "TRAINING",
    "Budget",
    "CertificateTerms",
    "EngineUse",
    "Gate",
    "Gold",
    "LabelChange",
    "LabelClass",
    "LabelOperation",
    "Overlap",
    "Policy",
    "Project",
    "ProjectConfig",
    "Schedule",
    "Shares",
    "Targets",
    "Team",
]


AUTO: Literal["auto"] = "auto"
"""A share that follows from what its questions are worth."""
RESERVED = 0.25
"""The share of the near-duplicate groups that a project of up to 1,200 groups keeps for its random stream."""
TRAINING, RANDOM_SAMPLE = "training", "random_sample"
"""What labels that come with images may be used for."""
PLANNED = 300
"""How many groups a project keeps whose quarter would be more."""


@dataclass(frozen=True, slots=True)
class LabelClass:
    """One class of a label set, with the line that explains it to people and engines.

    `prompts` are texts of its own that stand for it where an engine compares texts; none: the engine's templates.
    """

    name: str
    description: str = ""
    prompts: tuple[str, ...] = ()


class LabelOperation(StrEnum):
    """How a label set changes."""

    ADD = "add"
    RENAME = "rename"
    MERGE = "merge"
    SPLIT = "split"
    RETIRE = "retire"


@dataclass(frozen=True, slots=True)
class LabelChange:
    """One change of a label set: the names that are of no class since then, and what stands for each of them now.

    `becomes` is empty for a retired class, and `was` for a new one. A name is never given another meaning.
    """

    operation: LabelOperation
    was: tuple[str, ...]
    becomes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shares:
    """Which part of every query the random stream gets; the rest is `hard`. All in [0, 1].

    `random_first` until `random_target` images of the stream are answered, then `random`. `blind` is the part of the
    hard reviews that show no pre-label. `re_review` is of the answers: for so many of them a label is re-reviewed blind
    on top of the queries, once people have given 100 labels.
    """

    random_first: float = 0.20
    random: float = 0.10
    random_target: int = 100
    blind: float = 0.10
    re_review: float = 0.02


@dataclass(frozen=True, slots=True)
class Gate:
    """When a candidate is promoted: gain >= 0, and above -margin in the share `confidence` of resamples.

    `class_refusals`: nor may it be worse on any class; one that is worse on none is refused in at most this share of
    samples. 0: classes are not tested.
    """

    measure: str = "accuracy"
    margin: float = 0.02
    confidence: float = 0.90
    min_labels: int = 30
    class_refusals: float = 0.0


@dataclass(frozen=True, slots=True)
class Gold:
    """How images whose answer is known are mixed in to measure annotators; they are shown like all others.

    `rate` in [0, 1): the share of a query. `people`: how many different people are shown one gold image at most.
    `onboarding`: how many gold images every annotator gets first. `from_consensus`: how many people must agree, with
    nobody against, for an image to become gold; so many are asked about a share of `rate`; 0: none is made.
    `feedback`: annotators may see their results.
    """

    rate: float = 0.05
    people: int = 5
    onboarding: int = 0
    from_consensus: int = 0
    feedback: bool = False


@dataclass(frozen=True, slots=True)
class Overlap:
    """When another person is asked about an image: at most `people` in all, on at most this `share` of the images.

    `AUTO`: wherever a second answer is expected to correct more labels than the answer about a new image.
    """

    people: int = 3
    share: float | Literal["auto"] = 0.1


@dataclass(frozen=True, slots=True)
class Team:
    """How annotators are treated: shown under pseudonyms or not, paused by the statistical rule or not.

    `names_in_exports`: exports and releases name them; else those have pseudonyms, whatever is shown.
    """

    pseudonyms: bool = False
    names_in_exports: bool = False
    pause: bool = True


@dataclass(frozen=True, slots=True)
class Targets:
    """What a label set must reach to be shipped: at most these label errors, disputes and alarms, at least the others.

    docs/reference/label-quality.md says why each default is what it is.
    """

    accuracy: float = 0.8
    agreement: float = 0.667
    label_errors: float = 0.05
    gold: float = 0.9
    disputes: int = 0
    classes: int = 10
    alarms: int = 0


@dataclass(frozen=True, slots=True)
class EngineUse:
    """One engine as a project uses it: `engine` is `name` or `name:model`.

    `below_margin` in [0, 1]: an engine of the escalation gets only the images whose two best classes differ by less
    than this, by the engines before it or by the champion, or on which those disagree. `sends` names the fields that
    may be sent to an endpoint. `examples` is how many of the nearest human-verified images it is shown. `picture_side`
    is how many pixels the longer side of its pictures has; 0: as the engine asks for. `label_map` says which class each
    label of a classifier stands for.
    """

    engine: str
    templates: tuple[str, ...] = ()
    below_margin: float = 0.3
    sends: tuple[str, ...] = ("image", "text")
    examples: int = 0
    picture_side: int = 0
    label_map: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a project may spend on engines in all, in millionths of its currency."""

    micro: int
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Stop:
    """When people are asked no more; None: that is no reason to stop.

    `accuracy` is a share that the lower bound of the accuracy on the collection reaches, `gain` a share of all images
    that the next 100 labels are expected to add less than. `answers` and `hours` are of people; `money` is what they
    cost at `wage` an hour, together with the engines.
    """

    accuracy: float | None = None
    gain: float | None = None
    answers: int | None = None
    hours: float | None = None
    money: float | None = None
    wage: float = 0.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a version is fitted by the clock: `learn` is written as for cron, with five fields; empty: at no time.

    In the hours `quiet`, such as `08:00-18:00`, none is fitted but by hand or for a certificate that is due; empty:
    there are none. Both are of the `timezone`.
    """

    learn: str = ""
    quiet: str = ""
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class CertificateTerms:
    """What machine labels without a person are promised, and when that is tried; changed terms begin anew.

    One of two promises: of the labels that the machine delivers at least a share `precision` is right, or of all labels
    of the set at most a share `finished` is wrong. `confidence` is 1 - delta over everything that is tried. It is tried
    with `first_size` sampled images, then with twice as many, `sizes` times in all. `frame` in [0, 1): the set has only
    images of which the version is right with at least this chance, by labels that were trained on. `audit` of the
    accepted images are asked about blind each day.

    The accept rule beside the score: an image is not accepted that is farther from all training images than but a share
    `outliers` of those are from each other, or of which the first engine says another class and is right about such
    images with a chance of `conflicts` by training labels; 0 turns either off. `pictures`: nor one whose picture may be
    broken.

    `people` must agree about a certifying answer: 1 or 2. `gold` is the share of delta for the human-error term, where
    given gold was drawn by chance from the same images; 0: the promise is relative to adjudicated people.
    """

    precision: float | None = None
    finished: float | None = None
    confidence: float = 0.9
    first_size: int = 100
    sizes: int = 4
    frame: float = 0.0
    audit: int = 5
    outliers: float = 0.01
    conflicts: float = 0.9
    pictures: bool = True
    people: int = 1
    gold: float = 0.0

    @property
    def delta(self) -> float:
        return 1 - self.confidence

    @property
    def planned_sizes(self) -> tuple[int, ...]:
        """With how many sampled images of the set it is tried.

        >>> CertificateTerms(precision=0.95).planned_sizes
        (100, 200, 400, 800)
        """
        return tuple(self.first_size * 2**k for k in range(self.sizes))

    @property
    def words(self) -> str:
        """The promise in a few words.

        >>> CertificateTerms(precision=0.95).words
        'at least 95 % of the labels that the machine delivers are right, with 90 % confidence'
        """
        sure = f"with {100 * self.confidence:g} % confidence"
        if self.finished is not None:
            wrong = f"at most {100 * self.finished:g} % of all labels of the set are wrong"
            return f"{wrong} once people have labelled the rest, {sure}"
        return f"at least {100 * (self.precision or 0):g} % of the labels that the machine delivers are right, {sure}"


@dataclass(frozen=True, slots=True)
class Policy:
    """How one project turns the loop. Counts are images, times are seconds.

    `near_duplicates` says what counts as one image: `adaptive` (thresholds from the pool's own distances), `off` (equal
    bytes only), or in how many of 256 bits two fingerprints may differ.
    `engine` labels every image; those of `escalation`, in this order, only the images that are still in doubt. An empty
    `image_encoder` or `text_encoder` means the first engine's own, whose `templates`, `picture_side` and `label_map`
    these are. `strategy` says which images are hard, `weigh_by` names the metadata field with what a label of an image
    is worth, for the strategy `weighted`, `head` how the classifier is fitted, `consensus` how several
    answers become one label. `show` names what annotators see beside the pre-label, `explanation` which overlay (never
    on blind tasks). `imported` says what labels that come with images are: `training`, or a `random_sample` that
    measures and never teaches. `certificate`: None, and no label comes from the machine.
    """

    engine: str = "bundled"
    templates: tuple[str, ...] = ()
    picture_side: int = 0
    label_map: Mapping[str, str] = field(default_factory=dict, hash=False)
    image_encoder: str = ""
    text_encoder: str = ""
    escalation: tuple[EngineUse, ...] = ()
    budget: Budget | None = None
    stop: Stop = field(default_factory=Stop)
    regions: str = ""
    strategy: str = "margin"
    weigh_by: str = ""
    head: str = "logistic"
    choice: str = "single"
    seed: int = 0
    query_size: int = 50
    low_water: int = 15
    shares: Shares = field(default_factory=Shares)
    gate: Gate = field(default_factory=Gate)
    gold: Gold = field(default_factory=Gold)
    overlap: Overlap = field(default_factory=Overlap)
    team: Team = field(default_factory=Team)
    targets: Targets = field(default_factory=Targets)
    consensus: str = "crowdlab"
    show: tuple[str, ...] = ("top", "reason")
    explanation: str = ""
    learn_after_labels: int = 40
    learn_every_s: int = 86_400
    schedule: Schedule = field(default_factory=Schedule)
    near_duplicates: str | int = "adaptive"
    source_every_s: int = 300
    keep_originals: bool = False
    metadata_as_text: tuple[str, ...] = ()
    imported: str = TRAINING
    certificate: CertificateTerms | None = None

    @property
    def first_use(self) -> EngineUse:
        """How the project uses its first engine: on every image."""
        return EngineUse(
            self.engine,
            self.templates,
            below_margin=1.0,
            picture_side=self.picture_side,
            label_map=self.label_map,
        )


@dataclass(frozen=True, slots=True)
class ProjectConfig:
    """What a project's YAML file says. `labels` keeps its order: column k of every (N, K) array.

    `changes` are those of the label set so far, which no file says: `labeling.label_sets.changes` reads them.
    """

    name: str
    labels: tuple[LabelClass, ...]
    guidelines: str = ""
    policy: Policy = field(default_factory=Policy)
    changes: tuple[LabelChange, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    @property
    def label_set(self) -> int:
        """The version of the label set; the first is 1."""
        return 1 + len(self.changes)

    @property
    def answers(self) -> AnswerSet:
        """What may be answered about an image of the project."""
        return AnswerSet(self.classes)


@dataclass(frozen=True, slots=True)
class Project:
    """A project as stored: its configuration in force, and the salt that orders its random stream."""

    id: ProjectId
    config: ProjectConfig
    config_version: int
    salt: str
    created_at: datetime
