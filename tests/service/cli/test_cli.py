"""The command line: what each command prints, its exit code (0 done, 1 failed, 2 usage), and `--json` everywhere."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import typer
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from db import migrate
from db.repositories.images import registrations
from db.repositories.projects import projects
from db.repositories.running import failures
from db.session import make_engine, transaction
from db.tables import RegistrationRow
from labeling.errors import Invalid
from labeling.types import Incoming, ReviewKind
from service.cli import app
from service.cli.output import author
from service.projects.project_file import parse_project
from tests import factories
from tests.answering import answer
from tests.conftest import NOW
from tests.reviewing import ask

DOCS = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
PROJECT = "name: animals\nlabels: [cat, dog]\npolicy: {engine: scripted}\n"


@dataclass(frozen=True, slots=True)
class Cli:
    """Types commands with HARDCASE_HOME set to `home`."""

    home: Path

    def __call__(self, *words: str, **settings: str) -> Result:
        environment = {"HARDCASE_HOME": str(self.home), "HARDCASE_LABEL_STUDIO_URL": "http://127.0.0.1:9"}
        return CliRunner().invoke(app, list(words), env={**environment, "COLUMNS": "200", **settings})

    def document(self, *words: str, code: int = 0) -> Any:
        """Type the command with --json: exactly one document comes."""
        done = self(*words, "--json")
        assert done.exit_code == code, done.output
        assert done.stdout.count("\n") == 1
        return json.loads(done.stdout)


def fits(done: Result, columns: int = 80) -> bool:
    """Whether no line is longer, and nothing is cut off."""
    return done.exit_code == 0 and max(map(len, done.stdout.splitlines())) <= columns and "…" not in done.stdout


@pytest.fixture
def fresh(tmp_path: Path) -> Cli:
    """A home that is not there yet."""
    return Cli(tmp_path / "home")


@pytest.fixture
def cli(empty_database: Path, tmp_path: Path) -> Cli:
    """An initialised home."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "hardcase.db").write_bytes(empty_database.read_bytes())
    return Cli(home)


@pytest.fixture
def animals(cli: Cli, tmp_path: Path) -> Cli:
    """An initialised home with the project `animals`."""
    (tmp_path / "animals.yaml").write_text(PROJECT)
    cli.document("project", "create", str(tmp_path / "animals.yaml"))
    return cli


@pytest.fixture
def photos(tmp_path: Path) -> str:
    """A folder of two images, one of them with text, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, colour in enumerate(("red", "green")):
        Image.new("RGB", (32, 32), colour).save(folder / f"{number}.png")
    (folder / "0.txt").write_text("a cat")
    (folder / "notes.doc").write_text("nothing to see")
    return str(folder)


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with the words that call it."""
    program: Any = typer.main.get_command(app)
    for name, command in sorted((name, program.load(name)) for name in program.commands):
        if hasattr(command, "commands"):
            yield from ((f"{name} {second}", found) for second, found in sorted(command.commands.items()))
        else:
            yield name, command


COMMANDS = dict(commands())


def rows(home: Path, table: type[Any]) -> list[Any]:
    engine = make_engine(f"sqlite:///{home / 'hardcase.db'}")
    with transaction(engine) as session:
        found = list(session.scalars(sa.select(table)))
    engine.dispose()
    return found


def add_label(home: Path, text: str) -> None:
    engine = make_engine(f"sqlite:///{home / 'hardcase.db'}")
    with transaction(engine) as session:
        project = projects.by_name(session, "animals")
        image = factories.image(session, project.id, reserved=False, text=text)
        factories.label(session, project.id, image, "cat", "import")
    engine.dispose()


