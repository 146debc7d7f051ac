"""why an image was picked stands with its review, and what a query was drawn from with the query

Older reviews have no reason, and older queries no basis: neither was kept, and none is made up.

Revision: 0013
Follows: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("review", sa.Column("reason", sa.Text(), nullable=True))
    op.create_table(
        "query_basis",
        sa.Column("query_id", BIG, nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["query_id"], ["query.id"], name=op.f("fk_query_basis_query_id_query")),
        sa.PrimaryKeyConstraint("query_id", name=op.f("pk_query_basis")),
    )


def downgrade() -> None:
    op.drop_table("query_basis")
    op.drop_column("review", "reason")
