"""What the demo prints while it runs: progress bars on a terminal, one plain line a step elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from db.views.project_history import HowFar


class Show:
    """Prints lines, and shows the progress of the loop."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._started = progress, time.monotonic()
        names = ("images fetched", "prelabelled", "questions answered", "rounds")
        self._bars = [progress.add_task(name, total=None, visible=False) for name in names]
        self._printed: HowFar | None = None

    def say(self, text: str) -> None:
        """Print one line that stays."""
        self._progress.console.print(f"{time.monotonic() - self._started:4.0f} s  {text}")

    def update(self, now: HowFar, rounds: int) -> None:
        """Move the bars; without a terminal, print a line after each new query and verdict."""
        counts = (now.fetched, now.prelabelled, now.answered, now.judged)
        for bar, done, of in zip(self._bars, counts, (now.registered, now.images, now.asked, rounds), strict=True):
            self._progress.update(bar, completed=done, total=of or None, visible=True)
        last = self._printed
        if self._progress.disable and (last is None or (now.queries, now.judged) != (last.queries, last.judged)):
            wanted = f" of {rounds}" if rounds else ""
            self.say(
                f"{now.fetched} images fetched, {now.prelabelled} prelabelled, {now.queries} queries, "
                f"{now.answered} of {now.asked} questions answered, {now.judged}{wanted} rounds judged"
            )
            self._printed = now


@contextmanager
def showing(console: Console) -> Iterator[Show]:
    """Show progress while the block runs; bars only if the console is a terminal."""
    columns = (TextColumn("{task.description:>20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Show(progress)
