"""logins are kept on the server, and keys may expire

Revision: 0010
Follows: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("api_key", sa.Column("expires_at", AT, nullable=True))
    op.create_table(
        "page_session",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("key_id", BIG, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("projects", sa.JSON(), nullable=True),
        sa.Column("opened_at", AT, nullable=False),
        sa.Column("expires_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name=op.f("fk_page_session_key_id_api_key")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_page_session")),
    )


def downgrade() -> None:
    op.drop_table("page_session")
    op.drop_column("api_key", "expires_at")
