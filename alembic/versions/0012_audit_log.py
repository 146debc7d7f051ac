"""the audit log says from where and about which project, and the database refuses to change or remove its rows

A deletion takes names out of `subject` and `detail` (docs/decisions/0043-the-audit-log.md): those two can be written.

Revision: 0012
Follows: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEPT = "id, at, actor, action, place, key, project_id"
TRIGGERS = {"audit_stays": "DELETE", "audit_stays_as_it_is": f"UPDATE OF {KEPT}"}
REFUSAL = "The audit log is appended only."
OF_NO_PROJECT = (
    "action IN ('login', 'logout') OR action LIKE 'key.%' OR action LIKE 'database.%' OR action LIKE '%.key'"
)


def upgrade() -> None:
    op.add_column("audit", sa.Column("place", sa.Text(), nullable=False, server_default=""))
    op.add_column("audit", sa.Column("key", sa.Text(), nullable=False, server_default=""))
    op.add_column("audit", sa.Column("project_id", BIG, nullable=True))
    _find_projects()
    op.create_index(op.f("ix_audit_project_id"), "audit", ["project_id"])
    op.create_index("ix_audit_action_at", "audit", ["action", "at"])
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    if not on_sqlite:
        op.execute(
            "CREATE OR REPLACE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
        )
    does = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END" if on_sqlite else "EXECUTE FUNCTION audit_stays()"
    for name, event in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} BEFORE {event} ON audit FOR EACH ROW {does}")


def downgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name}" if on_sqlite else f"DROP TRIGGER {name} ON audit")
    if not on_sqlite:
        op.execute("DROP FUNCTION audit_stays()")
    op.drop_index("ix_audit_action_at", "audit")
    op.drop_index(op.f("ix_audit_project_id"), "audit")
    for column in ("project_id", "key", "place"):
        op.drop_column("audit", column)


def _find_projects() -> None:
    """Which project an older row is about, where its subject says so: by name, by number, or by an alarm's number."""
    for found in (
        "SELECT id FROM project WHERE name = subject",
        "SELECT id FROM project WHERE subject LIKE CAST(id AS TEXT) || '/%' AND action LIKE 'snapshot.%'",
        "SELECT id FROM project WHERE subject LIKE 'project ' || CAST(id AS TEXT) || ' %' AND action = 'promote'",
        "SELECT project_id FROM alarm WHERE CAST(id AS TEXT) = subject AND action = 'alarm.end'",
    ):
        op.execute(f"UPDATE audit SET project_id = ({found}) WHERE project_id IS NULL AND NOT ({OF_NO_PROJECT})")
