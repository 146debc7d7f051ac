"""images that a certificate did not accept whatever their score, and why

Revision: 0016
Follows: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "excluded_image",
        sa.Column("certificate_id", BIG, nullable=False),
        sa.Column("image_id", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificate.id"], name=op.f("fk_excluded_image_certificate_id_certificate")
        ),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_excluded_image_image_id_image")),
        sa.PrimaryKeyConstraint("certificate_id", "image_id", name=op.f("pk_excluded_image")),
    )
    op.create_index(op.f("ix_excluded_image_image_id"), "excluded_image", ["image_id"])


def downgrade() -> None:
    op.drop_table("excluded_image")
