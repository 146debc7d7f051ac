"""A home after a small run, by processes that were started with the mask of every Linux user: nobody else can read it.

The home is one of an older version, whose folders and files were open, the embedded Label Studio's included.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from service.operations.label_studio_server import find_program
from tests.e2e.conftest import ROOT, free_port
from tests.e2e.running import make_pictures, wait_until
from tests.label_studio_server import copy_migrated

PROJECT = """\
name: colours
labels: [red, green, blue]
policy: {engine: scripted, query_size: 4}
"""
USUAL_MASK = 0o022


def _environment(home: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("HARDCASE_")},
        "HARDCASE_HOME": str(home),
        "HARDCASE_PORT": str(free_port()),
        "HARDCASE_LABEL_STUDIO_URL": f"http://127.0.0.1:{free_port()}",
        "HARDCASE_SWEEP_EVERY_S": "2",
    }


def _run(environment: dict[str, str], *words: str) -> Any:
    command = [sys.executable, "-m", "service.cli", *words, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, umask=USUAL_MASK, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def _open_to_others(home: Path) -> list[str]:
    paths = [home, *home.rglob("*")]
    modes = {path: path.lstat().st_mode for path in paths}
    return [f"{path} {stat.S_IMODE(mode):o}" for path, mode in modes.items() if not stat.S_ISLNK(mode) and mode & 0o077]


def _upload_to_label_studio(environment: dict[str, str], home: Path) -> None:
    token = (home / "label-studio/hardcase.secret").read_text().split()[1]
    headers = {"Authorization": f"Token {token}"}
    with httpx.Client(base_url=environment["HARDCASE_LABEL_STUDIO_URL"], headers=headers, timeout=60) as studio:
        made = studio.post("/api/projects", json={"title": "by hand"}).raise_for_status().json()
        table = {"file": ("tasks.csv", b"text\nhello\n", "text/csv")}
        studio.post(f"/api/projects/{made['id']}/import", files=table).raise_for_status()


def test_after_a_small_run_no_file_of_an_older_home_can_be_read_by_another_user(tmp_path: Path) -> None:
    home, photos, environment = tmp_path / "home", tmp_path / "photos", _environment(tmp_path / "home")
    template = Path(tempfile.gettempdir()) / "hardcase-label-studio-template"
    copy_migrated(find_program(ROOT), home / "label-studio", free_port(), template)
    (home / "logs").mkdir()
    (home / "logs/worker.log").write_text("an older version's\n")
    for path in (home, *home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    make_pictures(photos, 6, ("red", "green"))
    (tmp_path / "colours.yaml").write_text(PROJECT)

    command = [sys.executable, "-m", "service.cli", "up", "--label-studio", "--json"]
    with (tmp_path / "up.log").open("wb") as log:
        up = subprocess.Popen(command, env=environment, stdout=log, stderr=log, umask=USUAL_MASK)
    try:
        wait_until(lambda: '"web"' in (tmp_path / "up.log").read_text(), "hardcase up was not ready", 240)
        _run(environment, "project", "create", str(tmp_path / "colours.yaml"))
        _run(environment, "ingest", "colours", str(photos))
        wait_until(lambda: _run(environment, "status", "colours")["open_reviews"] > 0, "nothing was asked")
        _upload_to_label_studio(environment, home)
        while_it_runs = _open_to_others(home)
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(30)

    assert while_it_runs == []
    assert _open_to_others(home) == []
    assert {"media", "logs", "label-studio", "hardcase.db", "spool.db"} <= {path.name for path in home.iterdir()}
    assert list((home / "label-studio/media/upload").rglob("*tasks.csv"))
