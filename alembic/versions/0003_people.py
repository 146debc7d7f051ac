"""people: overlap, decisions, pauses, voids, soft labels, snapshots, alarms, messages, adopted tasks

Revision: 0003
Follows: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AT = sa.DateTime(timezone=True)
LISTED: tuple[tuple[str, tuple[str, ...]], ...] = (
    *(("review", ("project_id", "kind")), ("review", ("image_id",)), ("annotation", ("annotator_id",))),
    *(("image", ("project_id", "id")), ("review", ("project_id", "id"))),
    *(("label", ("review_id",)), ("label", ("project_id", "value")), ("label", ("project_id", "source"))),
)
"""What the page of labels is filtered by."""


def upgrade() -> None:
    op.create_table(
        "alarm",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("raised_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_alarm_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm")),
    )
    op.create_index("ix_alarm_project_id_kind_subject", "alarm", ["project_id", "kind", "subject"], unique=False)
    op.create_table(
        "message",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_message_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("key", name=op.f("uq_message_key")),
    )
    op.create_index(op.f("ix_message_project_id"), "message", ["project_id"], unique=False)
    op.create_table(
        "snapshot",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last_label_id", BIG, nullable=False),
        sa.Column("labels", BIG, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("released", sa.Boolean(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_snapshot_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshot")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_snapshot_project_id_name")),
    )
    op.create_table(
        "alarm_end",
        sa.Column("alarm_id", BIG, autoincrement=False, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarm.id"], name=op.f("fk_alarm_end_alarm_id_alarm")),
        sa.PrimaryKeyConstraint("alarm_id", name=op.f("pk_alarm_end")),
    )
    op.create_table(
        "annotator_switch",
        sa.Column("id", BIG, nullable=False),
        sa.Column("annotator_id", BIG, nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotator.id"], name=op.f("fk_annotator_switch_annotator_id_annotator")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotator_switch")),
    )
    op.create_index(op.f("ix_annotator_switch_annotator_id"), "annotator_switch", ["annotator_id"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", BIG, nullable=False),
        sa.Column("message_id", BIG, nullable=False),
        sa.Column("attempt", BIG, nullable=False),
        sa.Column("delivered", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_delivery_message_id_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("message_id", "attempt", name=op.f("uq_delivery_message_id_attempt")),
    )
    op.create_table(
        "adopted_task",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("ls_task_id", BIG, nullable=False),
        sa.Column("registration_id", BIG, nullable=False),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.Column("people", BIG, nullable=False),
        sa.Column("adopted_at", AT, nullable=False),
        sa.Column("taken_at", AT, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_adopted_task_project_id_project")),
        sa.ForeignKeyConstraint(
            ["registration_id"], ["registration.id"], name=op.f("fk_adopted_task_registration_id_registration")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adopted_task")),
        sa.UniqueConstraint("project_id", "ls_task_id", name=op.f("uq_adopted_task_project_id_ls_task_id")),
    )
    op.create_index(op.f("ix_adopted_task_registration_id"), "adopted_task", ["registration_id"], unique=False)
    op.create_table(
        "decision",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("image_id", BIG, nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_decision_image_id_image")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_decision_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
    )
    op.create_index("ix_decision_image_id", "decision", ["image_id"], unique=False)
    op.create_index(op.f("ix_decision_project_id"), "decision", ["project_id"], unique=False)
    op.create_table(
        "soft_label",
        sa.Column("image_id", BIG, autoincrement=False, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("probs", sa.JSON(), nullable=False),
        sa.Column("annotations", sa.JSON(), nullable=False),
        sa.Column("computed_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_soft_label_image_id_image")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_soft_label_project_id_project")),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_soft_label")),
    )
    op.create_index(op.f("ix_soft_label_project_id"), "soft_label", ["project_id"], unique=False)
    op.create_table(
        "overlap",
        sa.Column("id", BIG, nullable=False),
        sa.Column("review_id", BIG, nullable=False),
        sa.Column("people", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["review_id"], ["review.id"], name=op.f("fk_overlap_review_id_review")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_overlap")),
        sa.UniqueConstraint("review_id", "people", name=op.f("uq_overlap_review_id_people")),
    )
    op.create_table(
        "label_check",
        sa.Column("label_id", BIG, autoincrement=False, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["label_id"], ["label.id"], name=op.f("fk_label_check_label_id_label")),
        sa.PrimaryKeyConstraint("label_id", name=op.f("pk_label_check")),
    )
    op.create_table(
        "void",
        sa.Column("id", BIG, nullable=False),
        sa.Column("annotator_id", BIG, nullable=False),
        sa.Column("up_to", BIG, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["annotator_id"], ["annotator.id"], name=op.f("fk_void_annotator_id_annotator")),
        sa.ForeignKeyConstraint(["up_to"], ["annotation.id"], name=op.f("fk_void_up_to_annotation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_void")),
        sa.UniqueConstraint("annotator_id", "up_to", name=op.f("uq_void_annotator_id_up_to")),
    )
    op.add_column("annotation", sa.Column("paused", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("annotation", sa.Column("ls_task_id", BIG, nullable=True))
    op.add_column("label_studio_project", sa.Column("controls", sa.JSON(), nullable=True))
    op.add_column("label_studio_project", sa.Column("swept_at", AT, nullable=True))
    op.add_column("label_studio_project", sa.Column("importing_since", AT, nullable=True))
    op.add_column("push", sa.Column("touched_at", AT, nullable=True))
    op.add_column("push", sa.Column("people", BIG, nullable=False, server_default="1"))
    op.add_column("push", sa.Column("answer", sa.Text(), nullable=True))
    op.add_column("push", sa.Column("score", sa.Double(), nullable=True))
    for table, columns in LISTED:
        op.create_index(_index(table, columns), table, list(columns), unique=False)


def downgrade() -> None:
    for table, columns in LISTED:
        op.drop_index(_index(table, columns), table_name=table)
    made = ("delivery", "message", "alarm_end", "alarm", "snapshot", "adopted_task", "label_check", "soft_label")
    for table in (*made, "void", "annotator_switch", "decision", "overlap"):
        op.drop_table(table)
    added = [("push", "people"), ("push", "answer"), ("push", "score")]
    added += [("label_studio_project", "swept_at"), ("label_studio_project", "importing_since")]
    added += [("annotation", "ls_task_id"), ("push", "touched_at")]
    for table, column in (*added, ("label_studio_project", "controls"), ("annotation", "paused")):
        with op.batch_alter_table(table) as changed:
            changed.drop_column(column)


def _index(table: str, columns: tuple[str, ...]) -> str:
    return f"ix_{table}_{'_'.join(columns)}"
