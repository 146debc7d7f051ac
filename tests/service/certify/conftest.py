"""Projects with a target, and one with a certificate that stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from labeling.project import Policy, Project
from tests.service.certify.ground import POLICY, Certifying
from tests.service.labelled_pool import make_ground


@pytest.fixture
def make(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Callable[..., Certifying]:
    def made(policy: Policy = POLICY, **sizes: int) -> Certifying:
        project = make_project(database, policy=policy)
        return Certifying(make_ground(database, tmp_path, project, **{"pool": 240, "reserved": 80, **sizes}))

    return made


@pytest.fixture
def certified(make: Callable[..., Certifying]) -> Certifying:
    """With one certificate that stands."""
    return make().until_certified()
