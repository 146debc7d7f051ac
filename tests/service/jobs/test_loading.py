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
