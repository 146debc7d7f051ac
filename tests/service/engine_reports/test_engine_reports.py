"""Reports on engines: what they say of engines whose answers are known, and that they say "not yet known" in time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.engines import calibrations, prelabels, reports
from db.session import reading, transaction
from db.tables import PrelabelRow
from labeling.errors import Invalid, NotFound, OverBudget
from labeling.prelabel.calibration import Terms
from labeling.prelabel.engine import Item, Look, no_vectors
from labeling.project import Budget, EngineUse, Policy, Project
from labeling.types import Evidence, Outcome, Prelabel, ReviewKind
from service.jobs.arguments import EnginesArguments
from service.jobs.engine_requests import EngineRequest, ReportKind
from service.work.engine_reports.report import answer, make, unwatched
from service.work.prelabel.prelabel import prelabel_batch
from service.work.wiring import Parts
from tests.conftest import NOW
from tests.service.labelled_pool import Ground, add_champion
from tests.service.reporting_ground import add_pictures, escalating, give_gold, names_in, parts_of

POLICY = Policy(engine="scripted")
COMPARE = EngineRequest(kind=ReportKind.COMPARE)
PLAN = EngineRequest(kind=ReportKind.PLAN)


@dataclass
class Stubborn:
    """An engine that always says the same, costs something, and gives up after so many images."""

    classes: tuple[str, ...]
    says: str | None = "cat"
    outcome: Outcome = Outcome.LABEL
    name: str = "stubborn"
    revision: str = "stubborn-1"
    image_encoder: str = ""
    text_encoder: str = ""
    patience: int = 10_000
    looked: int = 0

    def look(self, items: Sequence[Item]) -> Look:
        self.looked += len(items)
        if self.looked > self.patience:
            raise OverBudget("There is no money left.")
        evidence = Evidence(raw='{"confidence": "high"}', tokens_in=3)
        one = Prelabel(self.name, self.revision, (), "", 0.5, 70, self.outcome, self.says, evidence)
        return no_vectors([one] * len(items))


def with_second(database: sa.Engine, home: Path, second: Any) -> Parts:
    """Parts in which every engine but the first is this one; an error is what comes of loading it."""
    first = parts_of(database, home).engine_for

    def engine_for(project: Project, use: EngineUse | None = None) -> Any:
        if use is not None and isinstance(second, Exception):
            raise second
        return first(project) if use is None else second

    return parts_of(database, home, engine_for)


def rows_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["engine"]: row for row in document["engines"]}


@dataclass
class Dear(Stubborn):
    """One that asks an endpoint: it knows what a look costs."""

    at_once: int = 2

    def bound_micro(self, item: Item) -> int:
        return 100

    def likely_micro(self, item: Item) -> int:
        return 80


def test_engines_are_compared_on_gold_and_blind_random_labels(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(database, policy=escalating("few-shot"))
    parts = with_second(database, tmp_path, Stubborn(project.config.classes))
    give_gold(parts, project, add_pictures(parts, project, 12))
    held_out = add_pictures(parts, project, 24, reserved=True, first=12)
    for label in project.config.classes:
        of_class = [image for image, name in held_out.items() if name == label]
        Ground(parts, project, parts.now).label(of_class, ReviewKind.RANDOM, label)  # type: ignore[arg-type]

    document = make(parts, project, COMPARE, unwatched)

    rows = rows_of(document)
    assert document["images"] == 36
    assert names_in(document["engines"]) == ["scripted", "few-shot"]
    assert rows["scripted"]["accuracy"]["value"] == 1.0
    assert rows["few-shot"]["accuracy"]["value"] == 0.3333
    assert rows["scripted"]["calibration_error"]["known"] and not rows["few-shot"]["calibration_error"]["known"]
    assert (rows["few-shot"]["cost_micro"], rows["few-shot"]["seconds"]) == (36 * 70, 0.5)
    assert document["agreement"][0]["same"]["value"] == 0.3333
    assert document["agreement"][0]["kappa"] == 0.0
    assert len(document["differences"]) == 24
    assert {one["truth"] for one in document["differences"]} == {"dog", "bird"}
    json.dumps(document, allow_nan=False)


def test_few_labels_give_no_figures_and_a_list_all_the_same(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(database, policy=escalating("few-shot"))
    parts = with_second(database, tmp_path, Stubborn(project.config.classes))
    give_gold(parts, project, add_pictures(parts, project, 29))

    document = make(parts, project, COMPARE, unwatched)

    row = rows_of(document)["few-shot"]
    assert row["accuracy"] == {"known": False, "n": 29, "value": None, "lower": None, "upper": None}
    assert row["macro_f1"] is None
    assert len(document["differences"]) == 19
    assert document["agreement"][0]["kappa"] is None


@pytest.mark.parametrize(
    "broken", [Invalid("There is no folder /models/clip."), RuntimeError("CUDA out of memory"), ImportError("torch")]
)
def test_an_engine_that_cannot_be_loaded_says_why_and_the_others_go_on(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project], broken: Exception
) -> None:
    project = make_project(database, policy=escalating("few-shot"))
    parts = with_second(database, tmp_path, broken)
    give_gold(parts, project, add_pictures(parts, project, 30))

    compared, planned = make(parts, project, COMPARE, unwatched), make(parts, project, PLAN, unwatched)

    assert rows_of(compared)["scripted"]["accuracy"]["value"] == 1.0
    for document in (compared, planned):
        assert rows_of(document)["few-shot"]["error"] == str(broken)
    assert planned["money_micro"]["upper"] is None  # a part of it is not known


def test_stored_prelabels_of_the_same_revision_are_used_again_and_none_is_written(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(database, policy=escalating("few-shot"))
    second = Stubborn(project.config.classes)
    parts = with_second(database, tmp_path, second)
    images = list(add_pictures(parts, project, 30))
    give_gold(parts, project, dict.fromkeys(images, "cat"))
    known = Prelabel("stubborn", second.revision, (), "", 2.0, 10, Outcome.LABEL, "cat")
    with transaction(database) as session:
        prelabels.record(session, [(image, known) for image in images[:20]], NOW)

    row = rows_of(make(parts, project, COMPARE, unwatched))["few-shot"]

    assert (row["reused"], row["looked"], second.looked) == (20, 10, 10)
    assert (row["cost_micro"], row["spent_now_micro"]) == (20 * 10 + 10 * 70, 700)
    with reading(database) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(PrelabelRow)) == 20


def test_a_spent_budget_leaves_what_was_heard_and_a_note(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(database, policy=escalating("few-shot"))
    parts = with_second(database, tmp_path, Stubborn(project.config.classes, patience=16))
    give_gold(parts, project, add_pictures(parts, project, 60))

    row = rows_of(make(parts, project, COMPARE, unwatched))["few-shot"]

    assert (row["looked"], row["accuracy"]["n"]) == (16, 16)
    assert row["note"] == "There is no money left."


def test_abstaining_is_an_error_and_none_of_these_may_be_right(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(database, policy=escalating("few-shot"))
    parts = with_second(database, tmp_path, Stubborn(project.config.classes, None, Outcome.NONE_OF_THESE))
    silent = with_second(database, tmp_path, Stubborn(project.config.classes, None, Outcome.ABSTAINED))
    images = add_pictures(parts, project, 40)
    give_gold(parts, project, dict.fromkeys(images, "none of these"))

    none = rows_of(make(parts, project, COMPARE, unwatched))["few-shot"]
    abstained = rows_of(make(silent, project, COMPARE, unwatched))["few-shot"]

    assert (none["accuracy"]["value"], none["none_of_these"]) == (1.0, 40)
    assert (abstained["accuracy"]["value"], abstained["answered"]["value"], abstained["abstained"]) == (0.0, 0.0, 40)


def test_calibration_in_force_is_read_for_probabilities_and_for_stated_confidence(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(database, policy=escalating("few-shot"))
    parts = with_second(database, tmp_path, Stubborn(project.config.classes))
    give_gold(parts, project, add_pictures(parts, project, 30))
    scripted = parts.engine_for(project).revision
    with transaction(database) as session:
        sharper, stated = Terms(temperature=0.2, labels=20), Terms(levels={"high": 0.4, "": 0.9}, labels=20)
        calibrations.add(session, project.id, "scripted", scripted, 20, sharper.as_json(), NOW)
        calibrations.add(session, project.id, "stubborn", "stubborn-1", 20, stated.as_json(), NOW)

    rows = rows_of(make(parts, project, COMPARE, unwatched))

    assert rows["scripted"]["calibrated_error"]["upper"] < rows["scripted"]["calibration_error"]["upper"]
    assert rows["few-shot"]["calibration_error"]["n"] == 0
    assert 0 < rows["few-shot"]["calibrated_error"]["value"] < 0.4 - 1 / 3  # right once in three, less what chance adds


def test_the_champion_is_compared_by_what_it_had_predicted(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(database, policy=POLICY)
    parts = parts_of(database, tmp_path)
    images = list(add_pictures(parts, project, 33))
    give_gold(parts, project, dict.fromkeys(images, "cat"))
    add_champion(parts, project, images, np.tile([0.8, 0.1, 0.1], (33, 1)))

    rows = rows_of(make(parts, project, COMPARE, unwatched))

    assert rows["champion"]["accuracy"]["value"] == 1.0
    assert rows["champion"]["revision"] == "version 1"
    assert rows["scripted"]["accuracy"]["value"] == 0.3333


def test_a_plan_of_a_free_engine_agrees_with_the_run(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(database, policy=POLICY)
    parts = parts_of(database, tmp_path)
    add_pictures(parts, project, 40, noise=40)

    (planned,) = make(parts, project, PLAN, unwatched)["engines"]
    done = prelabel_batch(parts, project.id, size=64)["done"]
    (after,) = make(parts, project, PLAN, unwatched)["engines"]

    assert (planned["piloted"], planned["measured"]) == (16, 16)
    assert planned["images"] == {"lower": 40.0, "likely": 40.0, "upper": 40.0}
    assert done == 40
    assert planned["money_micro"] == {"lower": 0.0, "likely": 0.0, "upper": 0.0}
    assert planned["hours"]["lower"] <= planned["hours"]["likely"] <= planned["hours"]["upper"]
    assert (after["images"]["upper"], after["hours"]["upper"], after["piloted"]) == (0.0, 0.0, 0)


def test_a_plan_spends_nothing_unless_a_pilot_may(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(database, policy=escalating("few-shot", budget=Budget(1_000)))
    second = Dear(project.config.classes)
    parts = with_second(database, tmp_path, second)
    add_pictures(parts, project, 150, noise=40)
    prelabel_batch(parts, project.id, size=200)

    without = rows_of(make(parts, project, PLAN, unwatched))["few-shot"]
    looked = second.looked
    pilot = EngineRequest(kind=ReportKind.PLAN, pilot=6)
    with_pilot = rows_of(make(parts, project, pilot, unwatched))["few-shot"]

    assert looked == 0 and second.looked == 6
    assert without["money_micro"]["likely"] == 80 * without["images"]["likely"]
    assert without["money_micro"]["upper"] == round(104 * without["images"]["upper"])  # at most, and canaries
    assert with_pilot["pilot_cost_micro"] == 6 * 70
    assert with_pilot["images"]["likely"] == without["images"]["likely"] - 6  # the run finds those in the book
    assert with_pilot["money_micro"]["likely"] == 70 * with_pilot["images"]["likely"]


def test_before_the_first_engine_has_run_its_pilot_tells_how_much_doubt_to_expect(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(database, policy=escalating("few-shot"))
    parts = with_second(database, tmp_path, Dear(project.config.classes))
    add_pictures(parts, project, 40, noise=40)

    row = rows_of(make(parts, project, PLAN, unwatched))["few-shot"]

    assert 0 <= row["images"]["lower"] < row["images"]["likely"] < row["images"]["upper"] <= 40


def test_one_image_is_tried_by_several_engines(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(database, policy=escalating("few-shot"))
    parts = with_second(database, tmp_path, Stubborn(project.config.classes))
    image = next(iter(add_pictures(parts, project, 2)))

    document = make(parts, project, EngineRequest(kind=ReportKind.TRY, image_id=image), unwatched)

    scripted, stubborn = document["answers"]
    assert [one["label"] for one in scripted["classes"]][0] == scripted["answer"] == "cat"
    assert (stubborn["classes"], stubborn["answer"], stubborn["cost_micro"], stubborn["tokens_in"]) == (
        [],
        "cat",
        70,
        3,
    )
    with pytest.raises(NotFound):
        make(parts, project, EngineRequest(kind=ReportKind.TRY, image_id=10_000), unwatched)


def test_the_job_keeps_its_report_and_tells_why_there_is_none(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(database, policy=POLICY)
    parts = parts_of(database, tmp_path)

    planned = answer(parts, project.id, EnginesArguments(PLAN, "anna"))
    failed = answer(parts, project.id, EnginesArguments(EngineRequest(kind=ReportKind.TRY, image_id=7), "anna"))

    with reading(database) as session:
        assert reports.by_id(session, project.id, planned["report"]).asked_by == "anna"
        kept = reports.by_id(session, project.id, failed["report"])
    assert kept.result == {"error": "This project has no image 7."}
