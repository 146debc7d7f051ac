"""Files that only their owner may read: made so by every process, and closed where an older version left them open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from labeling.errors import Invalid
from service.operations.private_files import close_to_others
from service.settings import Settings


def _mode(path: Path) -> int:
    return path.lstat().st_mode & 0o777


def test_init_makes_a_private_home_whatever_the_mask_of_the_shell(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "service.cli", "init"]

    done = subprocess.run(command, env={"HARDCASE_HOME": str(tmp_path / "home"), "PATH": ""}, umask=0o000)

    assert done.returncode == 0
    assert [path for path in (tmp_path / "home").rglob("*") if _mode(path) & 0o077] == []
    assert _mode(tmp_path / "home") == 0o700
    assert _mode(tmp_path / "home/hardcase.db") == 0o600


def test_all_that_is_kept_is_closed_also_where_it_is_not_in_the_home_and_nothing_else(tmp_path: Path) -> None:
    home, media, database = tmp_path / "home", tmp_path / "media", tmp_path / "rows.db"
    outside = tmp_path / "outside.txt"
    for folder in (home / "deep/er", media / "ab"):
        folder.mkdir(parents=True)
    kept = [home / "a.json", home / "deep/er/b", media / "ab/c.jpg", database, Path(f"{database}-wal")]
    for file in (*kept, outside):
        file.write_text("x")
        file.chmod(0o664)
    (home / "link").symlink_to(outside)
    (home / "program").write_text("#!/bin/sh")
    (home / "program").chmod(0o755)

    refused = close_to_others(Settings(home=home, storage_url=str(media), database_url=f"sqlite:///{database}"))

    assert refused == []
    assert {_mode(file) for file in kept} == {0o600}
    assert {_mode(folder) for folder in (home, home / "deep", home / "deep/er", media, media / "ab")} == {0o700}
    assert _mode(home / "program") == 0o700
    assert _mode(outside) == 0o664


def test_a_home_behind_a_link_is_closed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o755)
    (tmp_path / "home").symlink_to(tmp_path / "disk")

    close_to_others(Settings(home=tmp_path / "home"))

    assert _mode(tmp_path / "disk") == 0o700


def test_a_home_that_cannot_be_closed_is_refused_with_the_way_out() -> None:
    with pytest.raises(Invalid, match="HARDCASE_HOME"):
        close_to_others(Settings(home=Path("/proc/self/task"), storage_url="memory://x", database_url="postgresql://x"))
