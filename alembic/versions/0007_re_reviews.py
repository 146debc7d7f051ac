"""blind re-reviews of labels: what was asked for, the plans, the reviews; and what an open alarm says now

Revision: 0007
Follows: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "re_review_request",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("wanted", BIG, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_re_review_request_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_re_review_request")),
        sa.UniqueConstraint("project_id", "wanted", name=op.f("uq_re_review_request_project_id_wanted")),
    )
    op.create_table(
        "re_review_plan",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("seed", BIG, nullable=False),
        sa.Column("label_ids", sa.JSON(), nullable=False),
        sa.Column("suspicion", sa.JSON(), nullable=False),
        sa.Column("made_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_re_review_plan_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_re_review_plan")),
    )
    op.create_index(op.f("ix_re_review_plan_project_id"), "re_review_plan", ["project_id"])
    op.create_table(
        "re_review",
        sa.Column("review_id", BIG, autoincrement=False, nullable=False),
        sa.Column("label_id", BIG, nullable=False),
        sa.Column("plan_id", BIG, nullable=False),
        sa.Column("suspicious", sa.Boolean(), nullable=False),
        sa.Column("place", BIG, nullable=False),
        sa.ForeignKeyConstraint(["review_id"], ["review.id"], name=op.f("fk_re_review_review_id_review")),
        sa.ForeignKeyConstraint(["label_id"], ["label.id"], name=op.f("fk_re_review_label_id_label")),
        sa.ForeignKeyConstraint(["plan_id"], ["re_review_plan.id"], name=op.f("fk_re_review_plan_id_re_review_plan")),
        sa.PrimaryKeyConstraint("review_id", name=op.f("pk_re_review")),
        sa.UniqueConstraint("label_id", name=op.f("uq_re_review_label_id")),
    )
    op.create_index("ix_re_review_plan_id", "re_review", ["plan_id"])
    op.create_table(
        "alarm_words",
        sa.Column("id", BIG, nullable=False),
        sa.Column("alarm_id", BIG, nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarm.id"], name=op.f("fk_alarm_words_alarm_id_alarm")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm_words")),
    )
    op.create_index(op.f("ix_alarm_words_alarm_id"), "alarm_words", ["alarm_id"])


def downgrade() -> None:
    for table in ("alarm_words", "re_review", "re_review_plan", "re_review_request"):
        op.drop_table(table)
