"""Which labels are re-reviewed blind to learn how many are wrong: what was asked for, planned and asked, appended."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, ref

__all__ = ["ReReviewPlanRow", "ReReviewRequestRow", "ReReviewRow"]


class ReReviewRequestRow(Base):
    """The fact that a lead asked for more re-reviews: so many are wanted in all requests together from here on."""

    __tablename__ = "re_review_request"
    __table_args__ = (sa.UniqueConstraint("project_id", "wanted"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"))
    wanted: Mapped[int]
    author: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]


class ReReviewPlanRow(Base):
    """The labels that re-reviews are drawn from, each as suspicious as it was then (null: no prediction).

    The order by chance follows from `seed`, which every plan of a project shares. The newest plan is grown.
    """

    __tablename__ = "re_review_plan"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"), index=True)
    seed: Mapped[int]
    label_ids: Mapped[list[int]] = mapped_column(sa.JSON())
    suspicion: Mapped[list[float | None]] = mapped_column(sa.JSON())
    made_at: Mapped[datetime]


class ReReviewRow(Base):
    """The fact that a label is re-reviewed: the plan that chose it, as suspicious or by chance, and where in its order.

    A label is re-reviewed once; it may count in the plans that follow too.
    """

    __tablename__ = "re_review"
    __table_args__ = (sa.UniqueConstraint("label_id"), sa.Index("ix_re_review_plan_id", "plan_id"))
    review_id: Mapped[int] = mapped_column(ref("review.id"), primary_key=True, autoincrement=False)
    label_id: Mapped[int] = mapped_column(ref("label.id"))
    plan_id: Mapped[int] = mapped_column(ref("re_review_plan.id"))
    suspicious: Mapped[bool]
    place: Mapped[int]
