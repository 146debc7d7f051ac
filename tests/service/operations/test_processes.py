"""One supervisor on a home, a child that will not stay up beside others, and a start that says what is wrong."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from labeling.errors import Conflict, Invalid
from service.operations.processes import (
    ProcessState,
    check_port,
    forget_processes,
    only_one,
    read_processes,
    write_processes,
)
from service.settings import Settings, load_settings
from service.work import __main__ as worker

NOBODY = 65534


def test_a_child_that_will_not_stay_up_leaves_the_others_alone_and_is_tried_again(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import os, sys, time
        from pathlib import Path
        import service.operations.up as up
        up.RESTARTS, up.REST_S = 1, 1.0
        home, states = Path({str(tmp_path)!r}), []
        log, marker = home / "x.log", home / "repaired"
        bad = "import os, sys, time\\nif not os.path.exists(sys.argv[1]): sys.exit(3)\\ntime.sleep(60)"
        children = [
            up.Child("good", [sys.executable, "-c", "import time; time.sleep(60)"], dict(os.environ), log),
            up.Child("bad", [sys.executable, "-c", bad, str(marker)], dict(os.environ), log),
        ]
        def told(now):
            states.append({{one.name: (one.stays_up(), len(one.started)) for one in now}})
            given_up = [one for one in now if not one.stays_up()]
            if given_up and given_up[0].ended:
                marker.touch()
            if given_up and len(given_up[0].started) > 2 and given_up[0].process.poll() is None:
                os.kill(os.getpid(), 15)
        code = up.Supervisor(children, told).run(lambda: None)
        print(states[-2], states[-1], code)
    """)

    done = subprocess.run([sys.executable, "-c", script], timeout=90, capture_output=True, text=True)

    assert done.stdout.split()[-1] == "0", done.stderr
    assert "'good': (True, 1)" in done.stdout
    assert "'bad': (False, 3)" in done.stdout


def test_what_the_supervisor_knows_is_read_while_it_runs(tmp_path: Path) -> None:
    state = ProcessState("worker", False, datetime.now(UTC), 6, -9, "/logs/worker.log")

    write_processes(tmp_path, os.getpid(), [state])
    while_it_runs = read_processes(tmp_path)
    write_processes(tmp_path, 2**22 + 1, [state])
    after_it_died = read_processes(tmp_path)
    (tmp_path / "processes.json").write_text("{")
    damaged = read_processes(tmp_path)
    forget_processes(tmp_path)

    assert while_it_runs == [state]
    assert "will not stay up" in state.words and "/logs/worker.log" in state.words
    assert after_it_died == damaged == read_processes(tmp_path) == []


def test_a_second_supervisor_on_a_home_hears_which_one_there_is(tmp_path: Path) -> None:
    wanted = pytest.raises(Conflict, match=r"already runs on .*\(process 4711\).*HARDCASE_HOME")

    with only_one(tmp_path, 4711), wanted, only_one(tmp_path, 4712):
        pass

    with only_one(tmp_path, 4713):
        pass


def test_a_port_that_is_taken_is_a_line_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match=rf"127.0.0.1:{port}.*HARDCASE_PORT"):
            check_port("127.0.0.1", port)

    check_port("127.0.0.1", port)
    with pytest.raises(Conflict, match="HARDCASE_HOST"):
        check_port("203.0.113.7", port)
    with pytest.raises(Conflict):
        check_port("127.0.0.1", 70_000)


@pytest.mark.parametrize("content", [b"", b"{", b'{"secret": "abc', b"[]", b"null", b'"text"', b"\xff\xfe\x00", b"12"])
def test_a_cut_secrets_file_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    (tmp_path / "secrets.json").write_bytes(content)

    with pytest.raises(Invalid, match=r"secrets\.json cannot be read .*hardcase init"):
        load_settings(home=tmp_path)


@pytest.fixture
def open_home() -> Iterator[Path]:
    """A home under a folder that every user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        home.mkdir()
        yield home


def _as_somebody_else(home: Path) -> str:
    """What `prepare_home` says to another user."""
    script = textwrap.dedent(f"""
        import os
        from pathlib import Path
        from labeling.errors import HardcaseError
        from service.settings import Settings, load_settings, prepare_home
        if os.getuid() == 0:
            os.setgroups([])
            os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
            os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
        try:
            prepare_home(load_settings(home=Path({str(home)!r})))
            print("fine")
        except HardcaseError as error:
            print(type(error).__name__, error.message)
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_a_home_that_may_not_be_written_is_named(open_home: Path) -> None:
    open_home.chmod(0o555)

    said = _as_somebody_else(open_home)

    assert said.startswith(f"Invalid {open_home} cannot be written"), said
    assert "HARDCASE_HOME" in said


@pytest.mark.parametrize(("name", "mode"), [("hardcase.db", 0o444), ("media", 0o555), ("logs", 0o500)])
def test_what_in_a_home_has_the_wrong_permission_is_named(open_home: Path, name: str, mode: int) -> None:
    open_home.chmod(0o777)
    inside = open_home / name
    inside.touch() if "." in name else inside.mkdir()
    inside.chmod(mode)

    said = _as_somebody_else(open_home)

    assert said.startswith(f"Invalid {inside} cannot be written"), said


def test_secrets_that_may_not_be_read_are_named(open_home: Path) -> None:
    open_home.chmod(0o777)
    (open_home / "secrets.json").write_text(json.dumps({"secret": "x" * 40}))
    (open_home / "secrets.json").chmod(0o000)

    said = _as_somebody_else(open_home)

    assert "secrets.json may not be read by this user" in said


def test_the_processes_say_in_one_line_why_they_cannot_start(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"secret": "abc')
    environment = {**os.environ, "HARDCASE_HOME": str(tmp_path)}

    for module in ("service.web", "service.work"):
        done = subprocess.run(
            [sys.executable, "-m", module], env=environment, capture_output=True, text=True, timeout=90
        )
        assert done.returncode == 1
        assert "secrets.json cannot be read" in done.stderr
        assert "Traceback" not in done.stderr
    assert Settings(home=tmp_path).home == tmp_path


def test_a_worker_gives_way_to_what_people_wait_for(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"secret": "abc')
    code = "import os; from service.work import __main__ as worker; worker.main(); print(os.nice(0))"

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HARDCASE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(done.stdout.splitlines()[-1]) == min(19, os.nice(0) + worker.NICE)
