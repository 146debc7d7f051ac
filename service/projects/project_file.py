"""A project's YAML file (or the same as JSON over HTTP), checked when it is read.

In: text. Out: a `ProjectConfig`. Every mistake is reported with its place and what would be right.
"""

from __future__ import annotations

import copy
from collections import Counter
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, field_validator, model_validator

from labeling.answers import is_always_offered
from labeling.conversion import convert
from labeling.errors import Invalid
from labeling.normal_form import same_name, visible
from labeling.project import ProjectConfig, Schedule
from labeling.schedule import check_schedule
from service.plugins import HEADS, STRATEGIES
from service.projects.certificate_terms import CertificateIn
from service.projects.engine_use import EngineName, EngineUseIn, LabelMap, PictureSide, Share
from service.projects.written_texts import Plain, Prompt, Template, named, named_plainly, plain
from service.written_files import Strict, mistakes
from service.written_yaml import Written, read_yaml

RETIRED = {
    "policy": ("holdout_share",),
    "policy.shares": (
        *("evaluation_until_target", "evaluation", "evaluation_target", "evaluation_per_class", "control"),
        "calibration",
    ),
}
"""Keys of older project files, by their place: they are read, and mean nothing any more."""


class LabelIn(Strict):
    name: Annotated[str, Field(max_length=100), AfterValidator(named_plainly)]
    description: Annotated[str, Field(max_length=500), AfterValidator(plain)] = ""
    prompts: Annotated[list[Prompt], Field(max_length=50)] = []


def _in_full(value: object) -> object:
    """A label that is written as its name alone, as a mapping: every limit then holds for both ways of writing."""
    if not isinstance(value, dict):
        return value if isinstance(value, LabelIn) else {"name": value}
    if len(value) == 1 and not value.keys() & LabelIn.model_fields.keys():
        ((key, said),) = value.items()
        if said is None:
            raise ValueError(f'`{key}:` is no label. Write `- {key}`, or `- "{key}:"` if the colon belongs to it')
        if not isinstance(said, str | int | float):
            raise ValueError(f"`{key}:` is no label. Write `- name: {key}`, and what is below it in the same column")
        raise ValueError(
            f"`{key}: {said}` is no label. Write `- name: {key}`, and `description: {said}` in a line below"
        )
    return value


Label = Annotated[LabelIn, BeforeValidator(_in_full)]


