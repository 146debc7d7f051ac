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
MADE = {"changes"}
"""What no file says: the changes of the label set are made by commands, the page and the API."""
PAIRS = [
    (project_file.LabelIn, project.LabelClass),
    (project_file.EngineUseIn, project.EngineUse),
    (project_file.BudgetIn, project.Budget),
    (project_file.StopIn, project.Stop),
    (project_file.ScheduleIn, project.Schedule),
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

    assert named == {field.name for field in fields(held)} - MADE


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


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ("{precision: 1}", "a precision of 1 cannot be shown: with 800 sampled images, none of them wrong"),
        ("{precision: 0.99, first_size: 20, sizes: 2}", r"it is at most 0\.9"),
        ("{finished: 0}", "a share of 0 wrong labels cannot be shown"),
        ("{precision: 0.9, finished: 0.1}", "name one promise"),
        ("{confidence: 0.9}", "name one promise"),
        ("{precision: 0.9, sizes: 9}", r"certificate\.sizes"),
        ("{precision: 0.9, frame: 1}", r"certificate\.frame"),
    ],
)
def test_a_target_that_cannot_be_shown_is_refused_at_once_with_what_could_be_reached(terms: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        parse_project(f"name: p\nlabels: [a, b]\npolicy: {{certificate: {terms}}}\n")


def test_a_target_is_read_with_its_defaults() -> None:
    found = parse_project("name: p\nlabels: [a, b]\npolicy: {certificate: {precision: 0.95}}\n").policy.certificate

    assert found == project.CertificateTerms(precision=0.95)
    assert found.planned_sizes == (100, 200, 400, 800)
    assert parse_project("name: p\nlabels: [a, b]\n").policy.certificate is None


@pytest.mark.parametrize("policy", ["{strategy: weighted}", "{weigh_by: sales}", "{strategy: margin, weigh_by: sales}"])
def test_a_strategy_by_weight_and_the_field_with_the_weight_go_together(policy: str) -> None:
    with pytest.raises(Invalid, match="`strategy: weighted` and `weigh_by` go together"):
        parse_project(f"name: p\nlabels: [a, b]\npolicy: {policy}\n")


def test_the_field_with_the_weight_is_read() -> None:
    found = parse_project("name: p\nlabels: [a, b]\npolicy: {strategy: weighted, weigh_by: sales}\n")

    assert found.policy.weigh_by == "sales"
