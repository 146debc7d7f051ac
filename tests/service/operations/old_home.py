"""The stored home of version 0.1.0, opened in a folder of a test's own, and what tests ask of it.

`test_old_home.py` says how it was made.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from db.repositories.projects import projects
from db.repositories.versions import versions
from db.session import make_engine, reading
from labeling.adapters.label_studio.client import LabelStudio
from labeling.adapters.storage.image_store import ImageStore
from labeling.learn.training import predict_probs
from labeling.project import Project
from service.jobs.jobs import Jobs
from service.label_studio.inbox_drain import drain
from service.label_studio.spool import Spool
from service.operations.doctor import Check, examine
from service.schema import bring_to_head
from service.settings import load_settings
from service.work.pool.pool import load_pool
from service.work.pool.saved_versions import load_classifier
from service.work.wiring import Parts, open_embeddings
from tests.conftest import NOW
from tests.service.labelled_pool import Clock, SeededEngine, make_parts
from tests.service.web.test_authorisation import log_in
from tests.service.web_client import web

HOMES = Path(__file__).parent / "homes"
KNOWN: dict[str, Any] = json.loads((HOMES / "home-0.1.0.json").read_text())
NOWHERE = "http://127.0.0.1:9"
SAYS = {
    "": (
        "201 images",
        "171 labelled",
        "87.2 % accuracy on the collection",
        "84.6 % to 88.5 %",
        "Errors of version 2 on 94",
    ),
    "/label-quality": (
        "some criteria are missed.",
        "86.6 %",
        "0.80",
        "4 suspected labels of the random stream",
        "bird 55",
    ),
    "/team": ("ann paused", "bob paused", "4 gold images", "kappa 0.80"),
    "/engines": ("few-shot-1", "34.6 %", "champion version 2 52 84.6 %", "0.0022 USD"),
    "/labels": ("label cat", "folder/190.png", "none of these"),
    "/disputes": ("All 15", "ann dog bob bird"),
    "/jobs": ("promote waits", "The file is cut short."),
    "/releases": ("r1 by lead 171", "v1 snapshot only 171"),
    "/releases/r1": ("For internal use.",),
    "/images/1": ("label lead bird it has wings", "ann dog", "version 2 cat", "task 901"),
}
"""What the pages say, without their tags.

As in 0.1.0, but for accuracies: images of its hold-out and of its calibration measure now, 94 of them, of which
version 2 names 82 as people did; one that nobody could tell counts as an error, and waits among those to decide.
Two labels fewer are suspected of the random stream: the fit that finds them weighs labels now.
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """The home, brought to the newest schema, with parts to work on it."""

    home: Path
    parts: Parts
    project: Project

    @property
    def database(self) -> sa.Engine:
        return self.parts.database


def opened(home: Path) -> Opened:
    """What `hardcase init` and a start do to it."""
    database = make_engine(f"sqlite:///{home / 'hardcase.db'}")
    bring_to_head(database)
    with reading(database) as session:
        project = projects.by_name(session, KNOWN["project"])
    engine = SeededEngine(**KNOWN["engine"])
    parts = replace(
        make_parts(database, home),
        jobs=Jobs(database),
        images=ImageStore(str(home / "media")),
        embeddings=open_embeddings(home),
        engine_for=cast(Any, lambda project, use=None: engine),
        now=Clock(NOW + timedelta(days=1)),
    )
    return Opened(home, parts, project)


def close(old: Opened) -> None:
    old.parts.jobs.close()
    old.database.dispose()


def by_number(old: Opened) -> dict[int, versions.Version]:
    with reading(old.database) as session:
        return {version.number: version for version in versions.everyone(session, old.project.id)}


def champion(old: Opened) -> versions.Version:
    with reading(old.database) as session:
        found = versions.champion(session, old.project.id)
    assert found is not None
    return found


def predicted(old: Opened, number: int) -> npt.NDArray[np.float64]:
    """What the version says of the images whose probabilities 0.1.0 wrote down."""
    pool = load_pool(old.parts, old.project)
    classifier, _ = load_classifier(old.home, by_number(old)[number])
    return predict_probs(classifier, pool.inputs.take(pool.rows_of(np.array(KNOWN["image_ids"]))))


def pages_of(old: Opened) -> dict[str, str]:
    """The pages by their address, as the key that 0.1.0 issued sees them."""
    with web(old.database, old.home) as client:
        log_in(client, KNOWN["key"])
        answers = {page: client.get(f"/projects/{old.project.id}{page}") for page in SAYS}
    assert {page: answer.status_code for page, answer in answers.items()} == dict.fromkeys(SAYS, 200)
    return {page: " ".join(re.sub(r"<[^>]+>", " ", answer.text).split()) for page, answer in answers.items()}


def examined(old: Opened) -> list[Check]:
    """What the doctor sees where no worker, web process and Label Studio run."""
    settings = load_settings(home=old.home, port=9)
    studio = LabelStudio(NOWHERE, "0" * 40, timeout_s=2)
    checks = examine(settings, old.database, studio)
    studio.close()
    return checks


def wrong(old: Opened) -> set[str]:
    """The names of what it finds wrong."""
    checks = examined(old)
    assert {check.name for check in checks} >= set(KNOWN["doctor"])
    return {check.name for check in checks if not check.ok}


def drain_spool(old: Opened) -> int:
    spool = Spool(old.home / "spool.db")
    try:
        return drain(spool, old.database, old.parts.jobs)
    finally:
        spool.close()
