"""figures are kept as data alone: plots are drawn when somebody asks for them

Revision: 0004
Follows: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("figure") as table:
        table.drop_column("svg")


def downgrade() -> None:
    with op.batch_alter_table("figure") as table:
        table.add_column(sa.Column("svg", sa.Text(), nullable=True))
