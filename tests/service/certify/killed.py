"""A process that certifies a project and dies at a failpoint: `python -m tests.service.certify.killed`.

Arguments: the database's address, the home, the project, seconds on the clock, and the failpoint.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from db.session import make_engine
from labeling.types import ProjectId
from service.work.certify.certify import certify
from service.work.failpoints import Failpoints
from tests.factories import NOW
from tests.service.labelled_pool import Clock, make_parts

if __name__ == "__main__":
    address, home, project, seconds, name = sys.argv[1:]
    parts = make_parts(make_engine(address), Path(home))
    parts = replace(parts, now=Clock(NOW + timedelta(seconds=int(seconds))), failpoint=Failpoints(name))
    certify(parts, ProjectId(int(project)))
