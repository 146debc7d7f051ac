"""Migration 0005 with rows in it: older kinds, who comes first in the new order, who left it, and the reserve."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from db import migrate
from labeling.project import RESERVED
from tests.factories import NOW

OLDER = {
    "drawn": ("holdout", "evaluation"),
    "calibrated": ("pool", "calibration"),
    "hard": ("pool", "hard"),
    "control": ("pool", "control"),
    "both": ("pool", "calibration"),  # drawn by chance first, asked again later
    "relabelled": ("pool", "calibration"),  # and what was said then was learnt from
    "held and relabelled": ("holdout", "evaluation"),  # nothing was learnt from the hold-out side
    "free": ("pool", None),
    "imported": ("pool", None),
    "held": ("holdout", None),
    "held and imported": ("holdout", None),
}
STREAM = {"drawn", "calibrated", "both", "held and relabelled"}
LEFT = {"hard", "control", "imported", "relabelled"}


class Older:
    """A database as the version before left it, written row by row."""

    def __init__(self, engine: sa.Engine) -> None:
        migrate.downgrade(engine, "0004")
        self.engine, self.tables = engine, sa.MetaData()
        self.tables.reflect(engine)

    def add(self, table: str, **values: Any) -> int:
        found = self.tables.tables[table]
        with self.engine.begin() as connection:
            return int(connection.execute(sa.insert(found).values(**values)).inserted_primary_key[0])

    def image(self, project: int, name: str, side: str) -> int:
        group = self.add("image_group", project_id=project, founder_hash=name, side=side, created_at=NOW)
        size = {"format": "PNG", "width": 8, "height": 8, "size_bytes": 64, "details": {}, "bridge": False}
        of = {"project_id": project, "content_hash": name, "perceptual_hash": "0" * 16, "group_id": group}
        return self.add("image", **of, **size, fetched_at=NOW)

    def review(self, project: int, query: int, image: int, kind: str) -> int:
        of = {"project_id": project, "query_id": query, "image_id": image, "kind": kind, "created_at": NOW}
        return self.add("review", **of, blind=True, probability=1.0, place=0.0, token=f"{image}-{kind}")

    def label(self, project: int, image: int, source: str, review: int | None = None) -> None:
        of = {"project_id": project, "image_id": image, "value": "cat", "source": source, "review_id": review}
        self.add("label", **of, evidence={}, author="test", reason="", created_at=NOW)

    def query(self, project: int, number: int = 1) -> int:
        of = {"project_id": project, "number": number, "strategy": "margin", "seed": 0, "pool_size": 9}
        return self.add("query", **of, trigger="by hand", created_at=NOW)


@pytest.fixture
def older(any_database: sa.Engine) -> Older:
    """One image of each kind, a project without any, and a figure."""
    made = Older(any_database)
    project = made.add("project", name="animals", salt="salt", created_at=NOW)
    made.add("project", name="empty", salt="other", created_at=NOW)
    query = made.query(project)
    for name, (side, kind) in OLDER.items():
        image = made.image(project, name, side)
        review = None if kind is None else made.review(project, query, image, kind)
        if name == "both":
            made.review(project, made.query(project, 2), image, "relabel")
        if "relabelled" in name:
            again = made.review(project, made.query(project, len(name)), image, "relabel")
            made.label(project, image, "people", again)
        if kind or "imported" in name:
            made.label(project, image, "people" if kind else "import", review)
    made.add("figure", project_id=project, name="holdout_by_version", data={}, computed_at=NOW)
    return made


def _rows(engine: sa.Engine, statement: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def _positions(engine: sa.Engine) -> dict[str, float]:
    return dict(_rows(engine, "select founder_hash, position from image_group"))  # type: ignore[arg-type]


def test_older_kinds_become_the_new_ones_and_keep_their_names(older: Older) -> None:
    migrate.upgrade(older.engine)

    kinds = set(_rows(older.engine, "select kind, asked_as from review"))
    assert kinds == {
        ("random", "evaluation"),
        ("random", "calibration"),
        ("hard", "control"),
        ("hard", None),
        ("relabel", None),
    }


def test_what_chance_had_drawn_comes_first_and_what_training_had_used_has_left(older: Older) -> None:
    migrate.upgrade(older.engine)

    positions = _positions(older.engine)
    first, then = _rows(older.engine, "select share, groups, author, reason from reserve order by id")
    share, groups, author, reason = first
    waiting = set(OLDER) - STREAM - LEFT
    assert all(1 <= positions[name] < 2 for name in LEFT)
    assert max(positions[name] for name in STREAM) < share <= min(positions[name] for name in waiting)
    assert all(0 <= positions[name] < 1 for name in STREAM | waiting)
    drawn = {*STREAM, "relabelled"}
    assert share == pytest.approx(len(drawn) / (len(OLDER) - len(LEFT) + 1)) and share > RESERVED
    assert (groups, author) == (len(OLDER), "migration")
    assert reason.startswith("migrated: 5 groups were drawn by chance, 3 ")
    assert then[:3] == first[:3]
    assert then[3] == "migrated: 1 relabelled groups, which training had used, left the stream"


def test_the_order_is_the_same_on_every_database_and_follows_the_salt(older: Older) -> None:
    migrate.upgrade(older.engine)

    order = sorted(STREAM, key=_positions(older.engine).__getitem__)
    assert order == ["drawn", "held and relabelled", "calibrated", "both"]


def test_figures_are_counted_anew_and_queries_say_that_they_knew_no_group(older: Older) -> None:
    migrate.upgrade(older.engine)

    assert _rows(older.engine, "select name from figure") == []
    assert _rows(older.engine, "select newest_group, why from query") == [(None, "")] * 4
    assert _rows(older.engine, "select count(*) from shadow_pick") == [(0,)]


def test_a_project_in_which_nobody_was_asked_keeps_a_quarter(any_database: sa.Engine) -> None:
    made = Older(any_database)
    project = made.add("project", name="animals", salt="salt", created_at=NOW)
    for number in range(200):
        made.image(project, f"{number:064x}", "pool")

    migrate.upgrade(any_database)

    positions = list(_positions(any_database).values())
    assert _rows(any_database, "select share from reserve") == [(RESERVED,)]
    assert min(positions) >= 0 and max(positions) < 1
    assert 30 < sum(position < RESERVED for position in positions) < 70


def test_it_goes_back_to_the_older_kinds_and_sides(older: Older) -> None:
    migrate.upgrade(older.engine)
    migrate.downgrade(older.engine, "0004")

    kinds = {kind for (kind,) in _rows(older.engine, "select kind from review")}
    sides = {side for (side,) in _rows(older.engine, "select side from image_group")}
    assert kinds == {"evaluation", "calibration", "control", "hard", "relabel"}
    assert sides <= {"pool", "holdout"}
    migrate.upgrade(older.engine)
