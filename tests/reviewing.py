"""Reviews made without select, and parts to push and sync them: what the tests of the review step start from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.orm import Session

from db.session import insert_new, transaction
from db.tables import GroupRow, ImageRow, PrelabelRow, QueryRow, ReviewRow, SeenRow
from labeling.adapters.label_studio.client import LabelStudio
from labeling.project import Project
from labeling.types import ProjectId, ReviewId, ReviewKind
from service.jobs.jobs import Jobs
from service.settings import Settings
from service.work.failpoints import Failpoints
from service.work.wiring import Parts
from tests.conftest import NOW

SECRET = "0123456789abcdef" * 3


def make_parts(
    database: sa.Engine, home: Path, studio: LabelStudio, *, port: int = 8320, failpoint: Any = None, now: Any = None
) -> Parts:
    """Parts of which push and sync use these only."""
    nothing = cast(Any, None)
    return Parts(
        settings=Settings(home=home, secret=SecretStr(SECRET), port=port),
        database=database,
        jobs=Jobs(database),
        images=nothing,
        embeddings=nothing,
        label_studio=studio,
        engine_for=nothing,
        failpoint=failpoint or Failpoints(""),
        now=now or (lambda: datetime.now(UTC)),
    )


def ask(
    session: Session,
    project: Project,
    number: int,
    kinds: Sequence[ReviewKind],
    *,
    probs: Sequence[Sequence[float]] | None = None,
    texts: Sequence[str | None] | None = None,
) -> list[ReviewId]:
    """One query about one new image a kind; pre-labels come with `probs`. Review ids, in the order of `kinds`."""
    query = QueryRow(
        project_id=project.id, number=number, strategy="margin", seed=0, version_id=None,
        pool_size=len(kinds), trigger="by hand", created_at=NOW,
    )  # fmt: skip
    session.add(query)
    session.flush()
    made = []
    for position, kind in enumerate(kinds):
        image = _image(session, project, f"{number:03d}{position:013d}", None if texts is None else texts[position])
        if probs is not None:
            session.add(_prelabel(image, probs[position]))
        blind = kind in (ReviewKind.EVALUATION, ReviewKind.CALIBRATION)
        review = ReviewRow(
            project_id=project.id, image_id=image, query_id=query.id, kind=kind.value, blind=blind, probability=1.0,
            place=(position * 0.37) % 1, token=f"token-{project.id}-{number}-{position}", created_at=NOW,
        )  # fmt: skip
        session.add(review)
        session.flush()
        made.append(ReviewId(review.id))
    return made


def look_at(database: sa.Engine, review_ids: Sequence[int]) -> None:
    """The images of these reviews were fetched from us."""
    with transaction(database) as session:
        insert_new(session, SeenRow, [{"review_id": review_id, "at": NOW} for review_id in review_ids])


def rows_of(database: sa.Engine, table: type[Any]) -> list[Any]:
    """All rows of a table, in the order of their keys."""
    with transaction(database) as session:
        return list(session.scalars(sa.select(table).order_by(*table.__table__.primary_key.columns)))


def label_values(database: sa.Engine, project_id: ProjectId) -> dict[int, str]:
    """Image id -> the label that stands."""
    from db.repositories.labels import labels

    with transaction(database) as session:
        return {int(label.image_id): str(label.value) for label in labels.current(session, project_id)}


def _image(session: Session, project: Project, name: str, text: str | None) -> int:
    group = GroupRow(project_id=project.id, founder_hash=name, side="pool", created_at=NOW)
    session.add(group)
    session.flush()
    image = ImageRow(
        project_id=project.id, content_hash=name, perceptual_hash="0" * 16, format="PNG", width=1, height=1,
        size_bytes=1, text=text, details={}, group_id=group.id, bridge=False, fetched_at=NOW,
    )  # fmt: skip
    session.add(image)
    session.flush()
    return image.id


def _prelabel(image: int, probs: Sequence[float]) -> PrelabelRow:
    return PrelabelRow(
        image_id=image, engine="test", revision="test-1", probs=list(probs), description="", duration_s=0.0,
        cost_micro=0, created_at=NOW,
    )  # fmt: skip
