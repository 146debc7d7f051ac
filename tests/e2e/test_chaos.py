"""The short form of `python -m bench.chaos`: a real Label Studio, faults both ways, and everything killed in turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.chaos import TEMPLATE, difference, play, settle
from bench.chaos_system import running_system


@pytest.mark.timeout(600)
def test_the_ledger_equals_label_studios_export_after_kills_and_faults_both_ways(tmp_path: Path) -> None:
    with running_system(tmp_path, images=60, seed=3, template=TEMPLATE) as system:
        done = play(system, seconds=14.0, kill_every_s=3.0, tell=lambda line: None)

        settled = settle(system, 180.0)

        found = difference(system)
        words = (tmp_path / "home" / "service.work.log").read_text()[-3000:]
        assert settled is not None, f"{found}\n{words}"
        assert (found.lost, found.false, found.doubled, found.twin_tasks) == (0, 0, 0, 0)
        assert found.held > 0 and done["answered"] > 0
        assert min(system.kills.values()) >= 1
