"""A project's file names what the policy holds, key for key."""

from __future__ import annotations

from dataclasses import fields

import pytest

from labeling import project
from labeling.errors import Invalid
from service.projects import project_file
from service.projects.project_file import parse_project
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
    (project_file.CertificateIn, project.CertificateTerms),
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


@pytest.mark.parametrize("template", ["{name:>800000000}", "{name.__class__}", "{name} {other}", "a photo"])
def test_a_template_that_formats_is_refused_with_its_key(template: str) -> None:
    text = f"name: p\nlabels: [a, b]\npolicy: {{templates: ['a {{name}}', '{template}']}}\n"

    with pytest.raises(Invalid, match=r"policy\.templates\.1"):
        parse_project(text)


def test_every_mistake_is_named_at_once() -> None:
    text = "name: p\nlabels: [a, a]\npolicy: {choice: multi, show: [reason, reason_before], colour: red}\n"

    with pytest.raises(Invalid) as raised:
        parse_project(text)

    places = [line.split(":")[0].strip() for line in raised.value.message.splitlines()[1:]]
    assert places == ["labels", "policy.choice", "policy.show", "policy.colour"]