# every command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_with_an_example_and_takes_json(name: str) -> None:
    command = COMMANDS[name]

    example = re.search(r"Example: (.+)", command.help or "")

    assert example is not None
    assert example[1].startswith(f"hardcase {name}")
    assert "--json" in [option for parameter in command.params for option in parameter.opts]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_in_a_commands_help_is_understood(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("animals.yaml").write_text(PROJECT)
    example = re.search(r"Example: hardcase (.+)", COMMANDS[name].help)
    assert example is not None

    words = shlex.split(example[1])[len(name.split()) :]
    context = COMMANDS[name].make_context(name, words)

    assert context.params


def test_the_reference_page_names_every_command_with_an_example_and_no_other() -> None:
    cells = [
        [c.strip(" `") for c in line.split("|")[1:-1]] for line in DOCS.read_text().splitlines() if line[:3] == "| `"
    ]

    documented = {row[0]: row[2] for row in cells}

    assert set(documented) == set(COMMANDS)
    for name, example in documented.items():
        assert example.startswith(f"hardcase {name}")


def test_help_lists_the_commands_and_exits_0(fresh: Cli) -> None:
    done = fresh("--help")

    assert done.exit_code == 0
    assert all(name.split()[0] in done.stdout for name in COMMANDS)


# homes


def test_init_makes_a_home_and_doing_it_again_changes_nothing(fresh: Cli) -> None:
    first = fresh.document("init")
    secrets = (fresh.home / "secrets.json").read_bytes()

    second = fresh.document("init")

    assert first == second
    assert first["home"] == str(fresh.home)
    assert (fresh.home / "secrets.json").read_bytes() == secrets
    assert (fresh.home / "secrets.json").stat().st_mode & 0o777 == 0o600
    engine = make_engine(f"sqlite:///{fresh.home / 'hardcase.db'}")
    assert migrate.revision(engine) == migrate.head()
    engine.dispose()


@pytest.mark.parametrize("words", [("project", "list"), ("status", "animals"), ("learn", "animals"), ("doctor",)])
def test_a_home_without_a_hardcase_says_how_to_make_one(fresh: Cli, words: tuple[str, ...]) -> None:
    document = fresh.document(*words, code=1)
    done = fresh(*words)

    assert document["error"] == "Conflict"
    assert done.exit_code == 1
    assert "hardcase init" in done.stderr
    assert str(fresh.home) in done.stderr
    assert not fresh.home.exists()


@pytest.mark.parametrize("words", [("init",), ("up",), ("project", "list")])
def test_a_broken_setting_is_named(fresh: Cli, words: tuple[str, ...]) -> None:
    done = fresh(*words, HARDCASE_PORT="x")

    assert done.exit_code == 1
    assert "HARDCASE_PORT" in done.stderr
    assert "docs/reference/settings.md" in done.stderr


@pytest.mark.parametrize("words", [("init",), ("up",)])
def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("")
    cli = Cli(tmp_path / "file" / "home")

    document = cli.document(*words, code=1)

    assert document["error"] == "Invalid"
    assert f"{cli.home} cannot be written" in document["message"]
    assert "HARDCASE_HOME" in document["message"]


def test_it_runs_as_a_program_of_its_own(fresh: Cli) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "project", "list", "--json"],
        env={"HARDCASE_HOME": str(fresh.home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "hardcase init" in json.loads(done.stdout)["message"]


# projects


def test_a_project_is_made_shown_listed_and_edited(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "animals.yaml"
    file.write_text(PROJECT)

    made = cli.document("project", "create", str(file))
    file.write_text(PROJECT + "guidelines: Look at the ears.\n")
    edited = cli.document("project", "edit", "animals", str(file), "--reason", "clearer")

    assert made["config"]["name"] == "animals"
    assert (made["config_version"], edited["config_version"]) == (1, 2)
    assert cli.document("project", "show", "animals") == edited
    assert cli.document("project", "show", str(made["id"])) == edited
    assert cli.document("project", "list") == [edited]
    assert "salt" not in edited


def test_entropy_over_many_classes_is_taken_with_a_note(cli: Cli, tmp_path: Path) -> None:
    notes = []
    for name, n_classes in (("few", 9), ("many", 10)):
        file = tmp_path / f"{name}.yaml"
        labels = [f"class {number}" for number in range(n_classes)]
        file.write_text(f"name: {name}\nlabels: {json.dumps(labels)}\npolicy: {{strategy: entropy}}\n")
        notes.append("of 10 classes `entropy` asks" in " ".join(cli("project", "create", str(file)).stdout.split()))

    assert notes == [False, True]


def test_a_project_is_shown_to_people_too(animals: Cli) -> None:
    shown, listed = animals("project", "show", "animals"), animals("project", "list")

    assert (shown.exit_code, listed.exit_code) == (0, 0)
    assert "cat" in shown.stdout
    assert "animals" in listed.stdout


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"name: [", "not valid YAML"),
        (b"name: animals\n", "labels: Field required"),
        (b"name: animals\nlabels: [cat, dog]\ncolour: red\n", "colour: there is no such key here (line 3)"),
        (
            b"name: a\nlabels: [cat, dog]\nGuidlines: x\n",
            "Guidlines: there is no such key here. Did you mean `guidelines`?",
        ),
        (b"name: a\nlabels: [cat, dog]\npolicy: {shares: {rereview: 0.1}}\n", "Did you mean `re_review`?"),
        (
            b"name: a\nlabels: [{name: cat, descripton: x}, dog]\n",
            "labels.0.descripton: there is no such key here. Did",
        ),
        (b"name: animals\nlabels: [cat, \xff]\n", "UTF-8"),
        (b"", "must hold `name:`"),
    ],
)
@pytest.mark.parametrize("words", [("project", "create"), ("project", "edit", "animals")])
def test_a_bad_project_file_is_explained(
    animals: Cli, tmp_path: Path, words: tuple[str, ...], content: bytes, complaint: str
) -> None:
    (tmp_path / "bad.yaml").write_bytes(content)

    done = animals(*words, str(tmp_path / "bad.yaml"))

    assert done.exit_code == 1
    assert complaint in done.stderr


