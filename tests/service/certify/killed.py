"""What a process of its own does: it certifies a project and dies at a failpoint."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from db.session import make_engine
from labeling.types import ProjectId
from service.work.certify.certify import certify
from service.work.failpoints import Failpoints
from tests.factories import NOW
from tests.service.labelled_pool import Clock, make_parts


def certify_until(failpoint: str, address: str, home: Path, project: ProjectId, seconds: int) -> None:
    """`address` is the database's; the clock stands at so many seconds after `NOW`."""
    parts = make_parts(make_engine(address), home)
    parts = replace(parts, now=Clock(NOW + timedelta(seconds=seconds)), failpoint=Failpoints(failpoint))
    certify(parts, project)
