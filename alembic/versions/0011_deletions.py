"""what was deleted, what is left to remove of it, and what may not come back; a number is never given twice

SQLite gives the number of the last row again once that row is deleted, unless its table says AUTOINCREMENT. A table
that others point at cannot be copied to say so, and its rows need not change: the word is put into its definition.

Revision: 0011
Follows: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AT = sa.DateTime(timezone=True)
NUMBERED = (
    "project", "source", "registration", "image", "image_group", "query", "review", "annotator", "annotation",
    "label", "version", "snapshot",
)  # fmt: skip
"""Tables whose rows are deleted while their numbers stand somewhere else: in files, addresses, JSON, tombstones."""


INDEXED = (("image", "group_id"), *(("group_move", one) for one in ("image_id", "from_group_id", "to_group_id")))
"""Columns that a database looks through for every row that is deleted in the table they point at."""


def upgrade() -> None:
    _tables()
    for table, column in INDEXED:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE TABLE numbering (id INTEGER PRIMARY KEY AUTOINCREMENT)")  # makes `sqlite_sequence`
        op.execute("DROP TABLE numbering")
        _define("PRIMARY KEY (id)", "PRIMARY KEY (id AUTOINCREMENT)")
        for table in NUMBERED:
            last = f"(SELECT coalesce(max(id), 0) FROM {table})"
            op.execute(f"INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', {last})")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _define("PRIMARY KEY (id AUTOINCREMENT)", "PRIMARY KEY (id)")
        op.execute("DELETE FROM sqlite_sequence")
    for table, column in INDEXED:
        op.drop_index(op.f(f"ix_{table}_{column}"), table)
    for table in ("withdrawal", "tombstone", "leftover", "deletion"):
        op.drop_table(table)


def _define(old: str, new: str) -> None:
    """Change how the numbered tables are defined, without touching their rows."""
    version = op.get_bind().exec_driver_sql("PRAGMA schema_version").scalar_one()
    op.execute("PRAGMA writable_schema = ON")
    for table in NUMBERED:
        op.execute(
            f"UPDATE sqlite_schema SET sql = replace(sql, 'CONSTRAINT pk_{table} {old}', 'CONSTRAINT pk_{table} {new}') "
            f"WHERE type = 'table' AND name = '{table}'"
        )
    op.execute(f"PRAGMA schema_version = {version + 1}")
    op.execute("PRAGMA writable_schema = RESET")


def _tables() -> None:
    op.create_table(
        "deletion",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", BIG, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("asked_at", AT, nullable=False),
        sa.Column("ended_at", AT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deletion")),
    )
    op.create_index("ix_deletion_project_id_ended_at", "deletion", ["project_id", "ended_at"])
    op.create_table(
        "leftover",
        sa.Column("id", BIG, nullable=False),
        sa.Column("deletion_id", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["deletion_id"], ["deletion.id"], name=op.f("fk_leftover_deletion_id_deletion")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leftover")),
        sa.UniqueConstraint("deletion_id", "kind", "what", name=op.f("uq_leftover_deletion_id_kind_what")),
    )
    op.create_table(
        "tombstone",
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("deletion_id", BIG, nullable=False),
        sa.ForeignKeyConstraint(["deletion_id"], ["deletion.id"], name=op.f("fk_tombstone_deletion_id_deletion")),
        sa.PrimaryKeyConstraint("project_id", "mark", name=op.f("pk_tombstone")),
    )
    op.create_index(op.f("ix_tombstone_deletion_id"), "tombstone", ["deletion_id"])
    op.create_table(
        "withdrawal",
        sa.Column("id", BIG, nullable=False),
        sa.Column("snapshot_id", BIG, nullable=False),
        sa.Column("deletion_id", BIG, nullable=False),
        sa.Column("labels", BIG, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshot.id"], name=op.f("fk_withdrawal_snapshot_id_snapshot")),
        sa.ForeignKeyConstraint(["deletion_id"], ["deletion.id"], name=op.f("fk_withdrawal_deletion_id_deletion")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawal")),
        sa.UniqueConstraint("snapshot_id", "deletion_id", name=op.f("uq_withdrawal_snapshot_id_deletion_id")),
    )
