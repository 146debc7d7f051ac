"""The web process for real: what it loads, how it stops, what it writes down, and how it treats slow or huge bodies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from db.session import make_engine, reading
from db.tables import RegistrationRow
from labeling.errors import Invalid
from labeling.jobs import Role
from labeling.project import Project
from service.web.app import create_app
from tests.service.web_client import SECRET, bearer, make_key, png, settings_for
from tests.service.web_process import WebProcess, web_process

HEAVY = ("torch", "transformers", "label_studio_sdk", "sklearn", "altair")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def shared(empty_database: Path, home: Path) -> Iterator[tuple[WebProcess, sa.Engine]]:
    """One process for the tests that do not end it; it takes bodies of at most 100 kB."""
    shutil.copy(empty_database, home / "hardcase.db")
    database = make_engine(f"sqlite:///{home / 'hardcase.db'}")
    with web_process(database, home, max_body_bytes="100000") as running:
        yield running, database
    database.dispose()


def test_the_web_process_loads_no_model_library_and_stays_small(database: sa.Engine, tmp_path: Path) -> None:
    script = f"""
import json, sys, psutil
from pathlib import Path
from pydantic import SecretStr
from fastapi.testclient import TestClient
from service.settings import Settings
from service.web.app import create_app
settings = Settings(home=Path({str(tmp_path)!r}), database_url={str(database.url)!r}, secret=SecretStr({SECRET!r}))
with TestClient(create_app(settings)) as client:
    client.get("/ready"), client.get("/openapi.json"), client.get("/login")
    rss = psutil.Process().memory_info().rss
print(json.dumps({{"loaded": sorted(set(sys.modules) & set({HEAVY!r})), "rss": rss}}))
"""

    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    found = json.loads(run.stdout.splitlines()[-1])
    assert found["loaded"] == []
    assert found["rss"] < 250 * 2**20


def test_sigterm_under_load_answers_what_is_in_flight_and_loses_nothing(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    make_project(database)
    headers = bearer(make_key(database))
    taken: list[str] = []
    broken: list[int] = []
    stop = threading.Event()

    def send(worker: int) -> None:
        with httpx.Client(timeout=20) as client:
            for i in range(10_000):
                if stop.is_set():
                    return
                name = f"{worker}-{i}.png"
                files = [("files", (name, png("red") + name.encode()))]
                try:
                    answer = client.post(f"{running.address}/api/projects/1/images", headers=headers, files=files)
                except httpx.TransportError:
                    return  # not accepted any more: nothing was promised
                if answer.status_code == 202:
                    taken.append(name)
                elif answer.status_code != 503:
                    broken.append(answer.status_code)

    with web_process(database, tmp_path) as running:
        senders = [threading.Thread(target=send, args=(worker,)) for worker in range(16)]
        for sender in senders:
            sender.start()
        while len(taken) < 40:
            time.sleep(0.02)
        started = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        code = running.process.wait(timeout=20)
        took_s = time.monotonic() - started
        stop.set()
        for sender in senders:
            sender.join()

    assert code == 0
    assert took_s <= 10
    assert broken == []
    with reading(database) as session:
        registered = set(session.scalars(sa.select(RegistrationRow.reference)))
    assert set(taken) <= registered
    stored = {path.name for path in (tmp_path / "media/uploads").rglob("*") if path.is_file()}
    assert len(stored) >= len(taken)


@pytest.mark.parametrize(
    ("secret", "words"), [("", "hardcase init"), ("changeme", "at least 32"), ("a" * 40, "at least 32")]
)
def test_it_refuses_a_secret_that_is_missing_or_could_be_guessed(
    database: sa.Engine, tmp_path: Path, secret: str, words: str
) -> None:
    with pytest.raises(Invalid, match=words):
        create_app(settings_for(database, tmp_path, secret=SecretStr(secret)))


def test_it_refuses_to_start_in_one_line_of_words(tmp_path: Path) -> None:
    environment = {**os.environ, "HARDCASE_HOME": str(tmp_path), "HARDCASE_SECRET": "", "HARDCASE_PORT": "0"}

    run = subprocess.run([sys.executable, "-m", "service.web"], env=environment, capture_output=True, text=True)

    assert run.returncode == 1
    assert "hardcase init" in run.stderr
    assert "Traceback" not in run.stderr


def test_it_refuses_to_start_on_a_database_without_tables(tmp_path: Path) -> None:
    environment = {**os.environ, "HARDCASE_HOME": str(tmp_path), "HARDCASE_SECRET": SECRET, "HARDCASE_PORT": "0"}

    run = subprocess.run([sys.executable, "-m", "service.web"], env=environment, capture_output=True, text=True)

    assert run.returncode == 1
    assert "hardcase init" in run.stderr and "Traceback" not in run.stderr


def test_the_log_never_holds_a_key_or_a_signature(shared: tuple[WebProcess, sa.Engine], home: Path) -> None:
    running, database = shared
    key = make_key(database, name="canary")
    secret = key.split("_", 2)[2]
    for path in ("/api/projects", f"/api/projects/{secret}", f"/media/review/{secret}?signature={secret}"):
        httpx.get(running.address + path, headers=bearer(key))
    httpx.post(f"{running.address}/login", data={"key": key})
    numbers = httpx.get(f"{running.address}/metrics", headers=bearer(key)).text

    assert secret not in (home / "web.log").read_text()
    assert secret not in numbers
    everything = b"".join(path.read_bytes() for path in home.glob("hardcase.db*"))
    assert secret.encode() not in everything
    assert secret not in " ".join(psutil.Process(running.process.pid).cmdline())


def asked_for_keys(home: Path) -> list[str]:
    return [line for line in (home / "web.log").read_text().splitlines() if "'/api/keys'" in line]


def test_the_log_says_who_called_from_where_whether_or_not_they_might(
    shared: tuple[WebProcess, sa.Engine], home: Path
) -> None:
    running, database = shared
    key = make_key(database, Role.READ, name="a caller\nof some kind")
    before = len(asked_for_keys(home))
    for path in ("/api/projects", "/api/keys"):
        httpx.get(running.address + path, headers=bearer(key))
    httpx.get(f"{running.address}/api/keys")

    until = time.monotonic() + 10
    while len(asked_for_keys(home)) < before + 2 and time.monotonic() < until:  # written after the answer
        time.sleep(0.05)
    lines = asked_for_keys(home)

    assert [("status=403" in line, "status=401" in line) for line in lines[-2:]] == [(True, False), (False, True)]
    assert "caller='a caller\\nof some kind'" in lines[-2] and "caller=None" in lines[-1]
    assert all("address='127.0.0.1'" in line for line in lines)


def exchange(port: int, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """Send raw bytes, piece by piece, and read to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        try:
            for piece in pieces:
                wire.sendall(piece)
                time.sleep(pause_s)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has answered and left
        received = b""
        try:
            while data := wire.recv(65_536):
                received += data
        except ConnectionResetError:
            pass
        return received


