"""A real Label Studio for the tests that need one, started once a session from `.venv-ls`."""

from __future__ import annotations

import itertools
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.operations.label_studio_server import Account, find_program
from tests.label_studio_server import LabelStudioServer, start

ROOT = Path(__file__).parents[2]


HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with a real Label Studio come first: they take longest, and the others fill the time that is left."""
    items.sort(
        key=lambda item: not item.path.is_relative_to(HERE) or "label_studio" not in getattr(item, "fixturenames", ())
    )


@dataclass
class RealLabelStudio:
    """Where it is, the token of its first account, and a way to more accounts."""

    server: LabelStudioServer
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def token(self) -> str:
        return self.server.token

    def make_annotator(self) -> Account:
        """A new account, as an invited person would make it."""
        return self.server.add_annotator(f"annotator-{next(self._numbers)}@example.com", "Passw0rd-of-a-test")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLabelStudio]:
    """Takes about a minute the first time on a machine, and some six seconds later: its empty database is kept."""
    program = find_program(ROOT)  # NotFound says: make .venv-ls/ready
    template = Path(tempfile.gettempdir()) / "hardcase-label-studio-template"
    server = start(program, tmp_path_factory.mktemp("label-studio"), free_port(), template=template)
    yield RealLabelStudio(server)
    server.stop()


@pytest.fixture
def make_annotator(label_studio: RealLabelStudio) -> Callable[[], Account]:
    return label_studio.make_annotator
