"""What the quality page shows of a project: the worker's stored figures, read back into plain values.

In: figures as stored (docs/reference/figures.md), and where the project stands in Label Studio. Out: one value for
the template. A figure that is missing, or that an older worker wrote in another form, is simply not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup

from db.views.dashboard import Figure, LabelStudioPlace
from labeling.types import NONE_OF_THESE
from service.web.pages.svg import safe_svg

__all__ = ["Quality", "look_at"]

T = TypeVar("T")


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
        return [
            (NONE_OF_THESE if cell.truth is None else self.classes[cell.truth], self.classes[cell.said], cell.count)
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


@dataclass(frozen=True, slots=True)
class Picture:
    """One hard image with its address here and, where it has one, its task's address."""

    image: HardImage
    address: str
    task: str | None


@dataclass(frozen=True, slots=True)
class Quality:
    """Everything that the page shows; what is None is not there yet."""

    champion: OneVersion | None
    by_version: ByVersion | None
    rounds: Rounds | None
    acceptance: Acceptance | None
    confusion: Confusion | None
    hardest: list[Picture]
    plots: Mapping[str, Markup | None]
    label_studio: str | None


_TITLES = {
    "holdout_by_version": "Hold-out accuracy by version with 95 % intervals; the table below holds the same numbers.",
    "rounds": "Learning curve: accuracy against labels by people; the table below holds the same numbers.",
    "acceptance": "Share of pre-labels that people kept, by class; the table below holds the same numbers.",
    "confusion": "Confusion matrix: what people said against what the champion said; the table below lists the errors.",
}


def look_at(
    figures: Mapping[str, Figure], place: LabelStudioPlace | None, origin: str, sign: Callable[[str], str]
) -> Quality:
    """Read the figures; `sign` makes the address of an image from its content hash."""
    by_version = _read(figures, "holdout_by_version", ByVersion)
    hardest = _read(figures, "hardest", Hardest)
    return Quality(
        champion=next((one for one in by_version.versions if one.champion), None) if by_version else None,
        by_version=by_version,
        rounds=_read(figures, "rounds", Rounds),
        acceptance=_read(figures, "acceptance", Acceptance),
        confusion=_read(figures, "confusion", Confusion),
        hardest=[
            Picture(image, sign(image.content_hash), _task(place, origin, image.ls_task_id))
            for image in (hardest.images if hardest else [])
        ],
        plots={
            name: safe_svg(figures[name].svg, name=name, title=title) if name in figures else None
            for name, title in _TITLES.items()
        },
        label_studio=f"{origin}/projects/{place.ls_project_id}/data?labeling=1" if place else None,
    )


def _read(figures: Mapping[str, Figure], name: str, kind: type[T]) -> T | None:
    if name not in figures:
        return None
    try:
        return msgspec.convert(figures[name].data, kind)
    except msgspec.ValidationError:
        return None


def _task(place: LabelStudioPlace | None, origin: str, task_id: int | None) -> str | None:
    if place is None or task_id is None:
        return None
    return f"{origin}/projects/{place.ls_project_id}/data?{urlencode({'task': task_id})}"
