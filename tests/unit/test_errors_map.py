"""Every error class has a status, and no answer gives away more than it should."""

from __future__ import annotations

import errno
from typing import Literal

import pytest
import sqlalchemy.exc
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from labeling import errors
from labeling.errors import BadImage, HardcaseError, StorageFull, Unavailable
from service.errors import STATUS, problem_of, status_of


def tree(root: type[HardcaseError]) -> list[type[HardcaseError]]:
    """The classes of the drawn tree; what an adapter derives for itself has its parent's status."""
    drawn = [child for child in root.__subclasses__() if child.__module__ == errors.__name__]
    return [root, *(below for child in drawn for below in tree(child))]


@pytest.mark.parametrize("error", [e for e in tree(HardcaseError) if e is not HardcaseError])
def test_every_error_of_the_tree_has_a_status_and_a_problem(error: type[HardcaseError]) -> None:
    problem = problem_of(error())

    assert problem.status == status_of(error)
    assert 400 <= problem.status < 600 and problem.status != 500
    assert problem.body["status"] == problem.status
    assert problem.body["detail"] and problem.body["title"]
    assert error.__name__ in errors.__all__


def test_the_table_names_only_classes_of_the_tree() -> None:
    assert set(STATUS) <= set(tree(HardcaseError))


def test_what_is_retryable_says_when_to_retry() -> None:
    assert problem_of(Unavailable()).headers["Retry-After"]
    assert "Retry-After" not in problem_of(StorageFull()).headers
    assert problem_of(BadImage("cut short")).body["type"] == "urn:hardcase:problem:bad-image"


def test_a_full_disk_is_507_and_a_busy_database_503() -> None:
    full = sqlalchemy.exc.OperationalError("insert", {}, Exception("database or disk is full"))
    busy = sqlalchemy.exc.OperationalError("insert", {}, Exception("database is locked"))

    assert problem_of(OSError(errno.ENOSPC, "no space")).status == 507
    assert problem_of(full).status == 507
    assert problem_of(busy).status == 503


def test_an_unknown_error_says_nothing_of_itself() -> None:
    problem = problem_of(RuntimeError("password=hunter2"))

    assert problem.status == 500
    assert "hunter2" not in str(problem.body)


def test_a_validation_error_names_the_place_and_not_the_value() -> None:
    given = {"loc": ("body", "name"), "msg": "too long", "input": "hck_secret", "type": "x"}

    problem = problem_of(RequestValidationError([given]))

    assert problem.body["errors"] == [{"where": "body.name", "what": "too long"}]
    assert "hck_secret" not in str(problem.body)


def test_the_place_of_a_mistake_is_a_place_of_what_was_sent_and_no_name_of_ours() -> None:
    class Priced(BaseModel):
        per_request: int

    class Body(BaseModel):
        price: Priced | Literal["free"]

    sent = {"price": {"per_request": "x"}}
    with pytest.raises(ValidationError) as raised:
        Body.model_validate(sent)
    found = [{**one, "loc": ("body", *one["loc"])} for one in raised.value.errors()]

    problem = problem_of(RequestValidationError(found, body=sent))

    assert [one["where"] for one in problem.body["errors"]] == ["body.price.per_request", "body.price"]
