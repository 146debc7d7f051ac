"""Names of annotators: plain, or as pseudonyms that stay and tell nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import sqlalchemy as sa

from labeling.project import Policy, Project, Team
from service.projects.pseudonyms import shown_name

PSEUDONYMS = Policy(team=Team(pseudonyms=True))


def test_names_are_shown_unless_the_policy_wants_pseudonyms(
    database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    plain = make_project(database)

    assert shown_name(plain, 7, "ann@example.com") == "ann@example.com"


def test_a_pseudonym_stays_when_the_name_changes_and_differs_between_people_and_projects(
    database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(database, policy=PSEUDONYMS)

    shown = shown_name(project, 7, "ann@example.com")

    assert shown == shown_name(project, 7, "ann@elsewhere.org")
    assert "ann@" not in shown
    assert len({shown, shown_name(project, 8, ""), shown_name(replace(project, salt="pepper"), 7, "")}) == 3
