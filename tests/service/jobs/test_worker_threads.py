"""A worker's linear algebra has one thread from the start, so that nothing which puts its threads back brings more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

START = """
import sys
import service.work.__main__ as worker
assert "numpy" not in sys.modules, "it is loaded before the number of its threads is set"
code = worker.main()
import scipy.linalg, threadpoolctl
found = {one["num_threads"] for one in threadpoolctl.threadpool_info() if one["internal_api"] == "openblas"}
print(code, found)
"""


def test_it_starts_with_one_thread_for_linear_algebra(tmp_path: Path) -> None:
    threads = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in threads}
    environment["HARDCASE_HOME"] = str(tmp_path / "nowhere")

    done = subprocess.run([sys.executable, "-c", START], env=environment, capture_output=True, text=True, timeout=120)

    assert done.stdout.splitlines()[-1] == "1 {1}", done.stdout + done.stderr
