"""What a command needs that does a worker's work in its own process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from labeling.project import Project
from service.cli.output import in_project

if TYPE_CHECKING:
    from service.work.wiring import Parts


@contextmanager
def loaded(as_json: bool, project: str | None) -> Iterator[tuple[Parts, Project]]:
    """A worker's parts, and the project; None: the only one. Engines are loaded when they are used."""
    from service.work.wiring import make_parts

    with in_project(as_json, project) as (hardcase, found):
        parts = make_parts(hardcase.settings)
        with closing(parts.jobs), closing(parts.label_studio), ExitStack() as stack:
            stack.callback(parts.database.dispose)
            yield parts, found
