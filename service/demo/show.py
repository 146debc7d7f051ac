"""What the user sees while the demo plays: bars on a terminal, one plain line a step elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from db.views.project_history import HowFar


class Show:
    """Says what happens, and how far the loop has come."""

    def __init__(self, console: Console, progress: Progress | None) -> None:
        self._console, self._progress = console, progress
        self._bars: dict[str, TaskID] = {}
        self._said: HowFar | None = None
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        """One line that stays."""
        self._console.print(f"{time.monotonic() - self._started:4.0f} s  {text}", markup=False, highlight=False)

    def update(self, now: HowFar, rounds: int) -> None:
        """How far it is: bars move; a line is said when a stage has done something whole."""
        if self._progress is not None:
            self._move("images fetched", now.fetched, now.registered)
            self._move("prelabelled", now.prelabelled, now.images)
            self._move("questions answered", now.answered, now.asked)
            self._move("rounds", now.judged, rounds)
        elif self._said is None or (now.queries, now.judged) != (self._said.queries, self._said.judged):
            self.say(
                f"{now.fetched} images fetched, {now.prelabelled} prelabelled, {now.queries} queries, "
                f"{now.answered} of {now.asked} questions answered, {now.judged} of {rounds} rounds judged"
            )
            self._said = now

    def _move(self, name: str, done: int, of: int) -> None:
        assert self._progress is not None
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=None)
        self._progress.update(self._bars[name], completed=done, total=of or None)


@contextmanager
def showing(console: Console) -> Iterator[Show]:
    """Bars while the block runs, if the console is a terminal."""
    if not console.is_terminal:
        yield Show(console, None)
        return
    columns = (TextColumn("{task.description:>20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield Show(console, progress)
