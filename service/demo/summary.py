"""The results of the demo: one `Round` a verdict, one `Summary` a run; and as `summary.json`.

Rounds are read from hardcase's rows; annotations are counted twice, in Label Studio's export and in hardcase's rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from service.demo.people import People

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of the loop, up to the verdict about the version that was fitted in it.

    Accuracies are None while the random stream has too few labels ("not yet known"). `triggers` names what started
    each stage.
    """

    version: int
    labels_by_people: int
    training_labels: int
    random_labels: int
    accuracy: float | None
    interval: Interval | None
    random_accuracy: float | None
    random_interval: Interval | None
    prelabel_accepted_share: float | None
    promoted: bool
    verdict: str
    reason: str
    triggers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Annotations:
    """Label Studio's annotations against ours: `lost` are only there, `duplicates` are here twice."""

    in_label_studio: int
    recorded: int
    lost: int
    duplicates: int

    @property
    def complete(self) -> bool:
        return self.in_label_studio == self.recorded and not self.lost and not self.duplicates


@dataclass(frozen=True, slots=True)
class Measured:
    """A share that the product shows, with its interval, and the truth; None where it is not yet known."""

    value: float | None
    lower: float | None
    upper: float | None
    n: int
    truth: float | None


@dataclass(frozen=True, slots=True)
class RandomPoint:
    """What the product says that so many random labels give, beside what they give in simulation."""

    labels: int
    accuracy: Measured


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many queries were drawn again from what is stored, and how many of them came to the same images."""

    queries: int
    same: int


@dataclass(frozen=True, slots=True)
class MachineThreshold:
    """One threshold over the images without a label; `lower` is None where it is not yet known."""

    score: float
    images: int
    sampled: int
    lower: float | None
    true_precision: float


@dataclass(frozen=True, slots=True)
class Labelled:
    """How the images got their labels; the counts add up to all images.

    `left` have none, by why; `waiting` are neither labelled nor is it said why. `answered` counts the images about
    which people answered at all.
    """

    answered: int
    people: int
    certificate: int
    given: int
    left: dict[str, int]
    waiting: int


@dataclass(frozen=True, slots=True)
class Certified:
    """What a certificate promises of the labels that it gave, and what is true of them.

    `accepted` images with `true_precision`, None where there are none; `sampled` of the `size` images of the set were
    answered, `wrong` of those were wrong by machine. `words` is what the product says. `tried`: a planned size was
    reached.
    """

    promise: str
    precision: float
    confidence: float
    tried: bool
    stands: bool
    size: int
    sampled: int
    wrong: int
    accepted: int
    true_precision: float | None
    words: str


@dataclass(frozen=True, slots=True)
class Saved:
    """Random labels for each chosen one at the same accuracy, by the product's own figure; None: not yet known.

    `upper` None beside a value: no bound is known. It rests on `n` images of the random stream.
    """

    value: float | None
    lower: float | None
    upper: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Summary:
    """One run of the demo, as `summary.json` holds it.

    `without_prelabel_though_due`: tasks that people were given without the prediction that every task has; 0 is right.
    `earlier`: the fields that are not known at the end, and hold what was known last and the truth at that moment, each
    with how many images people had labelled then.
    """

    rounds: tuple[Round, ...]
    images: int
    quarantined: int
    classes: int
    origin: str
    engine: str
    label_studio_version: str
    annotators: int
    annotator_error_rate: float
    random_seeds: tuple[int, ...]
    annotations: Annotations
    people: People
    without_prelabel_though_due: int
    labelled: Labelled
    certificate: Certified
    savings: Saved
    machine_labels: tuple[MachineThreshold, ...]
    accuracy_on_collection: Measured
    accuracy_on_what_is_left: Measured
    share_of_wrong_labels: Measured
    random_arm: tuple[RandomPoint, ...]
    earlier: Mapping[str, int]
    calibrated: bool
    replayed: Replayed
    seconds: float

    def to_json(self) -> dict[str, object]:
        """The fields of `summary.json`."""
        fields = msgspec.to_builtins(self)
        found = {"found": self.people.found, "missed": self.people.missed, "wronged": self.people.wronged}
        counts = {name: fields["annotations"].pop(name) for name in ("duplicates", "lost")}
        annotations = {f"annotations_{name}": count for name, count in fields.pop("annotations").items()}
        return {**fields, "people": {**fields["people"], **found}, **annotations, **counts}


def compare_annotations(in_label_studio: Sequence[int], recorded: Sequence[int]) -> Annotations:
    """Compare the annotation ids of Label Studio's export with those of every row that we recorded.

    The simulated annotators answer once and never change an answer, so each id must be in both exactly once.
    """
    lost = len(set(in_label_studio) - set(recorded))
    return Annotations(len(in_label_studio), len(recorded), lost, duplicates=len(recorded) - len(set(recorded)))


def write_summary(summary: Summary, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(summary.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
