"""What hardcase needs is taken away from real processes and given back, as `python -m bench.break` plays it."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.timeout(900)
def test_every_fault_heals_by_itself_and_nothing_acknowledged_is_lost_or_doubled() -> None:
    command = [sys.executable, "-m", "bench.break", "--quick"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=890)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("until the loop turned again") == 7
    assert done.stdout.count("acknowledged uploads are there once, nothing is dead") == 1


@pytest.mark.timeout(600)
def test_what_was_acknowledged_while_processes_were_killed_is_there_once() -> None:
    command = [sys.executable, "-m", "bench.break", "--kills", "4"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=590)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "acknowledged uploads are there once, nothing is dead" in done.stdout
    assert '"kinds_of_loss_or_doubling": {"value": 0.0' in done.stdout
