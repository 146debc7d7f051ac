"""Images that nobody who was asked could tell, as pages, API and command line list them: who said so, and what is next.

In: a project, perhaps a state or some images. Out: one item a review, the newest first, with people by name or
pseudonym.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from db.repositories.people import annotators
from db.views.exports import first_references
from db.views.undecided import Undecided, UndecidedState, undecided
from labeling.project import Project
from labeling.types import ImageId, ReviewId, ReviewKind
from service.projects.pseudonyms import shown_name

__all__ = ["UndecidedImage", "listed"]


@dataclass(frozen=True, slots=True)
class UndecidedImage:
    """One image that nobody could tell, by one of its reviews.

    `state` is `asked` (another person is asked), `lead` (it waits for a lead) or `undecidable` (a lead said so).
    `unsure`, `skipped` and `unviewed` name who answered "unsure", skipped it, or answered without viewing it.
    """

    image_id: ImageId
    reference: str
    review_id: ReviewId | None
    kind: ReviewKind | None
    state: UndecidedState
    since: datetime
    unsure: tuple[str, ...]
    skipped: tuple[str, ...]
    unviewed: tuple[str, ...]

    @property
    def words(self) -> str:
        """Who could not tell and what is next, as a person reads it."""
        said = [
            f"{', '.join(people)} {what}"
            for people, what in (
                (self.unsure, "unsure"),
                (self.skipped, "skipped it"),
                (self.unviewed, "did not view it"),
            )
            if people
        ]
        return "; ".join([*said, self.state.words])


def listed(
    session: Session,
    project: Project,
    *,
    state: UndecidedState | None = None,
    among: Collection[ImageId] | None = None,
    limit: int | None = None,
) -> list[UndecidedImage]:
    """Those in this state, the newest review first; all states without one, all images without `among`."""
    found = [one for one in undecided(session, project, among) if state in (None, one.state)][:limit]
    names = {one.id: shown_name(project, one.id, one.name) for one in annotators.everyone(session, project.id)}
    references = first_references(session, [one.image_id for one in found])
    return [_item(one, names, references.get(one.image_id, "")) for one in found]


def _item(one: Undecided, names: dict[int, str], reference: str) -> UndecidedImage:
    unsure, skipped, unviewed = (
        tuple(names.get(number, "somebody") for number in people) for people in (one.unsure, one.skipped, one.unviewed)
    )
    return UndecidedImage(
        one.image_id, reference, one.review_id, one.kind, one.state, one.since, unsure, skipped, unviewed
    )
