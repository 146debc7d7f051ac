"""one random stream in place of the hold-out side: positions of groups, the reserve, shadow picks

Groups that chance drew (for evaluation or calibration) come first in the new order, the others follow. Groups that
training has used leave the stream: their position is 1 or more.

Revision: 0005
Follows: 0004
"""

from __future__ import annotations

from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AT = sa.DateTime(timezone=True)
RESERVED, PLANNED = 0.25, 300
RANDOM, HARD = ("evaluation", "calibration"), ("control",)
AT_ONCE = 1_000


def upgrade() -> None:
    op.create_table(
        "reserve",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("groups", BIG, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_reserve_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reserve")),
    )
    op.create_index(op.f("ix_reserve_project_id"), "reserve", ["project_id"])
    op.create_table(
        "shadow_pick",
        sa.Column("group_id", BIG, nullable=False),
        sa.Column("query_id", BIG, nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["image_group.id"], name=op.f("fk_shadow_pick_group_id_image_group")),
        sa.ForeignKeyConstraint(["query_id"], ["query.id"], name=op.f("fk_shadow_pick_query_id_query")),
        sa.PrimaryKeyConstraint("group_id", name=op.f("pk_shadow_pick")),
    )
    op.create_index(op.f("ix_shadow_pick_query_id"), "shadow_pick", ["query_id"])
    op.create_table(
        "comparison",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("images", BIG, nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_comparison_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparison")),
        sa.UniqueConstraint("project_id", "size", name=op.f("uq_comparison_project_id_size")),
    )
    op.add_column("query", sa.Column("newest_group", BIG, nullable=True))
    op.add_column("query", sa.Column("why", sa.Text(), nullable=False, server_default=""))
    op.add_column("image_group", sa.Column("position", sa.Double(), nullable=False, server_default="0"))
    op.add_column("review", sa.Column("asked_as", sa.Text(), nullable=True))
    op.add_column("review", sa.Column("representative", sa.Boolean(), nullable=False, server_default=sa.false()))
    for project in op.get_bind().execute(sa.text("select id, salt, created_at from project order by id")).all():
        _order(project.id, project.salt)
    for kinds, kind in ((RANDOM, "random"), (HARD, "hard")):
        older = sa.bindparam("older", kinds, expanding=True)
        renamed = "update review set asked_as = kind, kind = :kind where kind in :older"
        op.get_bind().execute(sa.text(renamed).bindparams(older), {"kind": kind})
    op.execute("delete from figure")  # a cache: counted again by the worker
    op.create_index("ix_image_group_project_id_position", "image_group", ["project_id", "position"])
    op.drop_column("image_group", "side")  # in place: a copy would be refused, for images point at the table
    op.drop_column("image", "bridge")


def downgrade() -> None:
    op.add_column("image", sa.Column("bridge", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("image_group", sa.Column("side", sa.Text(), nullable=False, server_default="pool"))
    op.execute(f"update image_group set side = 'holdout' where position < {RESERVED}")
    op.execute("update review set kind = coalesce(asked_as, 'evaluation') where kind = 'random'")
    op.execute("update review set kind = asked_as where kind = 'hard' and asked_as is not null")
    op.drop_index("ix_image_group_project_id_position", "image_group")
    for table, column in (
        ("review", "asked_as"),
        ("review", "representative"),
        ("image_group", "position"),
        ("query", "why"),
        ("query", "newest_group"),
    ):
        op.drop_column(table, column)
    op.drop_table("comparison")
    op.drop_table("shadow_pick")
    op.drop_table("reserve")


def _order(project: int, salt: str) -> None:
    """Give every group of a project its position, and note the share that is reserved from here on."""
    drawn = _groups_with(project, "review", "r.kind in ('evaluation', 'calibration')")
    used = _groups_with(project, "review", "r.kind in ('hard', 'relabel', 'control')")
    used |= _groups_with(project, "label", "g.side = 'pool' and r.value is not null")
    used -= drawn
    groups = (
        op.get_bind()
        .execute(sa.text("select id, founder_hash from image_group where project_id = :project"), {"project": project})
        .all()
    )
    if not groups:
        return
    first = len(drawn) / max(len(groups) - len(used), 1)
    rows = []
    for group in groups:
        chance = int.from_bytes(sha256(f"{salt}:{group.founder_hash}".encode()).digest()[:8], "big") / 2**64
        later = 1 + chance if group.id in used else first + chance * (1 - first)
        rows.append({"id": group.id, "position": chance * first if group.id in drawn else later})
    for start in range(0, len(rows), AT_ONCE):
        op.get_bind().execute(
            sa.text("update image_group set position = :position where id = :id"), rows[start : start + AT_ONCE]
        )
    share = max(min(RESERVED, PLANNED / len(groups)), first)
    reason = f"migrated: {len(drawn)} groups were drawn by chance, {len(used)} that training had used left the stream"
    values = "(:project, :share, :groups, 'migration', :reason, current_timestamp)"
    op.get_bind().execute(
        sa.text(f"insert into reserve (project_id, share, groups, author, reason, at) values {values}"),
        {"project": project, "share": share, "groups": len(groups), "reason": reason},
    )


def _groups_with(project: int, table: str, where: str) -> set[int]:
    query = (
        f"select distinct g.id from {table} r join image i on i.id = r.image_id "
        f"join image_group g on g.id = i.group_id where r.project_id = :project and {where}"
    )
    return set(op.get_bind().execute(sa.text(query), {"project": project}).scalars())
