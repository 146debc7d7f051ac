"""The kinds of text that a project file holds, and what is checked of each.

In: text as it is written. Out: the same in one normal form; ValueError, with what would be right, for others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import AfterValidator, Field

from labeling.errors import Invalid
from labeling.normal_form import check_name as check_written
from labeling.normal_form import is_blank
from labeling.text_templates import check_template
from service.plugins import check_name


def plain(value: str) -> str:
    """A text of one line; nothing of it where nothing of it is displayed."""
    return named_plainly(value) if value and not is_blank(value) else ""


def named_plainly(value: str) -> str:
    """A name: not blank, and without invisible characters."""
    with _as_mistake():
        return check_written(value)


Plain = Annotated[str, AfterValidator(plain)]
Prompt = Annotated[str, Field(max_length=500), AfterValidator(named_plainly)]


def _template(value: str) -> str:
    with _as_mistake():
        return check_template(value)


Template = Annotated[Prompt, AfterValidator(_template)]


def named(group: str) -> AfterValidator:
    """Refuse an unknown name; the names of plug-ins are read, their code is not loaded."""

    def check(value: str) -> str:
        with _as_mistake():
            check_name(group, value.partition(":")[0])
        return value

    return AfterValidator(check)


@contextmanager
def _as_mistake() -> Iterator[None]:
    """What is Invalid is one of the mistakes that pydantic lists, with its place."""
    try:
        yield
    except Invalid as error:
        raise ValueError(error.message) from error
