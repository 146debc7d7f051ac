"""What decoding in processes of their own costs of *fetch*: the same images decoded in the worker itself, in turns.

In: image files, and a way to a fresh database. Out: images a second of both, by the clock and by processor time, and
how much of the rate in one process is left with children, with an interval over pairs of rounds. A start of the
children is part of each round, as of each batch of images that comes in. By processor time no goal is set: where two
cores share what computes, both at work take more of it for the same images.
"""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import psutil
import sqlalchemy as sa
from PIL import Image

from bench.report import Target, at_least
from db.session import transaction
from labeling.adapters.decoders.child import examined
from labeling.adapters.decoders.pool import Decoders, Picture
from labeling.adapters.storage.image_store import ImageStore
from labeling.ingest.headers import Limits
from labeling.project import Project
from labeling.types import Incoming
from service.ingest.register import register_items
from service.jobs.jobs import Jobs
from service.settings import Settings
from service.work.failpoints import Failpoints
from service.work.ingest.ingest import fetch_batch
from service.work.wiring import Parts, decoders_for

__all__ = ["compared"]

NOW = datetime(2026, 11, 21, tzinfo=UTC)
GOAL = 0.90
Fresh = Callable[[], AbstractContextManager[tuple[sa.Engine, Project]]]


class Taken(NamedTuple):
    """Seconds of one round: on the clock, and of the processor with all that the round started."""

    wall: float
    cpu: float


class InThisProcess:
    """Decodes as the children do, in the thread that asks."""

    @contextmanager
    def decode(self, data: bytes, limits: Limits, pixels: int) -> Iterator[Picture]:
        findings, shown = examined(data, limits)
        yield Picture(findings, iter([shown]))

    def rest(self) -> None:
        """Nothing runs beside it."""


def compared(fresh: Fresh, files: Sequence[Path], rounds: int) -> tuple[list[dict[str, Any]], dict[str, Target]]:
    """Fetch these files so often both ways; the lines of both, and the targets."""
    in_children: list[Taken] = []
    in_process: list[Taken] = []
    for turn in range(rounds + 1):
        arms = [(in_children, decoders_for(Limits().max_decoding_bytes)), (in_process, cast(Decoders, InThisProcess()))]
        for taken, decoders in arms if turn % 2 else arms[::-1]:
            found = _fetch(fresh, files, decoders)
            if turn:  # the first one loads what all need
                taken.append(found)
    wall = [one.wall / other.wall for one, other in zip(in_process, in_children, strict=True)]
    cpu = [one.cpu / other.cpu for one, other in zip(in_process, in_children, strict=True)]
    recode = _recoding(files)
    lines = [
        _line("fetch", in_children, len(files)) | {"recode_only_per_s": round(len(files) / recode, 1)},
        _line("fetch, decoded in this process", in_process, len(files)),
        _left("rate that children leave", wall),
        _left("the same by processor time", cpu),
    ]
    return lines, {"fetch_with_children_vs_in_process": at_least(statistics.median(wall), GOAL)}


def _fetch(fresh: Fresh, files: Sequence[Path], decoders: Decoders) -> Taken:
    """Register the files in a fresh database and fetch them all; the seconds of fetching."""
    with fresh() as (engine, project), tempfile.TemporaryDirectory(prefix="fetch") as folder:
        parts = _parts(engine, Path(folder), decoders)
        with transaction(engine) as session:
            register_items(session, parts.jobs, project, [Incoming(f.name, str(f)) for f in files], NOW, local=True)
        wall, cpu = time.perf_counter(), _cpu_s()
        while fetch_batch(parts, project.id)["left"]:
            pass
        return Taken(time.perf_counter() - wall, _cpu_s() - cpu)


def _cpu_s() -> float:
    """Processor time of this process and of the children that have ended."""
    return float(sum(psutil.Process().cpu_times()[:4]))


def _recoding(files: Sequence[Path]) -> float:
    """The floor: seconds of decoding and encoding alone, one after the other."""
    began = time.perf_counter()
    for path in files:
        with Image.open(path) as image:
            image.convert("RGB").save(io.BytesIO(), "JPEG", quality=92)
    return time.perf_counter() - began


def _line(arm: str, taken: Sequence[Taken], count: int) -> dict[str, Any]:
    seconds = [one.wall for one in taken]
    return {
        "arm": arm,
        "images": count,
        "rounds": len(taken),
        "images_per_s": round(count / statistics.median(seconds), 1),
        "spread": [round(count / max(seconds), 1), round(count / min(seconds), 1)],
        "images_per_cpu_s": round(count / statistics.median(one.cpu for one in taken), 1),
    }


def _left(arm: str, ratios: Sequence[float]) -> dict[str, Any]:
    """The median over pairs of rounds, with an interval from 2,000 samples that are drawn from them again."""
    drawn = np.random.default_rng(0).choice(ratios, (2_000, len(ratios)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return {
        "arm": arm,
        "pairs": len(ratios),
        "median": round(statistics.median(ratios), 3),
        "interval_95": [round(float(low), 3), round(float(high), 3)],
    }


def _parts(engine: sa.Engine, folder: Path, decoders: Decoders) -> Parts:
    nothing = cast(Any, None)
    store = ImageStore(str(folder / "media"))
    return Parts(
        Settings(home=folder), engine, Jobs(engine), store, nothing, nothing, nothing, Failpoints(""), lambda: NOW,
        decoders=decoders,
    )  # fmt: skip