def head(database: sa.Engine, *lines: str) -> bytes:
    start = ("POST /api/projects HTTP/1.1", "Host: x", f"Authorization: Bearer {make_key(database)}")
    return "\r\n".join((*start, "Content-Type: application/json", *lines, "", "")).encode()


def test_a_body_that_announces_too_much_is_413(shared: tuple[WebProcess, sa.Engine]) -> None:
    running, database = shared

    answer = exchange(running.port, head(database, "Content-Length: 100001"), b"x")

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"application/problem+json" in answer


def test_a_body_in_chunks_without_end_is_413(shared: tuple[WebProcess, sa.Engine]) -> None:
    running, database = shared
    chunk = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"

    answer = exchange(running.port, head(database, "Transfer-Encoding: chunked"), *[chunk] * 40)

    assert answer.startswith(b"HTTP/1.1 413")


def test_an_upload_of_too_much_is_413_and_an_anonymous_one_401_unread(shared: tuple[WebProcess, sa.Engine]) -> None:
    running, database = shared
    files = [("files", ("a.png", b"x" * 200_000))]

    known = httpx.post(f"{running.address}/api/projects/1/images", headers=bearer(make_key(database)), files=files)
    anonymous = httpx.post(f"{running.address}/api/projects/1/images", files=files)

    assert known.status_code in (404, 413)
    assert anonymous.status_code == 401


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 3_000_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /%ff%fe%00/../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
)
def test_bytes_that_are_no_request_get_a_4xx_or_nothing(shared: tuple[WebProcess, sa.Engine], sent: bytes) -> None:
    running, _ = shared

    answer = exchange(running.port, sent)

    assert answer == b"" or answer.split(b" ", 2)[1].startswith(b"4"), answer[:100]
    assert httpx.get(f"{running.address}/health").status_code == 200
