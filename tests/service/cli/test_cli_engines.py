"""`hardcase engines` and `project history` as typed: tables for people, one document for programs, and Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from db.repositories.engines import reports
from db.repositories.projects import projects
from db.session import make_engine, reading
from labeling.errors import Invalid
from labeling.prelabel.engines.scripted import class_colour
from labeling.project import LabelClass, Policy, Project, ProjectConfig
from labeling.types import ProjectId
from service.engines.kinds import KINDS, EngineKind, kind_of
from service.plugins import BUILT_IN, ENGINES
from service.settings import Settings
from service.work.engines.factory import MAKERS
from service.work.engines.factory import make_engine as load_engine
from service.work.wiring import make_parts
from tests.conftest import NOW
from tests.service.cli.test_cli import Cli
from tests.service.reporting_ground import add_pictures, give_gold

PROJECT = """
name: animals
labels: [cat, dog, "[red]bird[/red]"]
policy: {engine: scripted, escalation: [{engine: few-shot, examples: 2}]}
"""


@pytest.fixture
def cli(empty_database: Path, tmp_path: Path) -> Cli:
    """An initialised home with a project, its pictures and their labels."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "hardcase.db").write_bytes(empty_database.read_bytes())
    (tmp_path / "animals.yaml").write_text(PROJECT)
    cli = Cli(home)
    cli.document("project", "create", str(tmp_path / "animals.yaml"))
    parts = make_parts(Settings(home=home))
    with reading(parts.database) as session:
        project = projects.by_name(session, "animals")
    give_gold(parts, project, add_pictures(parts, project, 33, noise=60))
    parts.jobs.close()
    parts.label_studio.close()
    parts.database.dispose()
    return cli


@pytest.fixture
def red(tmp_path: Path) -> str:
    Image.new("RGB", (64, 64), class_colour(0, 2)).save(tmp_path / "red.png")
    return str(tmp_path / "red.png")


def test_every_kind_that_can_be_named_is_made_and_its_needs_are_known() -> None:
    assert set(KINDS) == set(MAKERS) == set(BUILT_IN[ENGINES])


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_row_of_the_table_holds_together(kind: EngineKind) -> None:
    name = f"{kind.name}:somewhere" if kind.model else kind.name

    assert kind_of(name) is kind
    assert kind.summary and kind.install.startswith("Type: pip install")
    assert not kind.endpoint or (kind.guards and not kind.quick)
    assert not kind.extra or kind.modules


@pytest.mark.parametrize("name", [kind.name for kind in KINDS.values() if not kind.first])
def test_a_kind_that_starts_from_what_another_says_cannot_be_the_first(name: str, tmp_path: Path) -> None:
    engine = f"{name}:somewhere" if KINDS[name].model else name
    config = ProjectConfig("animals", (LabelClass("cat"), LabelClass("dog")), policy=Policy(engine=engine))

    with pytest.raises(Invalid, match="cannot be a project's first engine"):
        load_engine(Project(ProjectId(1), config, 1, "salt", NOW), Settings(home=tmp_path))


def test_engines_are_listed_with_whether_they_can_be_used_here(cli: Cli) -> None:
    document, said = cli.document("engines", "list"), cli("engines", "list")

    kinds = {kind["name"]: kind for kind in document["engines"]}
    assert kinds["scripted"]["ready"] and kinds["scripted"]["used"] == [{"engine": "scripted", "project": "animals"}]
    assert not kinds["agent"]["ready"] and "endpoints.yaml" in kinds["agent"]["way_out"]
    assert "dual-encoder:MODEL" in said.stdout


def test_one_engine_is_shown_as_the_project_uses_it(cli: Cli) -> None:
    document, said = (
        cli.document("engines", "show", "animals", "scripted"),
        cli("engines", "show", "animals", "scripted"),
    )

    assert document["revision"].startswith("scripted-") and document["used"]
    assert (document["facts"], document["calibration"], document["price"]) == (None, None, "free")
    assert document["revision"] in said.stdout


