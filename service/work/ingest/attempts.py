"""Which images are being decoded now, noted before they are tried, so that a worker that dies leaves their names.

In: a folder of the home. Out: one small file for each image in work, gone when its process has answered. A file of a
process that is no more names an image that may have ended it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from labeling.types import ProjectId, RegistrationId


@dataclass(frozen=True, slots=True)
class Attempts:
    """The notes of this process and of those before it."""

    folder: Path

    @contextmanager
    def noted(self, project_id: ProjectId, registration_id: RegistrationId) -> Iterator[None]:
        """Keep a note for as long as the block lasts."""
        note = self.folder / f"{os.getpid()}-{project_id}-{registration_id}"
        try:
            note.touch()
        except FileNotFoundError:
            self.folder.mkdir(parents=True, exist_ok=True)
            note.touch()
        try:
            yield
        finally:
            note.unlink(missing_ok=True)

    def left_over(self, project_id: ProjectId) -> dict[RegistrationId, Path]:
        """The notes of processes that are no more, about images of this project."""
        found: dict[RegistrationId, Path] = {}
        for note in self.folder.glob(f"*-{project_id}-*"):
            process, _, registration_id = note.name.split("-")
            if int(process) != os.getpid() and not psutil.pid_exists(int(process)):
                found[RegistrationId(int(registration_id))] = note
        return found
