"""Draws, for open reviews, an overlay of where the class that they pre-select may be; annotators see it by the image.

In: a project whose policy names a model for regions. Out: overlays in the image store and the rows that name them,
a batch a call. Blind reviews get none. Doing it again draws nothing; for another pre-selected class it draws a new one.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

from db.repositories.projects import projects
from db.repositories.reviews.reviews import Review
from db.repositories.running import failures
from db.session import reading, transaction
from labeling.errors import Invalid, NotFound, Unavailable
from labeling.loading import loading
from labeling.prelabel.encoders.decode import open_shown
from labeling.project import LabelClass, Project
from labeling.types import ProjectId
from service.work.explain.overlays import draw_next, due_reviews, keep_overlay, note_failure
from service.work.review.push import read_queue
from service.work.wiring import Parts

if TYPE_CHECKING:  # torch is imported only by who wants regions
    from labeling.explain.regions import RegionFinder

STEP = "regions"


def draw_regions(parts: Parts, project_id: ProjectId, size: int = 16) -> dict[str, int]:
    """Draw the next `size` overlays; `left` counts what is still to do. Without `policy: regions:` nothing is."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
    finder = _finder_of(parts, project) if project.config.policy.regions else None
    if finder is None:
        return {"done": 0, "failed": 0, "left": 0}
    due = due_reviews(parts, read_queue(parts, project_id), finder.revision, STEP)
    return draw_next(due, size, lambda one: _draw(parts, project, finder, *one))


def _finder_of(parts: Parts, project: Project) -> RegionFinder | None:
    """The model, or None while it cannot be loaded: reviews are asked without it, and the list of failures says why."""
    subject = f"{project.id}:{project.config.policy.regions}"
    with reading(parts.database) as session:
        if failures.is_dead(session, STEP, subject):
            return None
    try:
        return _load(project.config.policy.regions)
    except (Invalid, NotFound) as error:
        note_failure(parts, project, STEP, subject, error.message)
        return None
    except Unavailable as error:
        with transaction(parts.database) as session:
            failures.wait(session, project.id, STEP, subject, error.message, parts.now())
        return None


@cache
def _load(name: str) -> RegionFinder:
    with loading:
        from labeling.adapters.models.region_files import load_region_finder

    return load_region_finder(name)


def _draw(parts: Parts, project: Project, finder: RegionFinder, review: Review, label: LabelClass) -> bool:
    with loading:
        from labeling.explain.regions import lit

    try:
        image = open_shown(parts.images.shown(review.content_hash)[0])
        drawn = lit(image, finder.find(image, label.name.replace("_", " ")))
    except (Invalid, NotFound, RuntimeError, ValueError) as error:
        note_failure(parts, project, STEP, str(review.id), f"{type(error).__name__}: {error}")
        return False
    picture = sha256("\0".join((review.content_hash, finder.revision, label.name)).encode()).hexdigest()
    keep_overlay(parts, review, drawn, answer=label.name, revision=finder.revision, picture=picture, step=STEP)
    return True
