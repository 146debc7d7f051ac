"""Few-shot and projected in a real escalation: they wait for what they start from, and look again when it has grown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import sqlalchemy as sa

from db.session import transaction
from db.tables import ImageRow, PrelabelRow
from labeling.errors import Invalid
from labeling.prelabel.encoders.towers import TextTower
from labeling.prelabel.engine import Item, Vectors
from labeling.prelabel.engines.few_shot import FewShotEngine
from labeling.prelabel.engines.projected import ProjectedEngine
from labeling.prelabel.engines.scripted import ScriptedEngine
from labeling.project import EngineUse, Policy, Project
from labeling.types import ReviewKind
from service.settings import Settings
from service.work.engines.encoders import texts_of
from service.work.engines.factory import make_engine
from service.work.prelabel.prelabel import prelabel_batch
from tests.service.labelled_pool import Ground
from tests.service.prelabel.escalating import (
    EscalatingParts,
    add_pictures,
    escalate,
    everyone,
    learnable,
    make_escalating,
    said_by,
)
from tests.unit.prelabel.pictures import grey

FEW_SHOT, PROJECTED = EngineUse("few-shot", examples=4), EngineUse("projected")
DOUBTFUL = (0.4, 0.35, 0.25)
Make = Callable[..., Project]


def _prepared(database: sa.Engine, folder: Path, make_project: Make, use: EngineUse) -> tuple[Project, EscalatingParts]:
    project = make_project(database, policy=Policy(engine="scripted", escalation=(use,)))
    return project, make_escalating(database, folder, project, DOUBTFUL)


def _label(parts: EscalatingParts, project: Project, images: list[int]) -> None:
    ground = Ground(cast(Any, parts), project, cast(Any, None), {image: image % 3 for image in images})
    ground.label(images, ReviewKind.HARD)


def test_few_shot_waits_for_labels_and_looks_again_when_they_have_doubled(
    database: sa.Engine, tmp_path: Path, make_project: Make
) -> None:
    project, parts = _prepared(database, tmp_path, make_project, FEW_SHOT)
    parts.dear = {"few-shot": make_engine(project, Settings(home=tmp_path), FEW_SHOT)}
    add_pictures(parts, project, 40)
    pool, images = sorted(learnable(parts)), everyone(parts)

    waiting = escalate(parts, project)
    _label(parts, project, pool[:4])
    first, again = escalate(parts, project), escalate(parts, project)
    early = said_by(parts, "few-shot")
    _label(parts, project, pool[4:8])
    escalate(parts, project)

    late = said_by(parts, "few-shot")
    assert waiting == again == [{"done": 0, "failed": 0, "left": 0}]
    assert sum(count["done"] for count in first) == len(images) - 4 == len(early)
    assert {row.revision for row in early.values()} == {f"{_revision(project)}-4"}
    assert {late[image].revision for image in images - set(pool[:8])} == {f"{_revision(project)}-8"}
    assert all(row.evidence["examples"] and image not in row.evidence["examples"] for image, row in early.items())


def _revision(project: Project) -> str:
    return FewShotEngine(project.config.classes, 1, lambda: 0.0).revision


def _projected(project: Project) -> ProjectedEngine:
    """With the scripted engine's words as text encoder."""
    words = ScriptedEngine(project.config.classes)

    def encode(texts: Sequence[str]) -> Vectors:
        vectors = words.look([Item(grey(), text) for text in texts]).text_vectors
        return np.stack([vector for vector in vectors if vector is not None])

    tower = TextTower(words.text_encoder, encode)
    return ProjectedEngine(project.config.labels, PROJECTED, tower, 1, lambda: 0.0)


def _add_texts(parts: EscalatingParts, project: Project) -> None:
    """Each image comes with a text from now on, and is looked at again."""
    with transaction(parts.database) as session:
        for image in session.scalars(sa.select(ImageRow).where(ImageRow.project_id == project.id)):
            image.text = f"a picture of a {project.config.classes[image.id % 3]}"
        session.execute(sa.delete(PrelabelRow))
    while prelabel_batch(cast(Any, parts), project.id)["left"]:
        pass


def test_projected_waits_for_texts_and_then_looks_once_at_every_image_in_doubt(
    database: sa.Engine, tmp_path: Path, make_project: Make
) -> None:
    project, parts = _prepared(database, tmp_path, make_project, PROJECTED)
    parts.dear = {"projected": _projected(project)}
    add_pictures(parts, project, 130)

    waiting = escalate(parts, project, size=64)
    _add_texts(parts, project)
    first, again = escalate(parts, project, size=64), escalate(parts, project, size=64)

    said = said_by(parts, "projected")
    assert waiting == again == [{"done": 0, "failed": 0, "left": 0}]
    assert sum(count["done"] for count in first) == len(said) > 60
    assert all(row.outcome == "label" and abs(sum(row.probs) - 1) < 1e-6 for row in said.values())
    assert {row.revision for row in said.values()} == {f"{_projected(project).revision}-128"}


@pytest.mark.parametrize(
    ("use", "way_out"),
    [(EngineUse("few-shot"), "examples: 4"), (FEW_SHOT, "first engine"), (PROJECTED, "first engine")],
)
def test_as_first_engines_or_without_examples_they_are_refused(
    use: EngineUse, way_out: str, database: sa.Engine, tmp_path: Path, make_project: Make
) -> None:
    first = "scripted" if way_out == "examples: 4" else use.engine
    project = make_project(database, policy=Policy(engine=first))

    with pytest.raises(Invalid, match=way_out):
        make_engine(project, Settings(home=tmp_path), use)


@pytest.mark.parametrize(
    ("policy", "encoder"),
    [
        (Policy(), "bundled"),
        (Policy(engine="agent:box/small"), "bundled"),
        (Policy(engine="dual-encoder:/models/clip"), "sentences:/models/clip"),
        (Policy(engine="dual-encoder:/models/clip", text_encoder="bundled"), "bundled"),
        (Policy(engine="scripted", text_encoder="sentences:e5"), "sentences:e5"),
    ],
)
def test_projected_speaks_the_language_of_the_projects_texts(policy: Policy, encoder: str) -> None:
    assert texts_of(policy) == encoder


def test_texts_that_only_their_engine_can_encode_are_refused() -> None:
    with pytest.raises(Invalid, match="text_encoder: bundled"):
        texts_of(Policy(engine="scripted"))
