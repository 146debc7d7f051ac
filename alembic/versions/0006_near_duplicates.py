"""near-duplicates: fingerprints of images, the rule in force, and images that came into another group

Revision: 0006
Follows: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "fingerprint",
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("content_hash", name=op.f("pk_fingerprint")),
    )
    op.create_table(
        "grouping",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sure", sa.Double(), nullable=False),
        sa.Column("near", sa.Double(), nullable=False),
        sa.Column("images", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_grouping_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grouping")),
    )
    op.create_index(op.f("ix_grouping_project_id"), "grouping", ["project_id"])
    op.create_table(
        "group_move",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("image_id", BIG, nullable=False),
        sa.Column("from_group_id", BIG, nullable=False),
        sa.Column("to_group_id", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_group_move_project_id_project")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_group_move_image_id_image")),
        sa.ForeignKeyConstraint(
            ["from_group_id"], ["image_group.id"], name=op.f("fk_group_move_from_group_id_image_group")
        ),
        sa.ForeignKeyConstraint(
            ["to_group_id"], ["image_group.id"], name=op.f("fk_group_move_to_group_id_image_group")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_move")),
    )
    op.create_index(op.f("ix_group_move_project_id"), "group_move", ["project_id"])
    op.execute(
        "INSERT INTO grouping (project_id, kind, sure, near, images, reason, created_at) "
        "SELECT id, 'kept', -1, -1, 0, 'groups of version 0.1.0 stay until they are made anew', CURRENT_TIMESTAMP "
        "FROM project WHERE EXISTS (SELECT 1 FROM image_group WHERE image_group.project_id = project.id)"
    )


def downgrade() -> None:
    for table in ("group_move", "grouping", "fingerprint"):
        op.drop_table(table)