def test_a_second_project_of_the_same_name_is_a_conflict(animals: Cli, tmp_path: Path) -> None:
    document = animals.document("project", "create", str(tmp_path / "animals.yaml"), code=1)

    assert document["error"] == "Conflict"


@pytest.mark.parametrize(
    "words",
    [
        ("project", "create", "no-such.yaml"),
        ("project", "create"),
        ("nothing",),
        ("status", "animals", "--no-such-option"),
        ("key", "create", "anna", "--role", "king"),
        ("promote", "animals", "three"),
        ("ingest", "animals", "photos", "--watch", "--dry-run"),
    ],
)
def test_wrong_usage_exits_2(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli(*words).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [("project", "show"), ("status",), ("sync",), ("select",), ("learn",), ("rollback",), ("jobs", "retry")],
)
def test_a_project_that_is_not_there_is_not_found(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli.document(*words, "nowhere", code=1)["error"] == "NotFound"


# images


def test_a_dry_run_says_what_would_happen_and_stores_nothing(animals: Cli, photos: str) -> None:
    document = animals.document("ingest", "animals", photos, "--dry-run")
    said = animals("ingest", "animals", photos, "--dry-run")

    assert (document["found"], document["with_text"], document["dry_run"]) == (2, 1, True)
    assert "2 found in this folder, 1 with text" in said.stdout
    assert rows(animals.home, RegistrationRow) == []
    assert animals.document("jobs", "list")["jobs"] == []


def test_ingest_registers_and_asks_for_the_job_and_doing_it_again_registers_nothing(animals: Cli, photos: str) -> None:
    first = animals.document("ingest", "animals", photos, "--no-wait")

    second = animals.document("ingest", "animals", photos, "--no-wait")

    assert (first["new"], first["same"]) == (2, 0)
    assert (second["new"], second["same"]) == (0, 2)
    assert [job["job"] for job in animals.document("jobs", "list")["jobs"]] == ["ingest"]


def test_one_image_on_the_web_is_registered_and_an_address_with_a_password_refused(animals: Cli) -> None:
    taken = animals.document("ingest", "animals", "https://example.org/cat.jpg", "--no-wait")
    refused = animals.document("ingest", "animals", "https://user:word@example.org/a.jpg", "--no-wait")

    assert (taken["kind"], taken["new"], taken["refused_count"]) == ("address", 1, 0)
    assert (refused["new"], refused["refused_count"]) == (0, 1)
    assert [row.address for row in rows(animals.home, RegistrationRow)] == ["https://example.org/cat.jpg"]


def test_ingest_without_a_worker_says_that_one_is_needed(animals: Cli, photos: str) -> None:
    done = animals("ingest", "animals", photos)

    assert done.exit_code == 0
    assert "2 new, 0 changed, 0 known already" in done.stdout
    assert "hardcase up" in done.stdout


def test_a_class_subfolder_labels_its_images(animals: Cli, tmp_path: Path) -> None:
    (tmp_path / "sorted" / "cat").mkdir(parents=True)
    Image.new("RGB", (32, 32), "red").save(tmp_path / "sorted" / "cat" / "1.png")

    document = animals.document("ingest", "animals", str(tmp_path / "sorted"), "--label-from-folder", "--dry-run")

    assert document["with_label"] == 1


def test_watching_an_address_adds_one_source_however_often(animals: Cli, photos: str) -> None:
    first = animals.document("ingest", "animals", photos, "--watch")

    second = animals.document("ingest", "animals", photos, "--watch")

    assert first == second
    assert first["source"].endswith("photos")


def test_an_address_where_nothing_is_cannot_be_ingested(animals: Cli) -> None:
    assert animals.document("ingest", "animals", "no-such-folder", code=1)["error"] == "NotFound"


# keys


def test_a_key_is_made_listed_without_its_text_and_revoked(animals: Cli) -> None:
    made = animals.document("key", "create", "anna", "--role", "engineer", "--project", "animals")

    listed = animals.document("key", "list")
    revoked = animals.document("key", "revoke", made["prefix"])

    assert made["prefix"] in made["key"]
    assert [(key["name"], key["role"], key["projects"]) for key in listed] == [("anna", "engineer", ["animals"])]
    assert "key" not in listed[0]
    assert listed[0]["revoked_at"] is None
    assert revoked["revoked_at"] is not None
    assert "anna" in animals("key", "list").stdout


def test_a_key_for_people_is_printed_on_a_line_of_its_own(cli: Cli) -> None:
    done = cli("key", "create", "anna")

    assert re.fullmatch(r"hck_\w+_\S+", done.stdout.splitlines()[-1])


def test_a_key_for_no_such_project_or_with_no_such_prefix_is_not_found(cli: Cli) -> None:
    assert cli.document("key", "create", "anna", "--project", "nowhere", code=1)["error"] == "NotFound"
    assert cli.document("key", "revoke", "nothing", code=1)["error"] == "NotFound"
    assert cli.document("key", "list") == []


# the loop, and what came of it


@pytest.mark.parametrize(
    ("words", "job"),
    [
        (("sync", "animals"), "review"),
        (("sync", "animals", "--full"), "review"),
        (("select", "animals", "--force"), "select"),
        (("groups", "animals", "--regroup", "--dry-run"), "group"),
        (("learn", "animals"), "learn"),
    ],
)
def test_a_stage_asked_for_by_hand_waits_for_a_worker(animals: Cli, words: tuple[str, ...], job: str) -> None:
    document = animals.document(*words)
    said = animals(*words)

    assert (document["job"], document["state"]) == (job, "ENQUEUED")
    assert said.exit_code == 0
    assert document["id"] in said.stdout
    assert "hardcase up" in said.stdout


def test_a_promotion_by_hand_waits_for_a_worker_and_names_a_version_that_is_there(animals: Cli, tmp_path: Path) -> None:
    missing = animals.document("promote", "animals", "1", code=1)
    database = make_engine(f"sqlite:///{animals.home / 'hardcase.db'}")
    with transaction(database) as session:
        factories.version(session, projects.by_name(session, "animals").id)
    database.dispose()

    asked = animals.document("promote", "animals", "1", "--reason", "new camera")

    assert missing["message"] == "There is no version 1: there is none yet."
    assert (asked["job"], asked["state"]) == ("promote", "ENQUEUED")


def test_there_is_nothing_to_roll_back_to_without_a_champion(animals: Cli) -> None:
    document = animals.document("rollback", "animals", code=1)

    assert "No version is in use yet" in document["message"]
    assert animals.document("jobs", "list")["jobs"] == []


def test_groups_of_a_new_project_are_none_and_a_dry_run_needs_regroup(animals: Cli) -> None:
    document = animals.document("groups", "animals")

    assert (document["images"], document["in_groups"], document["sizes"], document["rule"]) == (0, 0, {}, None)
    assert "0 of 0 images" in animals("groups", "animals").stdout
    assert animals("groups", "animals", "--dry-run").exit_code == 2


def test_status_of_a_new_project_has_nothing_to_tell(animals: Cli) -> None:
    document = animals.document("status", "animals")
    said = animals("status", "animals")

    assert (document["project"], document["champion"], document["open_reviews"]) == ("animals", None, 0)
    assert said.exit_code == 0
    assert "champion: none yet" in said.stdout


def test_status_counts_byte_identical_copies(animals: Cli) -> None:
    engine = make_engine(f"sqlite:///{animals.home / 'hardcase.db'}")
    with transaction(engine) as session:
        project = projects.by_name(session, "animals")
        image = factories.image(session, project.id, reserved=False)
        for name in ("a.png", "b.png", "c.png"):
            factories.fetch(session, factories.registration(session, project.id, name), image)
        again = factories.registration(session, project.id, "a.png", revision=1)
        factories.fetch(session, again, image)  # the same file, read again
    engine.dispose()

    assert animals.document("status", "animals")["copies"] == 2
    assert (
        "2 of the names are byte-identical copies: the same bytes are one image." in animals("status", "animals").stdout
    )


def test_undecided_lists_who_could_not_tell_and_what_is_next(animals: Cli) -> None:
    engine = make_engine(f"sqlite:///{animals.home / 'hardcase.db'}")
    with transaction(engine) as session:
        project = projects.by_name(session, "animals")
        [review] = ask(session, project, 1, [ReviewKind.HARD])
        answer(session, review, {factories.annotator(session, project.id, "ann"): "unsure"})
    engine.dispose()

    [one] = animals.document("undecided", "animals")["images"]
    said = animals("undecided", "animals", "--state", "lead")

    assert (one["unsure"], one["state"], one["kind"]) == (["ann"], "lead", "hard")
    assert "ann unsure" in said.stdout
    assert animals.document("undecided", "animals", "--state", "asked")["images"] == []


def test_jobs_list_shows_what_failed_and_retry_forgets_it(animals: Cli) -> None:
    engine = make_engine(f"sqlite:///{animals.home / 'hardcase.db'}")
    with transaction(engine) as session:
        project = projects.by_name(session, "animals")
        failures.record(session, project.id, "fetch", "1", "no [image]", True, NOW)
        failures.record(session, project.id, "job:learn", "1", "a bug", False, NOW)
    engine.dispose()

    listed, said = animals.document("jobs", "list"), animals("jobs", "list")
    only_fetch = animals.document("jobs", "retry", "animals", "--step", "fetch")

    assert {(f["step"], f["dead"]) for f in listed["failures"]} == {("fetch", True), ("job:learn", False)}
    assert "no [image]" in said.stdout
    assert fits(animals("jobs", "list", COLUMNS="80"))
    assert only_fetch == {"retried": 1}
    assert animals.document("jobs", "retry", "animals") == {"retried": 1}
    assert animals.document("jobs", "list")["failures"] == []


def test_b42_the_quarantine_names_its_files(animals: Cli) -> None:
    """B42: `fetch | 81 | 1 | The file is empty.`, and no command turned 81 into a name."""
    engine = make_engine(f"sqlite:///{animals.home / 'hardcase.db'}")
    with transaction(engine) as session:
        project = projects.by_name(session, "animals")
        registrations.register(session, project.id, [Incoming("photos/zero.jpg", "/photos/zero.jpg")], NOW)
        row = registrations.known(session, project.id, ["photos/zero.jpg"])["photos/zero.jpg"]
        failures.record(session, project.id, "fetch", str(row.id), "The file is empty.", True, NOW)
        failures.record(session, project.id, "register", "source 7:m.csv line 3", "not UTF-8", True, NOW)
        failures.record(session, project.id, "contradiction", f"{project.id}:a: b.png", "two labels", True, NOW)
    engine.dispose()

    listed, said = animals.document("jobs", "list")["failures"], animals("jobs", "list").stdout

    assert {f["reference"] for f in listed} == {"photos/zero.jpg", "m.csv line 3", "a: b.png"}
    assert all(name in said for name in ("zero.jpg", "m.csv line 3", "a: b.png"))


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_export_writes_the_labels(animals: Cli, tmp_path: Path, suffix: str) -> None:
    add_label(animals.home, "=1+1")
    to = tmp_path / f"labels.{suffix}"

    document = animals.document("export", "animals", str(to))

    assert document == {"to": str(to), "labels": 1, "snapshot": None, "machine": None}
    assert ("'=1+1" in to.read_text()) is (suffix == "csv")


@pytest.mark.parametrize("name", ["labels.xls", "no-such-folder/labels.csv"])
def test_an_export_that_cannot_be_written_is_explained(animals: Cli, tmp_path: Path, name: str) -> None:
    document = animals.document("export", "animals", str(tmp_path / name), code=1)

    assert document["error"] == "Invalid"
    assert Path(name).name in document["message"]


def test_the_doctor_of_a_home_where_nothing_runs_finds_something_and_exits_1(animals: Cli) -> None:
    document = animals.document("doctor", code=1)

    assert document["ok"] is False
    assert {check["name"] for check in document["checks"] if check["ok"]} >= {"database at head", "home is writable"}


def test_a_deep_look_counts_every_kind_and_names_what_is_damaged(animals: Cli) -> None:
    spool = animals.home / "spool.db"
    clean = animals.document("doctor", "--deep", code=1)  # nothing runs here
    spool.write_bytes(b"no database" * 100)

    found = animals.document("doctor", "--deep", code=1)
    shown = animals("doctor", "--deep")

    assert clean["deep"]["complete"] and not clean["deep"]["damages"]
    assert [(one["kind"], one["mended"]) for one in found["deep"]["damages"]] == [("database", False)]
    assert found["deep"]["counts"]["database"] == 2
    assert "what to do" in shown.stdout and "sweep" in shown.stdout


def test_a_damaged_database_is_not_started_on(animals: Cli) -> None:
    path = animals.home / "hardcase.db"
    content = bytearray(path.read_bytes())
    content[100] ^= 0xFF  # the first page's kind
    path.write_bytes(content)

    for words in (("init",), ("status", "animals")):
        assert animals.document(*words, code=1)["error"] == "DatabaseDamaged", words
    assert animals.document("doctor", code=1)["checks"][0]["name"] == "database is sound"


def test_a_user_without_a_name_is_named_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)

    assert author() == "uid 4000000000"


