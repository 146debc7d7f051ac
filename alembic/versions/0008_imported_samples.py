"""labels that were imported as a random sample; and relabelled groups, which training has used, leave the stream

A project of 0.1.0 may have asked again about an image that it had drawn for its temperatures, and learnt from what was
said then. Such a group can measure nothing: its position is 1 or more, and the reserve's newest row counts them.

Revision: 0008
Follows: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
RELABELLED = """
    select distinct i.project_id, i.group_id from label l
    join review taught on taught.id = l.review_id
    join image i on i.id = l.image_id
    join image_group g on g.id = i.group_id
    join reserve s on s.project_id = i.project_id and s.author = 'migration'
    where taught.kind in ('hard', 'relabel') and l.value is not null and l.created_at <= s.at and g.position < 1
    and i.group_id in (
        select drawn.group_id from image drawn join review r on r.image_id = drawn.id where r.asked_as = 'calibration'
    )
    and i.group_id not in (
        select held.group_id from image held join review r on r.image_id = held.id where r.asked_as = 'evaluation'
    )
"""


def upgrade() -> None:
    op.create_table(
        "imported_sample",
        sa.Column("image_id", BIG, autoincrement=False, nullable=False),
        sa.Column("newest_group", BIG, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_imported_sample_image_id_image")),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_imported_sample")),
    )
    left: dict[int, list[int]] = {}
    for project, group in op.get_bind().execute(sa.text(RELABELLED)).all():
        left.setdefault(project, []).append(group)
    for project, groups in left.items():
        _leave(project, groups)
    if left:
        op.execute("delete from figure")  # a cache: counted again by the worker


def downgrade() -> None:
    op.drop_table("imported_sample")


def _leave(project: int, groups: list[int]) -> None:
    """These groups leave the stream of their project; a row of the reserve, with the share as it was, says so."""
    move = sa.text("update image_group set position = position + 1 where id = :group")
    op.get_bind().execute(move, [{"group": group} for group in groups])
    reason = f"migrated: {len(groups)} relabelled groups, which training had used, left the stream"
    newest = "from reserve where project_id = :project order by id desc limit 1"
    op.get_bind().execute(
        sa.text(
            "insert into reserve (project_id, share, groups, author, reason, at) "
            f"select project_id, share, groups, 'migration', :reason, current_timestamp {newest}"
        ),
        {"project": project, "reason": reason},
    )
