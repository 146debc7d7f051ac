"""What engines have done in a project: counts for each revision, and the prelabels that a comparison starts from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.engines.engines_in_force import place_of
from db.repositories.engines.prelabels import PendingImage, stated_in
from db.repositories.labels.labels import is_current_label
from db.rows import columns, count_if, in_parts, read, read_all, rows_of
from db.tables import GroupRow, ImageRow, LabelRow, PrelabelRow
from labeling.answers import Answer
from labeling.types import ImageId, LabelSource, Outcome, ProjectId


@dataclass(frozen=True, slots=True)
class RevisionFacts:
    """What one exact revision of an engine has done in a project. `seconds` is the mean an image."""

    engine: str
    revision: str
    prelabels: int
    abstained: int
    none_of_these: int
    flagged: int
    cached: int
    seconds: float
    cost_micro: int
    tokens_in: int
    tokens_out: int
    newest_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPrelabel:
    """The part of a prelabel that is compared. `probs` is empty where there are none; `stated` is its confidence."""

    probs: tuple[float, ...]
    outcome: Outcome
    answer: str | None
    duration_s: float
    cost_micro: int
    stated: str = ""


@dataclass(frozen=True, slots=True)
class Amount:
    """What one image cost an engine; a cached answer cost nothing, so it predicts nothing about the next image."""

    seconds: float
    cost_micro: int
    cached: bool


@dataclass(frozen=True, slots=True)
class GoldImage:
    """An image whose true label was given from outside; `group_id` is 0 while it has no group yet."""

    image_id: ImageId
    group_id: int
    label: str


def revisions(session: Session, project_id: ProjectId) -> list[RevisionFacts]:
    """Every revision that has prelabels here, the one used last first."""
    evidence = PrelabelRow.evidence
    amounts = PrelabelRow.cost_micro, evidence["tokens_in"].as_integer(), evidence["tokens_out"].as_integer()
    newest = sa.func.max(PrelabelRow.created_at)
    rows = session.execute(
        sa.select(
            PrelabelRow.engine,
            PrelabelRow.revision,
            sa.func.count(),
            count_if(PrelabelRow.outcome == Outcome.ABSTAINED),
            count_if(PrelabelRow.outcome == Outcome.NONE_OF_THESE),
            count_if(sa.func.json_array_length(evidence["flags"]) > 0),
            count_if(evidence["cached"].as_boolean().is_(True)),
            sa.func.avg(PrelabelRow.duration_s),
            *(sa.func.coalesce(sa.func.sum(amount), 0) for amount in amounts),
            sa.type_coerce(newest, PrelabelRow.created_at.type),
        )
        .join(ImageRow, ImageRow.id == PrelabelRow.image_id)
        .where(ImageRow.project_id == project_id)
        .group_by(PrelabelRow.engine, PrelabelRow.revision)
        .order_by(newest.desc(), PrelabelRow.revision)
    )
    return [  # databases give sums and means as types of their own
        RevisionFacts(engine, revision, n, int(a), int(none), int(f), int(c), float(s), int(cost), int(i), int(o), at)
        for engine, revision, n, a, none, f, c, s, cost, i, o, at in rows
    ]


def amounts(session: Session, project_id: ProjectId, revision: str, limit: int) -> list[Amount]:
    """What the newest images cost this revision."""
    rows = session.execute(
        sa.select(PrelabelRow.duration_s, PrelabelRow.cost_micro, PrelabelRow.evidence["cached"].as_boolean())
        .join(ImageRow, ImageRow.id == PrelabelRow.image_id)
        .where(ImageRow.project_id == project_id, PrelabelRow.revision == revision)
        .order_by(PrelabelRow.id.desc())
        .limit(limit)
    )
    return [Amount(seconds, cost, bool(cached)) for seconds, cost, cached in rows]


def images(session: Session, project_id: ProjectId, *, not_by: str | None = None) -> list[PendingImage]:
    """All images of the project in the order of their ids, or those that a revision has not labelled."""
    query = _images(project_id)
    if not_by is not None:
        query = query.where(~sa.exists().where(PrelabelRow.image_id == ImageRow.id, PrelabelRow.revision == not_by))
    return read_all(PendingImage, session.execute(query))


def by_ids(session: Session, project_id: ProjectId, image_ids: Iterable[int]) -> list[PendingImage]:
    """Those of these images that the project has, in the order of their ids."""
    return read_all(PendingImage, rows_of(session, _images(project_id), ImageRow.id, sorted(image_ids)))


def _images(project_id: ProjectId) -> sa.Select[*tuple[Any, ...]]:
    of_project = sa.select(*columns(PendingImage, ImageRow)).where(ImageRow.project_id == project_id)
    return of_project.order_by(ImageRow.id)


def stored(session: Session, revision: str, image_ids: Iterable[int]) -> dict[ImageId, StoredPrelabel]:
    """What this revision has said of these images, by image."""
    fields = columns(StoredPrelabel, PrelabelRow, stated=PrelabelRow.evidence["raw"])
    said = sa.select(PrelabelRow.image_id, *fields).where(PrelabelRow.revision == revision)
    return {
        ImageId(row.image_id): read(StoredPrelabel, {**row._mapping, "stated": stated_in(row.stated or "")})
        for row in rows_of(session, said, PrelabelRow.image_id, image_ids)
    }


def gold(session: Session, project_id: ProjectId) -> list[GoldImage]:
    """Images whose label that stands is given gold, in the order of their ids; gold of agreement trains."""
    group = sa.func.coalesce(GroupRow.id, 0)
    rows = session.execute(
        sa.select(ImageRow.id.label("image_id"), group.label("group_id"), LabelRow.value.label("label"))
        .select_from(LabelRow)
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .outerjoin(GroupRow, GroupRow.id == ImageRow.group_id)
        .where(LabelRow.project_id == project_id, LabelRow.source == LabelSource.GOLD, is_current_label())
        .where(LabelRow.value.is_not(None), LabelRow.review_id.is_(None))
        .order_by(ImageRow.id)
    )
    return read_all(GoldImage, rows)


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """One prelabel: `probs` is empty where there are none, `answer` None where no class was named."""

    engine: str
    revision: str
    probs: list[float]
    answer: str | None
    reason: str


def engine_answers(
    session: Session, project_id: ProjectId, image_ids: Sequence[ImageId]
) -> dict[ImageId, EngineAnswer]:
    """The answer of the engine that comes last in the escalation and did not abstain, with its reason."""
    found: dict[ImageId, EngineAnswer] = {}
    for some in in_parts(image_ids):
        rows = session.scalars(
            sa.select(PrelabelRow)
            .where(PrelabelRow.image_id.in_(some), PrelabelRow.outcome != Outcome.ABSTAINED.value)
            .order_by(place_of(project_id, PrelabelRow.revision), PrelabelRow.id)
        )
        for row in rows:
            answer = Answer.named(Outcome(row.outcome), row.answer).single
            if row.probs or answer:
                reason = str((row.evidence or {}).get("reason", ""))
                found[ImageId(row.image_id)] = EngineAnswer(row.engine, row.revision, row.probs, answer, reason)
    return found