@pytest.mark.parametrize(
    ("written", "stored"), [("adaptive", "adaptive"), ("off", "off"), ("'off'", "off"), ("20", 20), ("0", 0)]
)
def test_what_counts_as_one_image_is_set_in_the_project_file(written: str, stored: str | int) -> None:
    config = parse_project(f"name: animals\nlabels: [cat, dog]\npolicy: {{near_duplicates: {written}}}\n")

    assert config.policy.near_duplicates == stored


@pytest.mark.parametrize("written", ["65", "-1", "true", "sometimes", "1.5"])
def test_anything_else_is_refused_with_its_place(written: str) -> None:
    with pytest.raises(Invalid, match="near_duplicates"):
        parse_project(f"name: animals\nlabels: [cat, dog]\npolicy: {{near_duplicates: {written}}}\n")


# re-reviews


def test_re_reviews_are_asked_for_once_there_are_labels_and_one_request_at_a_time(animals: Cli) -> None:
    nothing = animals("re-reviews", "animals")
    refused = animals.document("re-reviews", "animals", "--more", "30", code=1)
    for number in range(40):
        add_label(animals.home, f"label {number}")

    first, second = (animals.document("re-reviews", "animals", "--more", "30") for _ in range(2))

    assert nothing.exit_code == 0 and "Not counted yet" in nothing.stdout
    assert "needs 30 labels, and there are 0" in refused["message"]
    assert first == {"wanted": 30, "asked": 0, "new": 30}
    assert second == {"wanted": 30, "asked": 0, "new": 0}
    assert animals("re-reviews", "animals", "--more", "1001").exit_code == 2
