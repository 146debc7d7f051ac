"""What an escalated engine is given: opinion, description and labelled neighbours, never its own group's label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from db.session import transaction
from db.tables import AnnotationRow, LabelRow, ReviewRow
from labeling.project import EngineUse, Policy, Project
from labeling.types import ReviewKind
from service.work.pool.pool import load_pool
from service.work.prelabel.engine_inputs import shots_for
from tests.service.labelled_pool import Ground, make_ground
from tests.service.prelabel.escalating import (
    Dear,
    EscalatingParts,
    add_pictures,
    escalate,
    learnable,
    make_escalating,
    said_by,
    says,
)

AGENT, SECOND = EngineUse("agent:box/small", examples=3), EngineUse("agent:box/large", below_margin=1.0)
POLICY = Policy(engine="scripted", escalation=(AGENT, SECOND))
MAY_TEACH = {ReviewKind.HARD, ReviewKind.RELABEL, ReviewKind.HARD}


@pytest.fixture
def project(database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    return make_project(database, policy=POLICY)


@pytest.fixture
def parts(database: sa.Engine, tmp_path: Path, project: Project) -> EscalatingParts:
    parts = make_escalating(database, tmp_path, project, (0.4, 0.35, 0.25))
    first = replace(says("agent", "cat"), description="a striped animal")
    parts.dear = {
        AGENT.engine: Dear("agent", lambda item: first),
        SECOND.engine: Dear("second", lambda item: says("second", "cat")),
    }
    return parts


def test_an_item_carries_what_is_believed_and_what_the_newest_engine_before_said(
    parts: EscalatingParts, project: Project
) -> None:
    add_pictures(parts, project, 4)

    escalate(parts, project)

    for item in parts.dear[AGENT.engine].seen:
        assert item.prediction == pytest.approx((0.4, 0.35, 0.25)) and len(item.key) == 64
        assert item.description == "scripted: by mean colour"
    assert {item.description for item in parts.dear[SECOND.engine].seen} == {"a striped animal"}


def test_shots_are_the_nearest_labelled_pictures_and_open_when_they_are_wanted(
    ground: Ground, parts: EscalatingParts, project: Project
) -> None:
    images = set(add_pictures(parts, project, 12))
    pool = sorted(images & learnable(parts))
    taught = replace(ground, parts=parts, project=project, truth=dict.fromkeys(pool, 0))  # type: ignore[arg-type]
    taught.label(pool[:4], ReviewKind.HARD, "dog")

    escalate(parts, project)

    items = parts.dear[AGENT.engine].seen
    assert set(said_by(parts, "agent")) == images - set(pool[:4])
    for item in items:
        assert len(item.shots) == AGENT.examples
        assert {shot.image_id for shot in item.shots} <= set(pool[:4])
        assert all(shot.label == "dog" and isinstance(shot.open(), Image.Image) for shot in item.shots)
        assert [s.similarity for s in item.shots] == sorted((s.similarity for s in item.shots), reverse=True)
    assert all(item.shots == () for item in parts.dear[SECOND.engine].seen), "it asks for none"


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Ground:
    return make_ground(database, tmp_path / "ground", make_project(database, name="ground"), pool=24, reserved=8)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.sampled_from([*ReviewKind, None]), min_size=24, max_size=24), n=st.integers(1, 30))
def test_only_labels_that_may_teach_are_shown_and_never_to_their_own_group(
    ground: Ground, kinds: list[ReviewKind | None], n: int
) -> None:
    with transaction(ground.parts.database) as session:
        for table in (LabelRow, AnnotationRow, ReviewRow):  # forget the last example
            session.execute(sa.delete(table))
    for image, kind in zip(ground.pool, kinds, strict=True):
        ground.label([image], kind)
    ground.label(ground.reserved[:2], ReviewKind.HARD)
    pool = load_pool(ground.parts, ground.project)

    shots = shots_for(ground.parts, ground.project, pool, np.arange(len(pool)), n)

    group = dict(zip(pool.image_ids.tolist(), pool.group_ids.tolist(), strict=True))
    may = {image for image, kind in zip(ground.pool, kinds, strict=True) if kind in MAY_TEACH}
    for image, found in zip(pool.image_ids.tolist(), shots, strict=True):
        assert {shot.image_id for shot in found} <= may
        assert group[image] not in {group[shot.image_id] for shot in found}
        assert len(found) == min(n, len(may - {image}))
