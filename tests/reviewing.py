"""Reviews made without select, and parts to push and sync them: what the tests of the review step start from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.orm import Session

from db.session import transaction
from labeling.adapters.label_studio.client import LabelStudio
from labeling.project import Project
from labeling.review.kinds import blind_always
from labeling.types import ProjectId, ReviewId, ReviewKind
from service.jobs.jobs import Jobs
from service.settings import Settings
from service.work.failpoints import Failpoints
from service.work.wiring import Parts
from tests import factories

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
    query = factories.query(session, project.id, number, pool_size=len(kinds))
    made = []
    for position, kind in enumerate(kinds):
        text = None if texts is None else texts[position]
        name = f"{number:03d}{position:013d}"
        image = factories.image(session, project.id, name, reserved=False, text=text, width=1, height=1)
        if probs is not None:
            factories.prelabel(session, image, probs[position])
        asked = {"blind": blind_always(kind), "place": (position * 0.37) % 1}
        token = f"token-{project.id}-{number}-{position}"
        made.append(factories.review(session, project.id, image, kind, query_id=query, token=token, **asked))
    return made


def run_inference(database: sa.Engine, review_ids: Sequence[int]) -> None:
    """The images of these reviews were fetched from us."""
    with transaction(database) as session:
        factories.seen(session, *review_ids)


def rows_of(database: sa.Engine, table: type[Any]) -> list[Any]:
    """All rows of a table, in the order of their keys."""
    with transaction(database) as session:
        return list(session.scalars(sa.select(table).order_by(*table.__table__.primary_key.columns)))


def label_values(database: sa.Engine, project_id: ProjectId) -> dict[int, str]:
    """Image id -> the label that stands."""
    from db.repositories.labels import labels

    with transaction(database) as session:
        return {int(label.image_id): str(label.value) for label in labels.current(session, project_id)}
