"""What no row names is removed; what a row names stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.engines.prelabels import name_vectors
from db.session import transaction
from labeling.adapters.storage.embedding_store import MissingVectors
from labeling.adapters.storage.image_store import ImageStore
from labeling.errors import NotFound
from labeling.project import Project
from service.work.ingest.garbage_collection import tidy_up
from tests.service.labelled_pool import ENCODER, make_ground


def test_files_and_vectors_without_a_row_are_removed_and_the_others_stay(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    ground = make_ground(database, tmp_path, make_project(database), pool=3, reserved=0)
    parts = replace(ground.parts, images=ImageStore(str(tmp_path / "media")))
    parts.embeddings.put(ENCODER, ["a" * 64, "b" * 64], np.eye(2, 8, dtype=np.float32))
    with transaction(database) as session:
        name_vectors(session, ENCODER, ["a" * 64], datetime(2026, 1, 1, tzinfo=UTC))
    parts.images.keep("c" * 64, b"orphan", "image/png", None)
    ground.clock.at = datetime.now(UTC) + timedelta(days=2)

    first = tidy_up(parts)
    second = tidy_up(parts)

    assert first["files"] == 1
    assert first["vectors"] >= 1
    assert second == {"files": 0, "vectors": 0}
    assert parts.embeddings.get(ENCODER, ["a" * 64]).shape == (1, 8)
    with pytest.raises(MissingVectors):
        parts.embeddings.get(ENCODER, ["b" * 64])
    with pytest.raises(NotFound):
        parts.images.shown("c" * 64)
