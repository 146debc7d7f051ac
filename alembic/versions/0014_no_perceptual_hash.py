"""images have no perceptual hash of 64 bits any more: near-duplicates are recognised by their fingerprints

Nothing has read the hash since the fingerprints came. Down again, older images have an empty one, as flat ones had.

Revision: 0014
Follows: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("image", "perceptual_hash")


def downgrade() -> None:
    op.add_column("image", sa.Column("perceptual_hash", sa.Text(), server_default="", nullable=False))
