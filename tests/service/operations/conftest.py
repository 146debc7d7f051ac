"""The home of version 0.1.0 for tests: as it was stored, and opened."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.operations.old_home import HOMES, Opened, close, opened


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    with tarfile.open(HOMES / "home-0.1.0.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "home"


@pytest.fixture
def old(unpacked: Path) -> Iterator[Opened]:
    made = opened(unpacked)
    yield made
    close(made)
