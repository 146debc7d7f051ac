"""`hardcase models`: what it prints fits a terminal of 80 columns, and its JSON is what the text says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from db.repositories.certificates import certificates
from db.session import transaction
from db.tables import AuditRow
from labeling.project import CertificateTerms, Project
from service.cli import app
from service.projects.version_comparison import NOT_THE_STREAM
from tests.service.cli.test_cli import Cli
from tests.service.labelled_pool import Ground
from tests.service.learn import versions_ground

MakeProject = Callable[..., Project]


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: MakeProject) -> Ground:
    return versions_ground.two_versions(database, tmp_path, make_project)


def typed(home: Path, *words: str) -> str:
    """What a terminal of 80 columns shows, in one line."""
    done = CliRunner().invoke(app, list(words), env={"HARDCASE_HOME": str(home), "COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    assert max(len(line) for line in done.output.splitlines()) <= 80 and "…" not in done.output
    return " ".join(done.output.split())


def test_the_list_marks_the_champion_and_gives_each_gain_its_interval(ground: Ground, tmp_path: Path) -> None:
    text, document = typed(tmp_path, "models", "list", "animals"), Cli(tmp_path).document("models", "list", "animals")

    newest, oldest = document["versions"]
    assert (newest["number"], newest["verdict"], oldest["champion"]) == (2, "refused", True)
    measured = newest["measured"]
    assert "│ 1 * │" in text and "training" in text and "not yet known" in text and "by hand" in text
    assert f"│ {100 * measured['gain']:+.1f} " in text
    assert f"[{100 * measured['lower']:+.1f}, {100 * measured['upper']:+.1f}]" in text


def test_one_version_is_shown_with_its_card_and_the_reasons_of_its_verdict(ground: Ground, tmp_path: Path) -> None:
    text, document = (
        typed(tmp_path, "models", "show", "animals", "2"),
        Cli(tmp_path).document("models", "show", "animals", "2"),
    )

    assert document["card"]["head"] == "logistic" and "logistic, concatenation" in text
    assert "What this could have detected" in text and "against version 1, by the gate" in text
    assert "Accuracy on the collection: not yet known" in text
    assert document["card"]["snapshot_hash"][:16] in text


def test_two_are_compared_kept_and_noted(ground: Ground, tmp_path: Path, database: sa.Engine) -> None:
    text = typed(tmp_path, "models", "compare", "animals", "--limit", "4")
    document = Cli(tmp_path).document("models", "compare", "animals", "2", "1", "--limit", "4")

    assert (document["first"], document["second"], len(document["images"])) == (2, 1, 4)
    assert "Version 2 against version 1:" in text and "What this could have detected" in text
    assert re.search(r"One that is two points worse passes in \d+ of 100\.", " ".join(text.split()))
    assert f"they say different classes of {document['flipped']}" in text
    assert all(f"{one['after']} ({one['after_probability']:.2f})" in text for one in document["images"])
    assert ground.scalars(sa.select(AuditRow.action)).count("models.compare") == 2


def test_no_command_shows_the_stream_while_a_certificate_is_planned(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    measured = versions_ground.two_versions(database, tmp_path, make_project, reserved=120, answered=100)
    open_ = typed(tmp_path, "models", "compare", "animals"), typed(tmp_path, "models", "show", "animals", "1")
    with transaction(database) as session:
        terms = {"config_version": 1, "newest_review": 0, "cursor": 0.0, "now": measured.clock()}
        certificates.add_terms(session, measured.project.id, CertificateTerms(precision=0.9), **terms)

    closed = typed(tmp_path, "models", "compare", "animals"), typed(tmp_path, "models", "show", "animals", "1")

    assert "on 100 images of the random stream" in open_[0] and "on 100 images of the random stream" in open_[1]
    assert "random stream" not in closed[0] and "on 60 training images" in closed[0]
    assert "kept for measuring and are not named" in closed[0]
    assert NOT_THE_STREAM in closed[1] and "Accuracy" not in closed[1]


def test_what_cannot_be_compared_or_is_not_there_says_so(ground: Ground, tmp_path: Path) -> None:
    cli = Cli(tmp_path)

    same = cli.document("models", "compare", "animals", "2", "2", code=1)
    gone = cli.document("models", "show", "animals", "9", code=1)

    assert (same["error"], gone["error"]) == ("Invalid", "NotFound")
    assert "two different versions" in same["message"] and "the newest is 2" in gone["message"]


def test_promote_and_rollback_of_the_group_are_the_commands_of_the_top_level(ground: Ground, tmp_path: Path) -> None:
    cli = Cli(tmp_path)

    refused = cli.document("models", "promote", "animals", "9", code=1)
    asked = cli.document("models", "promote", "animals", "2", "--reason", "new camera")

    assert refused["error"] == "NotFound"
    assert (asked["job"], asked["state"]) == ("promote", "ENQUEUED")
