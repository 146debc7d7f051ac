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

from db.repositories.board import Figure, LabelStudioPlace
from service.web.pages.svg import safe_svg

__all__ = ["Quality", "look_at"]

T = TypeVar("T")
FEWEST = 30
"""Under this many labelled images a figure reads "not yet known" (truth.md)."""


class Estimate(msgspec.Struct):
    """A share with its interval, and on how many images it rests."""

    value: float
    lower: float
    upper: float
    n: int

    @property
    def known(self) -> bool:
        return self.n >= FEWEST


class VersionAccuracy(msgspec.Struct):
    """One version on the hold-out, and what became of it."""

    number: int
    accuracy: Estimate
    promoted: bool = False


class ByVersion(msgspec.Struct):
    """Hold-out accuracy, oldest version first."""

    versions: list[VersionAccuracy]


class ClassAcceptance(msgspec.Struct):
    """How often people kept a pre-label of one class."""

    label: str
    shown: int
    kept: int
    share: Estimate


class Acceptance(msgspec.Struct):
    """Acceptance by class."""

    classes: list[ClassAcceptance]


class Confusion(msgspec.Struct):
    """Rows are what people said (the last may be "none of these"), columns what the classifier said."""

    classes: list[str]
    matrix: list[list[int]]


class HardImage(msgspec.Struct):
    """One image that was hard: what was suggested, and what people said."""

    image_id: int
    content_hash: str
    kind: str
    prelabel: str | None = None
    prelabel_probability: float | None = None
    predicted: str | None = None
    predicted_probability: float | None = None
    label: str | None = None
    ls_task_id: int | None = None
    text: str | None = None


class Hardest(msgspec.Struct):
    """The hardest images, hardest first."""

    images: list[HardImage]


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure's picture."""

    svg: Markup | None


@dataclass(frozen=True, slots=True)
class Picture:
    """One hard image with its address here and, where it has one, its task's address."""

    image: HardImage
    address: str
    task: str | None


@dataclass(frozen=True, slots=True)
class Quality:
    """Everything that the page shows; what is None is not known yet."""

    by_version: ByVersion | None
    acceptance: Acceptance | None
    confusion: Confusion | None
    hardest: list[Picture]
    plots: Mapping[str, Markup | None]
    label_studio: str | None
    champion: VersionAccuracy | None


_TITLES = {
    "holdout_by_version": "Hold-out accuracy by version, with 95 % intervals; the table below holds the same numbers.",
    "acceptance": "Share of pre-labels that people kept, by class; the table below holds the same numbers.",
    "confusion": "Confusion matrix: what people said against what the classifier said; the table below says the same.",
}


def look_at(
    figures: Mapping[str, Figure], place: LabelStudioPlace | None, origin: str, sign: Callable[[str], str]
) -> Quality:
    """Read the figures; `sign` makes the address of an image from its content hash."""
    by_version = _read(figures, "holdout_by_version", ByVersion)
    hardest = _read(figures, "hardest", Hardest)
    promoted = [version for version in by_version.versions if version.promoted] if by_version else []
    return Quality(
        by_version=by_version,
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
        champion=promoted[-1] if promoted else None,
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
