"""Labels that were imported as a random sample of the images: they stand first in the order of the stream.

In: labels of the source `sample`, and the groups that came since the last query. Out: positions and facts. A group of
the sample has a place among the first, as chance drew them, and the others follow behind: a position tells what share
of these groups stands before, so that newcomers, which have positions of their own, are asked as often.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels.labels import is_current_label
from db.repositories.queries import stream
from db.session import insert_new
from db.tables import GroupRow, ImageRow, ImportedSampleRow, LabelRow, QueryRow, ReserveRow
from labeling.types import LabelSource, ProjectId


def sampled(project_id: ProjectId) -> sa.Select[int]:
    """The images that were imported as part of a random sample, placed or not, whatever was said of them since."""
    of_sample = LabelRow.project_id == project_id, LabelRow.source == LabelSource.SAMPLE.value
    return sa.select(LabelRow.image_id).where(*of_sample, LabelRow.value.is_not(None)).correlate(None)


def place(session: Session, project_id: ProjectId, most: float, now: datetime) -> int:
    """Put what was imported since the last query as a random sample at the head of the groups that came since then.

    Nothing was drawn of these groups yet, so no figure changes. One image a group is placed, and of the groups at most
    the share `most`: of newcomers no more are drawn than the stream has drawn of the others. Returns how many it were.
    """
    after = _placed_until(session, project_id)
    fresh = GroupRow.project_id == project_id, GroupRow.id > after, GroupRow.position < 1
    found = session.execute(
        sa.select(GroupRow.id, sa.func.min(ImageRow.id), sa.func.min(GroupRow.position).label("position"))
        .join(ImageRow, ImageRow.group_id == GroupRow.id)
        .join(LabelRow, LabelRow.image_id == ImageRow.id)
        .where(*fresh, is_current_label(), LabelRow.value.is_not(None), ImageRow.id.in_(sampled(project_id)))
        .group_by(GroupRow.id)
        .order_by("position")
    ).all()
    groups = stream.count_groups(session, project_id, after=after)
    placed = [(group, image) for group, image, _ in found[: int(most * groups)]]
    if not placed:
        return 0
    newest = session.scalar(sa.select(sa.func.max(GroupRow.id)).where(*fresh))
    rows = [{"image_id": image, "newest_group": newest, "at": now} for _, image in placed]
    if insert_new(session, ImportedSampleRow, rows) < len(rows):
        return 0  # another worker places them
    first = len(placed) / groups
    session.execute(
        sa.update(GroupRow)
        .where(*fresh)
        .values(position=first + GroupRow.position * (1 - first))
        .execution_options(synchronize_session=False)
    )
    session.execute(
        sa.update(GroupRow),
        [{"id": group, "position": place * first / len(placed)} for place, (group, _) in enumerate(placed)],
    )
    return len(placed)


def reserve_all(session: Session, project_id: ProjectId, first: float, groups: int, now: datetime) -> None:
    """Reserve as much as a sample takes that was imported before anything was asked, and is larger than the reserve."""
    share = min(1.0, float(np.nextafter(first, 1.0)))
    of_row = {"project_id": project_id, "share": share, "groups": groups}
    session.add(ReserveRow(**of_row, author="policy", reason="a random sample of this size was imported", at=now))
    session.flush()


def _placed_until(session: Session, project_id: ProjectId) -> int:
    """The newest group of the last query, or of the last sample that was placed; 0 before any."""
    asked = sa.select(sa.func.max(QueryRow.newest_group)).where(QueryRow.project_id == project_id)
    placed = (
        sa.select(sa.func.max(ImportedSampleRow.newest_group))
        .join(ImageRow, ImageRow.id == ImportedSampleRow.image_id)
        .where(ImageRow.project_id == project_id)
    )
    return max(session.scalar(asked) or 0, session.scalar(placed) or 0)
