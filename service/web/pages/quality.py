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
from service.figures.accuracy import Acceptance, ByVersion, Confusion, Hardest, HardImage, OneVersion, Rounds
from service.web.pages.svg import safe_svg

__all__ = [
    "Quality",
    "look_at",
]

T = TypeVar("T")


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
