"""A figure about people's work that another release kept in another form is counted anew by the step that writes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db.session import reading, transaction
from db.tables import FigureRow
from db.views import dashboard
from labeling.project import Project
from service.work.quality import Step
from service.work.quality.agreement import refresh_agreement
from service.work.quality.annotators.team import refresh_team
from service.work.quality.consensus import refresh_consensus
from service.work.quality.drift import refresh_drift
from service.work.quality.label_quality import refresh_label_quality
from service.work.quality.suspects import refresh_suspects
from service.work.quality.wrong_labels import refresh_wrong_labels
from tests.service.labelled_pool import Ground
from tests.service.shipping_ground import shipping_ground


@pytest.fixture
def ground(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Ground:
    return shipping_ground(database, tmp_path, make_project(database))


def kept(ground: Ground, name: str) -> dict[str, Any]:
    with reading(ground.parts.database) as session:
        return dashboard.figures(session, ground.project.id)[name].data


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("consensus", refresh_consensus),
        ("team", refresh_team),
        ("agreement", refresh_agreement),
        ("label_errors", refresh_suspects),
        ("drift", refresh_drift),
        ("share_of_wrong_labels", refresh_wrong_labels),
        ("label_quality", refresh_label_quality),
    ],
)
def test_a_figure_in_an_old_form_is_written_anew(ground: Ground, name: str, step: Step) -> None:
    step(ground.parts, ground.project.id)
    before = kept(ground, name)
    with transaction(ground.parts.database) as session:
        session.execute(sa.update(FigureRow).where(FigureRow.name == name).values(data={"old": "form"}))

    step(ground.parts, ground.project.id)

    assert kept(ground, name) == before
