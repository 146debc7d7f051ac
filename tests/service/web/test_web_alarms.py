"""Alarms over the web: listed, shown on the project's pages, counted for Prometheus, and ended with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from db.repositories.running import alarms
from db.repositories.running.alarms import AlarmKind
from db.session import transaction
from db.tables import AuditRow
from labeling.jobs import Role
from labeling.project import Project
from tests.conftest import NOW
from tests.reviewing import rows_of
from tests.service.web.test_authorisation import log_in
from tests.service.web_client import bearer, make_key, web


def raise_one(database: sa.Engine, project: Project, words: str = "Two people disagree often.") -> int:
    with transaction(database) as session:
        made = alarms.raise_alarm(session, project.id, AlarmKind.LOW_AGREEMENT, "", words, {"alpha": 0.31}, NOW)
    assert made is not None
    return made


def test_an_alarm_is_listed_ended_once_and_kept_with_its_reason(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project, key = make_project(database), make_key(database, Role.ENGINEER)
    alarm_id = raise_one(database, project)
    address = f"/api/projects/{project.id}/alarms"

    with web(database, tmp_path) as client:
        before = client.get(address, headers=bearer(key)).json()
        answers = [
            client.post(f"{address}/{alarm_id}/end", headers=bearer(key), json={"reason": reason})
            for reason in ("new guidelines", "again")
        ]
        after = client.get(address, headers=bearer(key)).json()

    assert (before["open"], before["items"][0]["evidence"]) == (1, {"alpha": 0.31})
    assert [answer.json()["end_reason"] for answer in answers] == ["new guidelines", "new guidelines"]
    assert (after["open"], after["items"][0]["ended_by"]) == (0, "tester")
    assert [row.action for row in rows_of(database, AuditRow)] == ["alarm.end"]


def test_an_open_alarm_stands_on_every_page_of_its_project_escaped_and_in_the_numbers(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project, other, key = make_project(database), make_project(database, name="other"), make_key(database)
    raise_one(database, project, "<b>low</b>")

    with web(database, tmp_path) as client:
        log_in(client, key)
        pages = [client.get(f"/projects/{project.id}{place}").text for place in ("", "/jobs", "/engines")]
        quiet = client.get(f"/projects/{other.id}").text
        numbers = client.get("/metrics", headers=bearer(key)).text

    assert all("1 open alarm" in page and "&lt;b&gt;low" in page for page in pages)
    assert "open alarm" not in quiet
    assert 'hardcase_alarms{kind="agreement is low",project="animals"} 1.0' in numbers


def test_another_projects_alarm_cannot_be_ended(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project, other = make_project(database), make_project(database, name="other")
    alarm_id, key = raise_one(database, project), make_key(database)

    with web(database, tmp_path) as client:
        answer = client.post(
            f"/api/projects/{other.id}/alarms/{alarm_id}/end", headers=bearer(key), json={"reason": "x"}
        )

    assert answer.status_code == 404
