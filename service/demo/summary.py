"""What the demo found, as values: one `Round` a verdict, one `Summary` a run; and as `summary.json`.

Everything in it was read from where it happened: rounds from hardcase's own rows, the count of annotations from two
independent reads, Label Studio's export and ours. Nothing is assumed to be zero.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from service.demo.people import People

__all__ = ["Books", "Interval", "Round", "Summary", "balance", "write_summary"]

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of the loop, from the labels that it began with to the verdict about the version they made.

    Accuracies are None while they rest on too few evaluation labels ("not yet known"). `triggers` names what made
    each stage run.
    """

    version: int
    labels_by_people: int
    training_labels: int
    evaluation_labels: int
    holdout_accuracy: float | None
    holdout_interval: Interval | None
    random_accuracy: float | None
    random_interval: Interval | None
    prelabel_accepted_share: float | None
    promoted: bool
    verdict: str
    reason: str
    triggers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Books:
    """Label Studio's annotations against ours: `lost` are there and not here, `duplicates` are here twice."""

    in_label_studio: int
    recorded: int
    lost: int
    duplicates: int

    @property
    def balanced(self) -> bool:
        return self.in_label_studio == self.recorded and not self.lost and not self.duplicates


@dataclass(frozen=True, slots=True)
class Summary:
    """One run of the demo, as `summary.json` holds it."""

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
    books: Books
    people: People
    seconds: float

    def to_json(self) -> dict[str, object]:
        """The fields of `summary.json`, with the books spelled out."""
        fields = msgspec.to_builtins(self)
        books = fields.pop("books")
        found = {"found": self.people.found, "missed": self.people.missed, "wronged": self.people.wronged}
        return {
            **fields,
            "people": {**fields["people"], **found},
            "annotations_in_label_studio": books["in_label_studio"],
            "annotations_recorded": books["recorded"],
            "duplicates": books["duplicates"],
            "lost": books["lost"],
        }


def balance(in_label_studio: Sequence[int], recorded: Sequence[int]) -> Books:
    """Compare the annotation ids of Label Studio's export with those of every row that we recorded.

    The simulated annotators answer once and never change an answer, so each id must be in both exactly once.
    """
    twice = Counter(recorded)
    return Books(
        in_label_studio=len(in_label_studio),
        recorded=len(recorded),
        lost=len(set(in_label_studio) - set(recorded)),
        duplicates=sum(count - 1 for count in twice.values()),
    )


def write_summary(summary: Summary, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(summary.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
