"""Of which images more than one person's word stands: two people gave the label, or a lead decided.

In: images. Out: those of them whose label in force is so. It is counted from the answers that count now, not from what
was kept with the label: a second person who says the same makes no new label.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels.labels import is_current_label
from db.repositories.reviews import annotations as ledger
from db.repositories.reviews.annotations import VoteRow
from db.rows import rows_of
from db.tables import LabelRow
from labeling.types import ImageId, LabelSource, ReviewKind

PEOPLE = 2
"""So many must agree."""


def adjudicated(session: Session, image_ids: Sequence[ImageId]) -> set[ImageId]:
    """The images whose label two people gave, or a lead decided, or that is gold.

    A lead who found that nobody can tell has decided too.
    """
    statement = sa.select(LabelRow.image_id, LabelRow.value, LabelRow.source, LabelRow.evidence)
    found, by_people = set(), {}
    for row in rows_of(session, statement.where(is_current_label()), LabelRow.image_id, image_ids):
        if row.source == LabelSource.GOLD or "decision" in row.evidence:
            found.add(ImageId(row.image_id))
        elif row.source == LabelSource.PEOPLE and row.value is not None:
            by_people[ImageId(row.image_id)] = row.value
    who = _who_said(ledger.votes(session, list(by_people)))
    return found | {image for image, value in by_people.items() if len(who[image, value]) >= PEOPLE}


def _who_said(votes: Iterable[VoteRow]) -> dict[tuple[ImageId, str | None], set[int]]:
    """Who gave each label of each image; answers to gold measure people, not images."""
    who: dict[tuple[ImageId, str | None], set[int]] = defaultdict(set)
    for vote in votes:
        if vote.kind is not ReviewKind.GOLD:
            who[vote.image_id, vote.answer.single].add(vote.annotator_id)
    return who
