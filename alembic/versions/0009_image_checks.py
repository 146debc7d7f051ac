"""scores of pictures: blurred, dark, blown out, almost empty, oddly long

Revision: 0009
Follows: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "image_check",
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("blurry", sa.Double(), nullable=False),
        sa.Column("dark", sa.Double(), nullable=False),
        sa.Column("light", sa.Double(), nullable=False),
        sa.Column("low_information", sa.Double(), nullable=False),
        sa.Column("odd_aspect", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("content_hash", name=op.f("pk_image_check")),
    )


def downgrade() -> None:
    op.drop_table("image_check")
