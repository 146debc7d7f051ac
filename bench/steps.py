"""What the steps of the loop cost after a batch of 50 answers, and when nothing changed, as the pool grows, on SQLite.

Processor seconds of the process and its peak anonymous memory, step by step; a process of its own for every size, after
another has built the project. What is asked of Label Studio (sync's reading, the queue, push) is `bench.sync`'s; the
idle sweep leaves out that and what looks for new images (sources, fetching, prelabelling), of which nothing is left.

python -m bench.steps [--quick] [--sizes 10000 100000]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.answered_project import PROJECT, SECRET, answer, make, open_parts
from bench.memory import anonymous_mb, peak
from bench.report import Target, at_most, emit
from db.repositories.projects import projects
from db.session import reading, transaction
from labeling.jobs import Trigger
from labeling.types import ImageId
from service.labels.resolution import resolve_labels
from service.work.figures import refresh
from service.work.learn import learn
from service.work.pool.pool import load_pool
from service.work.prelabel.calibrate import calibrate
from service.work.promote import judge
from service.work.promote.predict import predict
from service.work.quality import QUICK, SLOW
from service.work.select import query
from service.work.wiring import Parts, release_freed_memory, set_aside_what_is_loaded

ANSWERS = 50
Line = dict[str, Any]
Work = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,000 images")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    sizes = [1_000] if chosen.quick else sorted(chosen.sizes)
    if chosen.make:
        make(chosen.make, sizes[0])
    elif chosen.measure:
        for line in measure(chosen.measure):
            print(json.dumps(line), flush=True)
    else:
        report({images: list(run(images)) for images in sizes})


def run(images: int) -> Iterator[Line]:
    """Build a project of this size in one process, measure it in the next; print its lines as they come."""
    with tempfile.TemporaryDirectory(prefix="bench-steps") as home:
        ours = [sys.executable, "-m", "bench.steps", "--sizes", str(images)]
        subprocess.run([*ours, "--make", home], check=True, stdout=subprocess.DEVNULL)
        done = subprocess.run([*ours, "--measure", home], check=True, stdout=subprocess.PIPE, text=True)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step"')]
        for line in [*lines, *commands(Path(home))]:
            print(json.dumps({"images": images, **line}), flush=True)
            yield line


def measure(home: Path) -> Iterator[Line]:
    """Every step once without a change, then once after a batch, then all again with nothing changed."""
    parts = open_parts(home)
    for _, work in _steps(parts, []):
        work()
        release_freed_memory()  # as the worker does after a job that did something
    set_aside_what_is_loaded()
    answered = answer(parts, ANSWERS)
    for name, work in _steps(parts, answered):
        yield _weigh(name, work)
    for _, work in _steps(parts, []):
        work()
    yield _weigh("idle sweep", lambda: [work() for _, work in _steps(parts, [])])
    with reading(parts.database) as session:
        project = projects.by_id(session, PROJECT)
    load_pool(parts, project)
    yield _weigh("load_pool", lambda: load_pool(parts, project))
    yield {"step": "rest", "cpu_s": 0.0, "anonymous_mb": round(anonymous_mb(), 1)}


def commands(home: Path) -> Iterator[Line]:
    """Processor seconds of two commands, each in a process of its own."""
    for arguments in (["--help"], ["status", "large"]):
        before = _children_s()
        subprocess.run(
            [sys.executable, "-c", "from service.cli import main; main()", *arguments],
            env={**os.environ, "HARDCASE_HOME": str(home), "HARDCASE_SECRET": SECRET},
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        yield {"step": f"hardcase {arguments[0]}", "cpu_s": round(_children_s() - before, 3)}


def report(lines: dict[int, list[Line]]) -> None:
    """The sums at the largest size against the goals, and how they grew from the smallest."""
    small, large = min(lines), max(lines)
    cost = {line["step"]: line["cpu_s"] for line in lines[large]}
    total, before = (sum(row["cpu_s"] for row in _after_answers(lines[size])) for size in (large, small))
    grown = math.log(total / before) / math.log(large / small) if large > small else None
    rest = next(line["anonymous_mb"] for line in lines[large] if line["step"] == "rest")
    targets: dict[str, Target] = {
        "steps_100k_s": at_most(total, 5.0),
        "idle_sweep_100k_s": at_most(cost["idle sweep"], 0.3),
        "load_pool_100k_s": at_most(cost["load_pool"], 0.3),
        "exponent": at_most(grown, 1.0),
        "anonymous_rest_mb": at_most(rest, 600),
        "anonymous_step_mb": at_most(max(row.get("anonymous_mb", 0.0) for row in lines[large]), 900),
        "help_s": at_most(cost["hardcase --help"], 0.5),
        "status_s": at_most(cost["hardcase status"], 0.5),
    }
    emit("steps", targets, [{"arm": "largest", "images": large, "steps_s": round(total, 2), "learn_s": cost["learn"]}])


def _steps(parts: Parts, answered: list[ImageId]) -> list[tuple[str, Work]]:
    """What the jobs do after answers, in their order; after answers it learns and chooses though it may not be due."""

    def resolve() -> None:
        with transaction(parts.database) as session:
            resolve_labels(session, projects.by_id(session, PROJECT), answered, parts.now())

    def fit() -> None:
        if learn.due(parts, PROJECT) or answered:
            learn.learn(parts, PROJECT, Trigger.ANSWERED)

    named = {f"{job} {step.__name__}": step for job, steps in (("quality", QUICK), ("inspect", SLOW)) for step in steps}
    return [
        ("resolve_labels", resolve),
        *((name, lambda step=step: step(parts, PROJECT)) for name, step in named.items()),
        ("learn.due", lambda: learn.due(parts, PROJECT)),
        ("learn", fit),
        ("judge", lambda: judge.judge(parts, PROJECT, Trigger.LEARNED)),
        ("predict", lambda: predict(parts, PROJECT)),
        ("select", lambda: query.choose_query(parts, PROJECT, Trigger.PROMOTED, force=bool(answered))),
        ("calibrate", lambda: calibrate(parts, PROJECT)),
        ("figures", lambda: refresh.refresh(parts, PROJECT)),
    ]


def _after_answers(lines: list[Line]) -> list[Line]:
    beside = ("learn", "idle sweep", "load_pool", "rest")
    return [line for line in lines if line["step"] not in beside and not line["step"].startswith("hardcase")]


def _weigh(name: str, work: Work) -> Line:
    with peak() as sampled:
        begun = time.process_time()
        work()
        release_freed_memory()
        spent = time.process_time() - begun
    return {"step": name, "cpu_s": round(spent, 3), "anonymous_mb": round(max(sampled), 1)}


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
