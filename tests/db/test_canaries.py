"""What came of canaries is kept once, and flags are counted, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from db.repositories.engines import canaries, prelabels
from db.repositories.engines.canaries import Tally
from db.session import reading, transaction
from labeling.project import Project
from labeling.types import Evidence, Prelabel
from tests import factories
from tests.factories import NOW

RESULT = {
    "key": "k1",
    "injection": "order",
    "placement": "start of the text",
    "truth": "cat",
    "target": "dog",
    "clean": "cat",
    "said": "dog",
    "obeyed": True,
}


def test_a_canary_is_kept_once_and_counted_for_its_revision(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)

    with transaction(any_database) as session:
        written = [canaries.record(session, project.id, "agent", "r1", RESULT, NOW) for _ in range(2)]
        canaries.record(session, project.id, "agent", "r1", {**RESULT, "key": "k2", "obeyed": False}, NOW)
        canaries.record(session, project.id, "agent", "r2", RESULT, NOW)

    assert written == [1, 0]
    with reading(any_database) as session:
        assert canaries.tally(session, project.id, "r1") == Tally(2, 1)
        assert canaries.tally(session, project.id, "r3") == Tally(0, 0)


def test_flags_are_counted_one_by_one_for_this_project_alone(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project, other = make_project(any_database), make_project(any_database, name="other")
    flags = [("conflict",), ("conflict", "flipped without its text"), (), ("conflict",)]

    with transaction(any_database) as session:
        for number, (owner, flagged) in enumerate(zip([project, project, project, other], flags, strict=True)):
            image = factories.image(session, owner.id, f"{number:064x}")
            prelabel = Prelabel("e", "r", (), "", 0.0, 0, answer="cat", evidence=Evidence(flags=flagged))
            prelabels.record(session, [(image, prelabel)], NOW)
        canaries.record(session, project.id, "agent", "r1", RESULT, NOW)

    with reading(any_database) as session:
        counts = canaries.flag_counts(session, project.id)
    assert counts == {"conflict": 2, "flipped without its text": 1, "canaries": 1, "canaries obeyed": 1}
