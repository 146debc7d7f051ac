"""The spool: what was acknowledged is on disk, through kills and full disks, at one commit for many callers."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labeling.errors import Unavailable
from service.label_studio.spool import Spool

ACTION = "ANNOTATION_UPDATED"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool.db")
    yield made
    made.close()


def keep(spool: Spool, key: str) -> None:
    spool.put(1, ACTION, {"tasks": [], "annotations": []}, key=key)


def start(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), *arguments], stdout=subprocess.PIPE)


def test_events_come_out_as_they_went_in_until_they_are_done(spool: Spool) -> None:
    spool.put(7, ACTION, {"tasks": [3, 2**52], "annotations": [4]}, key="a")
    keep(spool, "b")

    both, one = spool.drain(), spool.drain(1)
    spool.done(["a"])
    left = spool.drain()

    assert [event.key for event in both] == ["a", "b"]
    assert both[0].project_id == 7
    assert both[0].hint == {"tasks": [3, 2**52], "annotations": [4]}
    assert both[0].received_at <= both[1].received_at
    assert one == both[:1]
    assert left == both[1:]


def test_the_same_event_waits_once(spool: Spool) -> None:
    for _ in range(3):
        keep(spool, "a")

    spool.done(["a", "a", "never there"])

    assert spool.drain() == []
    keep(spool, "a")
    assert len(spool.drain()) == 1


def test_events_outlive_the_process_that_took_them(tmp_path: Path) -> None:
    first = Spool(tmp_path / "deep" / "spool.db")
    keep(first, "a")
    first.close()

    second = Spool(tmp_path / "deep" / "spool.db")

    assert [event.key for event in second.drain()] == ["a"]
    second.close()


def test_callers_that_wait_together_share_a_commit(tmp_path: Path, spool: Spool) -> None:
    other = sqlite3.connect(tmp_path / "spool.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answers = [spool.submit(1, ACTION, {}, key=str(i)) for i in range(500)]

    other.execute("ROLLBACK")
    for answer in answers:
        answer.result()

    one_page_a_commit = 500 * 4096
    assert len(spool.drain()) == 500
    assert (tmp_path / "spool.db-wal").stat().st_size < one_page_a_commit / 4
    other.close()


def test_many_threads_lose_nothing(spool: Spool) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: keep(spool, str(i)), range(400)))

    assert {event.key for event in spool.drain()} == {str(i) for i in range(400)}


def test_what_was_accepted_before_the_close_is_kept_and_nothing_after_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    answers = [spool.submit(1, ACTION, {}, key=str(i)) for i in range(100)]

    spool.close()
    spool.close()

    assert all(answer.done() for answer in answers)
    with pytest.raises(Unavailable):
        keep(spool, "late")
    again = Spool(tmp_path / "spool.db")
    assert len(again.drain()) == 100
    again.close()


def test_a_failed_group_is_acknowledged_to_nobody_and_the_next_one_works(spool: Spool) -> None:
    with pytest.raises(OverflowError):
        spool.put(2**70, ACTION, {}, key="too large")

    keep(spool, "a")

    assert [event.key for event in spool.drain()] == ["a"]


def test_a_process_that_may_write_no_more_says_so_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    script = """
        import resource, sys
        from pathlib import Path
        from labeling.errors import StorageFull
        from service.label_studio.spool import Spool

        spool = Spool(Path(sys.argv[1]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        for i in range(10_000):
            try:
                spool.put(1, "ANNOTATION_UPDATED", {"tasks": [i] * 200}, key=str(i))
            except StorageFull:
                break
            print(i)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        spool.put(1, "ANNOTATION_UPDATED", {}, key="after")
        spool.close()
    """

    with start(script, str(tmp_path / "spool.db")) as process:
        acknowledged = process.communicate(timeout=60)[0].decode().split()

    assert process.returncode == 0
    assert 0 < len(acknowledged) < 10_000
    again = Spool(tmp_path / "spool.db")
    assert [event.key for event in again.drain(20_000)] == [*acknowledged, "after"]
    again.close()


def test_a_file_that_is_no_spool_is_named(tmp_path: Path) -> None:
    (tmp_path / "spool.db").write_bytes(b"not a database, but long enough to be read" * 100)

    with pytest.raises(Unavailable, match=r"spool\.db"):
        Spool(tmp_path / "spool.db")


def test_what_a_killed_process_acknowledged_is_there(tmp_path: Path) -> None:
    script = """
        import json, sys, threading
        from pathlib import Path
        from service.label_studio.spool import Spool

        spool = Spool(Path(sys.argv[1]))

        def put(thread):
            for i in range(1_000_000):
                key = f"{thread}-{i}"
                spool.put(1, "ANNOTATION_UPDATED", {"tasks": [i]}, key=key)
                sys.stdout.write(json.dumps(key) + "\\n")
                sys.stdout.flush()

        for thread in range(16):
            threading.Thread(target=put, args=(thread,)).start()
    """

    for _ in range(3):
        with start(script, str(tmp_path / "spool.db")) as process:
            assert process.stdout is not None
            acknowledged = [process.stdout.readline() for _ in range(200)]
            process.send_signal(signal.SIGKILL)
            acknowledged += process.stdout.readlines()
        whole = {json.loads(line) for line in acknowledged if line.endswith(b'"\n')}

        again = Spool(tmp_path / "spool.db")
        there = {event.key for event in again.drain(1_000_000)}
        again.done(list(there))
        again.close()

        assert len(whole) >= 200
        assert whole <= there


def test_the_thread_ends_with_the_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")

    spool.close()

    assert "spool" not in {thread.name for thread in threading.enumerate()}
