"""Ready images made without an engine, and parts to work on them: what select and figures start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.versions import predictions, versions
from db.repositories.versions.predictions import PredictionFile
from db.session import transaction
from db.tables import AnnotationRow, GroupRow, ImageRow, LabelRow, PrelabelRow, ReviewRow
from labeling.adapters.storage.embedding_store import EmbeddingStore
from labeling.adapters.storage.prediction_files import write_predictions
from labeling.jobs import Trigger
from labeling.project import Project
from labeling.types import LabelSource, Side, Verdict, VersionId
from service.settings import Settings
from service.work.failpoints import Failpoints
from service.work.wiring import Parts
from tests.conftest import NOW

ENCODER, REVISION = "seeded-encoder", "seeded-1"


@dataclass(frozen=True)
class SeededEngine:
    """Names what was seeded; looks at nothing."""

    name: str = "seeded"
    revision: str = REVISION
    image_encoder: str = ENCODER
    text_encoder: str = "seeded-words"


def make_parts(database: sa.Engine, home: Path) -> Parts:
    """Parts of which select and figures use these only."""
    nothing = cast(Any, None)
    return Parts(
        settings=Settings(home=home),
        database=database,
        jobs=nothing,
        images=nothing,
        embeddings=EmbeddingStore(str(home / "embeddings")),
        label_studio=nothing,
        engine_for=lambda project: cast(Any, SeededEngine()),
        failpoint=Failpoints(""),
        now=lambda: NOW,
    )


def seed_images(parts: Parts, project: Project, n: int, *, twins: int = 1) -> list[int]:
    """Store n ready images in groups of `twins`; every fourth group is held out. Vectors go in too."""
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(len(project.config.classes)), size=n)
    parts.embeddings.put(ENCODER, [f"{i:064x}" for i in range(n)], rng.normal(size=(n, 6)).astype(np.float32))
    with transaction(parts.database) as session:
        for i in range(n):
            if i % twins == 0:
                side = Side.HOLDOUT if (i // twins) % 4 == 0 else Side.POOL
                group = GroupRow(project_id=project.id, founder_hash=f"{i:064x}", side=side, created_at=NOW)
                session.add(group)
                session.flush()
            _add_image(session, project, i, group.id, probs[i].tolist())
        return list(session.scalars(sa.select(ImageRow.id).order_by(ImageRow.id)))


def _add_image(session: Session, project: Project, i: int, group_id: int, probs: list[float]) -> None:
    image = ImageRow(
        project_id=project.id,
        content_hash=f"{i:064x}",
        perceptual_hash=f"{i:016x}",
        format="PNG",
        width=8,
        height=8,
        size_bytes=64,
        text=None,
        details={},
        group_id=group_id,
        fetched_at=NOW,
    )
    session.add(image)
    session.flush()
    session.add(
        PrelabelRow(
            image_id=image.id,
            engine="seeded",
            revision=REVISION,
            probs=probs,
            description="",
            duration_s=0.0,
            cost_micro=0,
            created_at=NOW,
        )
    )


def add_champion(
    parts: Parts, project: Project, image_ids: Sequence[int], probs: npt.NDArray[np.floating], *, promoted: bool = True
) -> VersionId:
    """Save a version that predicts so, and crown it."""
    with transaction(parts.database) as session:
        number = versions.next_number(session, project.id)
        last = session.scalar(sa.select(sa.func.max(LabelRow.id))) or 0
        version = versions.add_version(
            session,
            project.id,
            number,
            path=f"models/{number}",
            card_hash="c",
            snapshot_hash="s",
            last_label_id=last,
            report={},
            trigger=Trigger.ANSWERED,
            now=NOW,
        )
        verdict = Verdict.PROMOTED if promoted else Verdict.REFUSED
        versions.append_promotion(
            session,
            version,
            None,
            verdict,
            ["it is better"],
            report={},
            trigger=Trigger.LEARNED,
            author="test",
            now=NOW,
        )
        written = write_predictions(
            parts.settings.home,
            f"predictions/{project.id}/{number}",
            np.array(image_ids, np.int64),
            np.asarray(probs, np.float64),
        )
        file = PredictionFile(written.path, written.rows, written.sha256, NOW)
        predictions.keep_prediction_file(session, version.id, file)
    return version.id


def answer(
    session: Session,
    review: ReviewRow,
    value: str,
    *,
    action: str = "answered",
    shown: str | None = None,
    after: int = 0,
) -> None:
    """One person's answer to a review (or its withdrawal), and the label that follows from it."""
    session.add(
        AnnotationRow(
            review_id=review.id,
            annotator_id=None,
            ls_annotation_id=review.id,
            unique_id=f"u{review.id}",
            action=action,
            answers=[value],
            result_hash=f"{value}{after}",
            shown=shown,
            accepted=None if shown is None else shown == value,
            lead_time_s=1.0,
            updated_at=NOW + timedelta(seconds=after),
            recorded_at=NOW,
        )
    )
    add_label(session, review.project_id, review.image_id, value if action == "answered" else None, review.id)


def add_label(
    session: Session,
    project_id: int,
    image_id: int,
    value: str | None,
    review_id: int | None = None,
    source: LabelSource = LabelSource.PEOPLE,
) -> None:
    session.add(
        LabelRow(
            project_id=project_id,
            image_id=image_id,
            value=value,
            source=source,
            review_id=review_id,
            evidence={},
            author="test",
            reason="answered",
            created_at=NOW,
        )
    )
    session.flush()
