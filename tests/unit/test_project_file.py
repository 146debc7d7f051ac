"""A project's file names what the policy holds, key for key."""

from __future__ import annotations

from dataclasses import fields

import pytest

from labeling import project
from service.projects import project_file
from service.written_files import Strict

OTHERWISE = {"BudgetIn": {"amount": "micro"}}
"""Keys that a person writes in another form: the budget's amount becomes millionths."""
PAIRS = [
    (project_file.LabelIn, project.LabelClass),
    (project_file.EngineUseIn, project.EngineUse),
    (project_file.BudgetIn, project.Budget),
    (project_file.SharesIn, project.Shares),
    (project_file.GateIn, project.Gate),
    (project_file.GoldIn, project.Gold),
    (project_file.OverlapIn, project.Overlap),
    (project_file.TeamIn, project.Team),
    (project_file.TargetsIn, project.Targets),
    (project_file.PolicyIn, project.Policy),
    (project_file.ProjectFile, project.ProjectConfig),
]


@pytest.mark.parametrize(("written", "held"), PAIRS)
def test_no_key_of_the_file_is_dropped_silently(written: type[Strict], held: type) -> None:
    other = OTHERWISE.get(written.__name__, {})

    named = {other.get(name, name) for name in written.model_fields}

    assert named == {field.name for field in fields(held)}


def test_every_part_of_the_file_is_compared() -> None:
    parts = {kind for kind in vars(project_file).values() if isinstance(kind, type) and issubclass(kind, Strict)} - {
        Strict
    }

    assert parts == {written for written, _ in PAIRS}
