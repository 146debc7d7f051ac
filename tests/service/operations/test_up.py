"""The supervised process tree, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

from service.operations.up import REST_S, RESTART_WINDOW_S, RESTARTS, Child, Supervisor

SLEEPER = "import time\nwhile True: time.sleep(0.1)"


def _child(tmp_path: Path, name: str, code: str) -> Child:
    return Child(name, [sys.executable, "-c", code], dict(os.environ), tmp_path / f"{name}.log")


def _wait(condition: object, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_a_child_that_is_killed_is_started_again_and_all_end_together(tmp_path: Path) -> None:
    child = _child(tmp_path, "sleeper", SLEEPER)
    supervisor = Supervisor([child])
    pids: list[int] = []

    def script() -> None:
        assert child.process is not None
        pids.append(child.process.pid)
        os.kill(child.process.pid, signal.SIGKILL)
        _wait(lambda: child.process is not None and child.process.pid != pids[0])
        pids.append(child.process.pid)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    code = supervisor.run(lambda: threading.Thread(target=script).start())
    signal.signal(signal.SIGTERM, before[0])
    signal.signal(signal.SIGINT, before[1])

    assert code == 0
    assert len(set(pids)) == 2
    assert child.process is not None and child.process.poll() is not None


def test_the_first_end_for_some_time_costs_no_pause_and_later_ones_ever_more(tmp_path: Path) -> None:
    child, now = _child(tmp_path, "sleeper", SLEEPER), time.monotonic()
    pauses = []
    for starts in range(1, RESTARTS + 2):
        child.started = [now] * starts
        pauses.append(child.pause_s())
    child.started = [now - RESTART_WINDOW_S - 1] * 9

    assert pauses == [0.0, 0.5, 1.0, 2.0, 4.0, REST_S]
    assert child.pause_s() == 0.0


def test_a_child_that_will_not_stay_up_ends_the_tree_with_an_error(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import os, sys
        from pathlib import Path
        import service.operations.up as up
        up.RESTARTS = 1
        command = [sys.executable, "-c", "raise SystemExit(3)"]
        child = up.Child("broken", command, dict(os.environ), Path({str(tmp_path)!r}) / "x.log")
        raise SystemExit(up.Supervisor([child]).run(lambda: None))
    """)

    result = subprocess.run([sys.executable, "-c", script], timeout=60, capture_output=True)

    assert result.returncode == 1


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)"
    )
    script = textwrap.dedent(f"""
        import os, signal, sys, threading, time
        from pathlib import Path
        import service.operations.up as up
        up.STOP_WITHIN_S = 1.0
        log = Path({str(tmp_path)!r}) / "x.log"
        child = up.Child("stubborn", [sys.executable, "-c", {stubborn!r}], dict(os.environ), log)
        def stop():
            while "up" not in log.read_text():
                time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGTERM)
        code = up.Supervisor([child]).run(lambda: threading.Thread(target=stop).start())
        raise SystemExit(0 if code == 0 and child.process.returncode == -9 else 5)
    """)

    result = subprocess.run([sys.executable, "-c", script], timeout=60, capture_output=True)

    assert result.returncode == 0, result.stderr.decode()
