"""What the quality page shows of a project: the worker's stored figures, read back into plain values.

In: figures as stored (docs/reference/figures.md), and where the project stands in Label Studio. Out: one value for
the template. A figure that is missing is not shown; of one that another release kept in another form the page says
that it is being counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from markupsafe import Markup

from db.views.dashboard import Figure, LabelStudioPlace
from service.figures.accuracy import Acceptance, Confusion, Hardest, HardImage, HoldoutByVersion, OneVersion, Rounds
from service.figures.figures import outdated, read
from service.web.pages.svg import safe_svg

__all__ = [
    "Quality",
    "look_at",
]


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
    by_version: HoldoutByVersion | None
    rounds: Rounds | None
    acceptance: Acceptance | None
    confusion: Confusion | None
    hardest: list[Picture]
    plots: Mapping[str, Markup | None]
    label_studio: str | None
    outdated: frozenset[str]


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
    by_version, hardest, old = read(figures, HoldoutByVersion), read(figures, Hardest), outdated(figures)
    return Quality(
        champion=by_version.champion if by_version else None,
        by_version=by_version,
        rounds=read(figures, Rounds),
        acceptance=read(figures, Acceptance),
        confusion=read(figures, Confusion),
        hardest=[
            Picture(image, sign(image.content_hash), _task(place, origin, image.ls_task_id))
            for image in (hardest.images if hardest else [])
        ],
        plots={
            name: safe_svg(figures[name].svg, name=name, title=title) if name in figures and name not in old else None
            for name, title in _TITLES.items()
        },
        label_studio=f"{origin}/projects/{place.ls_project_id}/data?labeling=1" if place else None,
        outdated=old,
    )


def _task(place: LabelStudioPlace | None, origin: str, task_id: int | None) -> str | None:
    if place is None or task_id is None:
        return None
    return f"{origin}/projects/{place.ls_project_id}/data?{urlencode({'task': task_id})}"
