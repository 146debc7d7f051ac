"""what machine labels were promised: terms, attempts, accepted images, ends

Revision: 0015
Follows: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "certificate_terms",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("terms", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("config_version", BIG, nullable=False),
        sa.Column("newest_review", BIG, nullable=False),
        sa.Column("cursor", sa.Double(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_certificate_terms_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_terms")),
    )
    op.create_index(op.f("ix_certificate_terms_project_id"), "certificate_terms", ["project_id"])
    op.create_table(
        "certificate",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("terms_id", BIG, nullable=False),
        sa.Column("look", BIG, nullable=False),
        sa.Column("version_id", BIG, nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("sampled", BIG, nullable=False),
        sa.Column("rank", BIG, nullable=False),
        sa.Column("wrong", BIG, nullable=False),
        sa.Column("accepted", BIG, nullable=False),
        sa.Column("delta", sa.Double(), nullable=False),
        sa.Column("versions", BIG, nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_certificate_project_id_project")),
        sa.ForeignKeyConstraint(
            ["terms_id"], ["certificate_terms.id"], name=op.f("fk_certificate_terms_id_certificate_terms")
        ),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_certificate_version_id_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate")),
        sa.UniqueConstraint("terms_id", "look", name=op.f("uq_certificate_terms_id_look")),
    )
    op.create_index(op.f("ix_certificate_project_id"), "certificate", ["project_id"])
    op.create_index(op.f("ix_certificate_version_id"), "certificate", ["version_id"])
    op.create_table(
        "certified_image",
        sa.Column("certificate_id", BIG, nullable=False),
        sa.Column("image_id", BIG, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("rank", BIG, nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificate.id"], name=op.f("fk_certified_image_certificate_id_certificate")
        ),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_certified_image_image_id_image")),
        sa.PrimaryKeyConstraint("certificate_id", "image_id", name=op.f("pk_certified_image")),
    )
    op.create_index(op.f("ix_certified_image_image_id"), "certified_image", ["image_id"])
    op.create_table(
        "certificate_audit",
        sa.Column("id", BIG, nullable=False),
        sa.Column("certificate_id", BIG, nullable=False),
        sa.Column("images", BIG, nullable=False),
        sa.Column("wrong", BIG, nullable=False),
        sa.Column("evidence", sa.Double(), nullable=True),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("lower", sa.Double(), nullable=False),
        sa.Column("detectable", sa.Double(), nullable=True),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificate.id"], name=op.f("fk_certificate_audit_certificate_id_certificate")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_audit")),
        sa.UniqueConstraint(
            "certificate_id", "images", "wrong", name=op.f("uq_certificate_audit_certificate_id_images_wrong")
        ),
    )
    op.create_table(
        "certificate_end",
        sa.Column("certificate_id", BIG, autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificate.id"], name=op.f("fk_certificate_end_certificate_id_certificate")
        ),
        sa.PrimaryKeyConstraint("certificate_id", name=op.f("pk_certificate_end")),
    )


def downgrade() -> None:
    for table in ("certificate_end", "certificate_audit", "certified_image", "certificate", "certificate_terms"):
        op.drop_table(table)