def test_an_image_is_tried_without_a_project(cli: Cli, red: str) -> None:
    words = ("engines", "try", red, "--engine", "scripted", "--labels", "cat,[red]dog")
    document, said = cli.document(*words), cli(*words)

    assert (document["answer"], document["classes"][0]["label"]) == ("cat", "cat")
    assert "scripted answers: cat" in said.stdout and "█" in said.stdout and "[red]dog" in said.stdout


def test_an_image_is_tried_in_a_project_by_file_or_number(cli: Cli, red: str) -> None:
    by_file = cli.document("engines", "try", red, "--engine", "scripted", "--project", "animals")
    by_number = cli.document("engines", "try", "1", "--engine", "scripted", "--project", "animals")

    assert by_file["answer"] == "cat"
    assert len(by_number["classes"]) == 3


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("nowhere.png", "--labels", "cat,dog"), 1, "There is no file nowhere.png"),
        (("{red}", "--labels", "cat"), 1, "at least two labels"),
        (("{red}", "--labels", "cat,dog", "--engine", "no-such"), 1, "There is no engine"),
        (("{red}", "--labels", "cat,dog", "--engine", "agent:here/m"), 1, "no endpoint"),
        (("{red}", "--engine", "scripted"), 2, "--project"),
        (("9999", "--project", "animals", "--engine", "scripted"), 1, "no image 9999"),
    ],
)
def test_what_cannot_be_tried_is_explained(
    cli: Cli, red: str, words: tuple[str, ...], code: int, complaint: str
) -> None:
    done = cli("engines", "try", *(word.format(red=red) for word in words))

    assert done.exit_code == code
    assert complaint in " ".join(done.stderr.split())


def test_engines_are_compared_and_the_report_is_kept(cli: Cli) -> None:
    document, said = cli.document("engines", "compare", "animals"), cli("engines", "compare", "animals")

    assert [row["engine"] for row in document["engines"]] == ["scripted", "few-shot"]
    assert document["engines"][0]["accuracy"]["known"]
    assert "on 33 labelled images" in said.stdout and "where they differ" in said.stdout
    assert "[red]bird[/red]" in said.stdout
    engine = make_engine(f"sqlite:///{cli.home / 'hardcase.db'}")
    with reading(engine) as session:
        project = projects.by_name(session, "animals")
        newest = reports.newest(session, project.id, "compare")
    engine.dispose()
    assert newest is not None and newest.id == document["report"] + 1


def test_a_run_is_planned_before_anything_is_spent(cli: Cli) -> None:
    document, said = cli.document("engines", "plan", "animals"), cli("engines", "plan", "animals")

    first, second = document["engines"]
    assert (first["images"]["likely"], first["money_micro"]["upper"]) == (33, 0)
    assert second["images"]["lower"] == 0 and document["budget"] is None
    assert "a run over the project" in said.stdout and "in all: free" in said.stdout


def test_ctrl_c_ends_the_work_with_a_word_on_what_was_paid(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("labeling.prelabel.engines.scripted.ScriptedEngine.look", interrupt)

    document = cli.document("engines", "compare", "animals", code=1)

    assert "not paid for again" in document["message"]


def test_an_endpoint_that_nobody_named_is_not_probed(cli: Cli) -> None:
    document = cli.document("engines", "probe", "here/model", code=1)

    assert "endpoints.yaml" in document["message"]


def test_the_history_says_what_each_version_changed_and_a_change_needs_a_reason(cli: Cli, tmp_path: Path) -> None:
    changed = tmp_path / "changed.yaml"
    changed.write_text(PROJECT + 'guidelines: "Whole animals."\n')

    without = cli.document("project", "edit", "animals", str(changed), code=1)
    cli.document("project", "edit", "animals", str(changed), "--reason", "clearer")
    versions, said = cli.document("project", "history", "animals"), cli("project", "history", "animals")

    assert "Say why" in without["message"]
    assert [(version["version"], version["reason"]) for version in versions] == [(2, "clearer"), (1, "created")]
    assert versions[0]["changed"]["guidelines"][-1] == "+Whole animals."
    assert "+Whole animals." in said.stdout and "clearer" in said.stdout
