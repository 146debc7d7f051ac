"""Projects and the versions of their configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from db.repositories.projects import projects
from db.session import reading, transaction
from labeling.errors import Conflict, Invalid, NotFound
from labeling.project import LabelClass, Policy, Project
from labeling.types import Actor
from tests.conftest import NOW


def test_a_project_comes_back_as_it_was_stored(any_database: sa.Engine, make_project: Callable[..., Project]) -> None:
    made = make_project(any_database, policy=Policy(query_size=7, metadata_as_text=("title",)))

    with reading(any_database) as session:
        found = projects.by_name(session, "animals")

    assert found == made
    assert found.config.policy.metadata_as_text == ("title",)


def test_a_second_project_of_the_same_name_is_refused(
    database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    make_project(database)

    with pytest.raises(Conflict, match="already a project"):
        make_project(database)


def test_a_name_that_is_a_number_is_refused(database: sa.Engine, make_project: Callable[..., Project]) -> None:
    config = replace(make_project(database).config, name="7")

    with transaction(database) as session, pytest.raises(Invalid, match="cannot be called"):
        projects.create(session, config, salt="s", author="test", now=NOW)


def test_an_edit_appends_a_version_and_the_label_set_stays(
    database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    made = make_project(database)
    edited = replace(made.config, guidelines="look twice")
    other_labels = replace(made.config, labels=(LabelClass("cat"), LabelClass("fish")))

    with transaction(database) as session:
        after = projects.configure(session, made.id, edited, Actor("me", "clearer", NOW))
    with pytest.raises(Conflict, match="hardcase labels"), transaction(database) as session:
        projects.configure(session, made.id, other_labels, Actor("me", "", NOW))

    assert (after.config_version, after.config.guidelines) == (2, "look twice")


def test_an_unknown_project_is_not_found(database: sa.Engine) -> None:
    with reading(database) as session, pytest.raises(NotFound, match="project list"):
        projects.resolve(session, "nothing")