class BudgetIn(Strict):
    amount: Annotated[Decimal, Field(ge=0, le=1_000_000_000, decimal_places=6)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"


class StopIn(Strict):
    accuracy: Annotated[float, Field(gt=0, lt=1)] | None = None
    gain: Annotated[float, Field(gt=0, lt=1)] | None = None
    answers: Annotated[int, Field(ge=1)] | None = None
    hours: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    money: Annotated[float, Field(gt=0, le=1_000_000_000)] | None = None
    wage: Annotated[float, Field(ge=0, le=1_000_000)] = 0.0

    @model_validator(mode="after")
    def _money_needs_a_wage(self) -> StopIn:
        if self.money is not None and not self.wage:
            raise ValueError("`money` needs `wage`: what an hour of a person's work costs")
        return self


class ScheduleIn(Strict):
    learn: Annotated[Plain, Field(max_length=100)] = ""
    quiet: Annotated[Plain, Field(max_length=20)] = ""
    timezone: Annotated[Plain, Field(max_length=60)] = "UTC"

    @model_validator(mode="after")
    def _comes(self) -> ScheduleIn:
        try:
            check_schedule(Schedule(self.learn, self.quiet, self.timezone))
        except Invalid as error:
            raise ValueError(error.message) from error
        return self


class SharesIn(Strict):
    random_first: Annotated[float, Field(ge=0, lt=1)] = 0.20
    random: Annotated[float, Field(ge=0, lt=1)] = 0.10
    random_target: int = Field(default=100, ge=0)
    blind: Share = 0.10
    re_review: Annotated[float, Field(ge=0, le=0.5)] = 0.02


class GateIn(Strict):
    measure: Annotated[str, Field(pattern="^(accuracy|macro_f1)$")] = "accuracy"
    margin: Share = 0.02
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.90
    min_labels: int = Field(default=30, ge=1)
    class_refusals: Annotated[float, Field(ge=0, lt=0.5)] = 0.0


class GoldIn(Strict):
    rate: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    people: int = Field(default=5, ge=1, le=100)
    onboarding: int = Field(default=0, ge=0, le=1_000)
    from_consensus: int = Field(default=0, ge=0, le=100)
    feedback: bool = False


class OverlapIn(Strict):
    people: int = Field(default=3, ge=1, le=20)
    share: Literal["auto"] | Share = 0.1


class TeamIn(Strict):
    pseudonyms: bool = False
    names_in_exports: bool = False
    pause: bool = True


class TargetsIn(Strict):
    accuracy: Share = 0.8
    agreement: Annotated[float, Field(ge=-1, le=1)] = 0.667
    label_errors: Share = 0.05
    gold: Share = 0.9
    disputes: int = Field(default=0, ge=0)
    classes: int = Field(default=10, ge=0)
    alarms: int = Field(default=0, ge=0)


def _off(value: object) -> object:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


NearDuplicates = Annotated[
    Literal["adaptive", "off"] | Annotated[int, Field(strict=True, ge=0, le=64)], BeforeValidator(_off)
]


class PolicyIn(Strict):
    engine: EngineName = "bundled"
    templates: Annotated[list[Template], Field(max_length=100)] = []
    picture_side: PictureSide = 0
    label_map: LabelMap = {}
    image_encoder: Annotated[Plain, Field(pattern="^(|bundled|backbone:.+)$")] = ""
    text_encoder: Annotated[Plain, Field(pattern="^(|bundled|sentences:.+)$")] = ""
    escalation: Annotated[list[EngineUseIn], Field(max_length=8)] = []
    budget: BudgetIn | None = None
    stop: StopIn = StopIn()
    regions: Plain = ""
    strategy: Annotated[Plain, named(STRATEGIES)] = "margin"
    weigh_by: Plain = ""
    head: Annotated[Plain, named(HEADS)] = "logistic"
    choice: str = "single"
    seed: int = Field(default=0, ge=0, lt=2**63)
    query_size: int = Field(default=50, ge=1, le=5_000)
    low_water: int = Field(default=15, ge=0)
    shares: SharesIn = SharesIn()
    gate: GateIn = GateIn()
    gold: GoldIn = GoldIn()
    overlap: OverlapIn = OverlapIn()
    team: TeamIn = TeamIn()
    targets: TargetsIn = TargetsIn()
    consensus: Literal["majority", "dawid-skene", "glad", "crowdlab"] = "crowdlab"
    show: list[Literal["top", "reason", "reason_before"]] = ["top", "reason"]
    explanation: Literal["", "examples", "occlusion", "both"] = ""
    learn_after_labels: int = Field(default=40, ge=1)
    learn_every_s: int = Field(default=86_400, ge=1)
    schedule: ScheduleIn = ScheduleIn()
    near_duplicates: NearDuplicates = "adaptive"
    source_every_s: int = Field(default=300, ge=1)
    keep_originals: bool = False
    metadata_as_text: list[Plain] = []
    imported: Literal["training", "random_sample"] = "training"
    certificate: CertificateIn | None = None

    @model_validator(mode="after")
    def _one_overlay(self) -> PolicyIn:
        if self.regions and self.explanation:
            raise ValueError("there can be only one overlay: name `regions` or `explanation`, not both")
        return self

    @model_validator(mode="after")
    def _weighted_by_something(self) -> PolicyIn:
        if (self.strategy == "weighted") != bool(self.weigh_by):
            raise ValueError(
                "`strategy: weighted` and `weigh_by` go together: name the metadata field with the number that a label "
                "of an image is worth"
            )
        return self

    @field_validator("show")
    @classmethod
    def _one_reason(cls, value: list[str]) -> list[str]:
        if {"reason", "reason_before"} <= set(value):
            raise ValueError("name `reason` (behind a click) or `reason_before` (in the open), not both")
        return value

    @field_validator("choice")
    @classmethod
    def _single_choice(cls, value: str) -> str:
        if value != "single":
            raise ValueError(
                f"{value} is not built yet; only `single` is. "
                "For several answers about one image, make one project for each question"
            )
        return value


class ProjectFile(Strict):
    """The content of the file; `docs/reference/project-file.md` explains every key."""

    name: Annotated[str, Field(max_length=80), AfterValidator(named_plainly)]
    labels: Annotated[list[Label], Field(min_length=2, max_length=1_000)]
    guidelines: Annotated[str, Field(max_length=100_000), AfterValidator(visible)] = ""
    policy: PolicyIn = PolicyIn()

    @model_validator(mode="before")
    @classmethod
    def _leave_out_retired(cls, content: Any) -> Any:
        return _without_retired(content) if isinstance(content, dict) else content

    @model_validator(mode="after")
    def _maps_to_labels(self) -> ProjectFile:
        names = {same_name(label.name) for label in self.labels}
        maps = [("policy", self.policy.label_map)]
        maps += [(f"policy.escalation.{at}", use.label_map) for at, use in enumerate(self.policy.escalation)]
        for place, mapped in maps:
            strange = sorted({name for name in mapped.values() if same_name(name) not in names})
            if strange:
                raise ValueError(f"{place}.label_map: {', '.join(strange[:5])!r} is no label of this project")
        return self

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: list[LabelIn]) -> list[LabelIn]:
        names = [same_name(label.name) for label in labels]
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        if twice:
            raise ValueError(f"these labels are given twice: {', '.join(twice)}")
        taken = sorted(set(filter(is_always_offered, names)))
        if taken:
            raise ValueError(f"{', '.join(taken)!r} is always offered; leave it out of the label set")
        return labels

    def to_config(self) -> ProjectConfig:
        budget = self.policy.budget
        policy = self.policy.model_dump()
        policy["budget"] = {"micro": int(budget.amount * 1_000_000), "currency": budget.currency} if budget else None
        labels = [label.model_dump() for label in self.labels]
        content = {"name": self.name, "labels": labels, "guidelines": self.guidelines, "policy": policy}
        return convert(content, ProjectConfig)


