"""engines: calls and their cost, probes, calibrations, canaries, reports, regions; how a prelabel came about

Revision: 0002
Follows: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("prelabel", sa.Column("outcome", sa.Text(), nullable=False, server_default="label"))
    op.add_column("prelabel", sa.Column("answer", sa.Text(), nullable=True))
    op.add_column("prelabel", sa.Column("evidence", sa.JSON(), nullable=False, server_default="{}"))
    op.create_table(
        "call",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=True),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("lease_until", AT, nullable=False),
        sa.Column("attempts", BIG, nullable=False),
        sa.Column("reserved_micro", BIG, nullable=False),
        sa.Column("cost_micro", BIG, nullable=False),
        sa.Column("tokens_in", BIG, nullable=False),
        sa.Column("tokens_out", BIG, nullable=False),
        sa.Column("status", BIG, nullable=True),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("sent_at", AT, nullable=True),
        sa.Column("ended_at", AT, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_call_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call")),
        sa.UniqueConstraint("endpoint", "key", name=op.f("uq_call_endpoint_key")),
    )
    op.create_index("ix_call_project_id_state", "call", ["project_id", "state"])
    op.create_table(
        "spend",
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("reserved_micro", BIG, nullable=False),
        sa.Column("spent_micro", BIG, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_spend_project_id_project")),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_spend")),
    )
    op.create_table(
        "probe",
        sa.Column("id", BIG, nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_probe")),
    )
    op.create_index("ix_probe_endpoint_model", "probe", ["endpoint", "model"])
    op.create_table(
        "calibration",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("labels", BIG, nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_calibration_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibration")),
        sa.UniqueConstraint("project_id", "revision", "number", name=op.f("uq_calibration_project_id_revision_number")),
    )
    op.create_table(
        "engine_stage",
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("place", BIG, autoincrement=False, nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("since", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_engine_stage_project_id_project")),
        sa.PrimaryKeyConstraint("project_id", "place", name=op.f("pk_engine_stage")),
    )
    op.create_table(
        "canary",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("injection", sa.Text(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("truth", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("clean", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("obeyed", sa.Boolean(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_canary_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canary")),
        sa.UniqueConstraint("project_id", "revision", "key", name=op.f("uq_canary_project_id_revision_key")),
    )
    op.create_table(
        "engine_report",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_engine_report_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engine_report")),
    )
    op.create_index("ix_engine_report_project_id_kind", "engine_report", ["project_id", "kind"])

    op.create_table(
        "region",
        sa.Column("id", BIG, nullable=False),
        sa.Column("review_id", BIG, nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("picture", sa.Text(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["review_id"], ["review.id"], name=op.f("fk_region_review_id_review")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_region")),
        sa.UniqueConstraint("review_id", "picture", name=op.f("uq_region_review_id_picture")),
    )


def downgrade() -> None:
    for table in ("region", "engine_report", "canary", "engine_stage", "calibration", "probe", "spend", "call"):
        op.drop_table(table)
    with op.batch_alter_table("prelabel") as prelabel:
        for column in ("evidence", "answer", "outcome"):
            prelabel.drop_column(column)
