"""What a process loads when it starts: not what only some work needs, for it is started anew after each fault."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "cleanlab", "crowdkit", "label_studio_sdk.label_interface", "pandas", "scipy.optimize", "scipy.stats", "sklearn",
    "torch", "transformers",
}  # fmt: skip


@pytest.mark.parametrize("module", ["service.work.worker", "service.web.serving"])
def test_a_process_that_starts_loads_no_library_that_only_some_work_needs(module: str) -> None:
    code = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


TOGETHER = """
import sys, threading
import numpy as np
import service.work.worker
from labeling.learn.heads.logistic import Logistic
from labeling.promote.power import chance_to_pass
from labeling.project import Gate
from labeling.quality.drift import class_shift, corrected_prior, separability
from labeling.quality.finite_samples import finite_interval
from labeling.quality.labels.label_errors import suspects
from labeling.quality.random_arm import monotone
from labeling.select.strategies.typical import typical

rng = np.random.default_rng(0)
points, labels = rng.normal(size=(90, 70)), np.arange(90) % 3
probs = rng.dirichlet(np.ones(3), 90)
work = [
    lambda: suspects(labels, probs), lambda: monotone(np.array([.5, .8])), lambda: typical(points, 5, rng),
    lambda: Logistic().fit(points.astype(np.float32), labels, 3, rng), lambda: finite_interval(5, 100, 1000),
    lambda: class_shift(np.array([50, 50]), np.array([80, 20])), lambda: separability(points[:40], points[40:], rng),
    lambda: chance_to_pass(100, .06, .02, Gate()), lambda: corrected_prior(np.eye(2) * 9, np.array([40, 60])),
]
go, wrong = threading.Barrier(len(work)), []
sys.setswitchinterval(1e-4)

def one(function):
    go.wait()
    try:
        function()
    except Exception as error:
        wrong.append(repr(error))

threads = [threading.Thread(target=one, args=(function,)) for function in work]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(wrong)
"""


def test_steps_that_load_libraries_at_the_same_time_get_whole_ones() -> None:
    done = subprocess.run([sys.executable, "-c", TOGETHER], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