def parse_project(text: str) -> ProjectConfig:
    """Read a project file; Invalid names every mistake and its place."""
    try:
        written = read_yaml(text)
    except Invalid as error:
        raise Invalid(f"The project file cannot be read. {error.message}") from error
    if not isinstance(written.content, dict):
        raise Invalid("The project file must hold `name:` and `labels:`; see docs/reference/project-file.md.")
    return check_project(written.content, written)


def check_project(content: dict[str, Any], written: Written | None = None) -> ProjectConfig:
    """The same for content that is parsed already; Invalid names every mistake and its place."""
    try:
        return ProjectFile.model_validate(content).to_config()
    except ValidationError as error:
        raise Invalid(f"The project file has mistakes:{mistakes(error, written, ProjectFile)}") from error


def retired_keys(content: dict[str, Any]) -> list[str]:
    """The keys of a parsed project file that mean nothing any more, with their places."""
    return [
        f"{place}.{key}" for place, keys in RETIRED.items() for key in keys if key in _at(content, place.split("."))
    ]


def _at(content: Any, path: list[str]) -> dict[str, Any]:
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}


def _without_retired(content: dict[str, Any]) -> dict[str, Any]:
    found = copy.deepcopy(content)
    for place, keys in RETIRED.items():
        for key in keys:
            _at(found, place.split(".")).pop(key, None)
    return found
