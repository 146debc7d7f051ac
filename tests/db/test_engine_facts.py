"""What engines have done, counted on both databases; reports are kept and the newest found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.engines import prelabels, reports
from db.session import reading, transaction
from db.views import engine_stats
from labeling.errors import NotFound
from labeling.project import Project
from labeling.types import Evidence, ImageId, LabelSource, Outcome, Prelabel
from tests import factories
from tests.factories import NOW


def add_images(session: Session, project: Project, n: int) -> list[ImageId]:
    return [factories.image(session, project.id, f"{i:064x}", text=f"text {i}") for i in range(n)]


def test_each_revision_is_counted_with_what_it_cost(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        images = add_images(session, project, 3)
        said = [
            Prelabel("agent", "agent-1", (), "", 2.0, 40, Outcome.ABSTAINED, None, Evidence(flags=("flip",))),
            Prelabel("agent", "agent-1", (), "", 4.0, 60, Outcome.LABEL, "cat", Evidence(tokens_in=7, tokens_out=2)),
            Prelabel("agent", "agent-1", (), "", 0.0, 0, Outcome.NONE_OF_THESE, None, Evidence(cached=True)),
        ]
        prelabels.record(session, list(zip(images, said, strict=True)), NOW)

    with reading(any_database) as session:
        (facts,) = engine_stats.revisions(session, project.id)
        amounts = engine_stats.amounts(session, project.id, "agent-1", 2)
        stored = engine_stats.stored(session, "agent-1", images)

    assert (facts.prelabels, facts.abstained, facts.none_of_these, facts.flagged, facts.cached) == (3, 1, 1, 1, 1)
    assert (facts.seconds, facts.cost_micro, facts.tokens_in, facts.tokens_out) == (2.0, 100, 7, 2)
    assert facts.newest_at == NOW
    assert [(amount.cost_micro, amount.cached) for amount in amounts] == [(0, True), (60, False)]
    assert [stored[image].outcome for image in images] == [Outcome.ABSTAINED, Outcome.LABEL, Outcome.NONE_OF_THESE]


def test_images_are_found_that_a_revision_has_not_labelled(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        images = add_images(session, project, 3)
        prelabels.record(session, [(images[1], Prelabel("a", "a-1", (0.5, 0.3, 0.2), "", 0.0, 0))], NOW)

    with reading(any_database) as session:
        left = engine_stats.images(session, project.id, not_by="a-1")
        everything = engine_stats.images(session, project.id)

    assert [image.id for image in left] == [images[0], images[2]]
    assert [image.text for image in everything] == ["text 0", "text 1", "text 2"]


def test_gold_is_the_label_that_stands(any_database: sa.Engine, make_project: Callable[..., Project]) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        first, second, _ = add_images(session, project, 3)
        for image, value, source in (
            (first, "cat", LabelSource.GOLD),
            (second, "cat", LabelSource.GOLD),
            (second, "dog", LabelSource.PEOPLE),
        ):
            factories.label(session, project.id, image, value, source)

    with reading(any_database) as session:
        found = engine_stats.gold(session, project.id)

    assert [(image.image_id, image.label) for image in found] == [(first, "cat")]


def test_the_newest_report_of_a_kind_is_found_and_others_are_not_shown_to_another_project(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    mine, other = make_project(any_database), make_project(any_database, name="plants")
    with transaction(any_database) as session:
        ids = [
            reports.record(session, mine.id, kind, request={}, result={"n": n}, asked_by="me", now=NOW)
            for n, kind in enumerate(("plan", "compare", "plan"))
        ]

    with reading(any_database) as session:
        newest = reports.newest(session, mine.id, "plan")
        listed = reports.listing(session, mine.id, after=None, limit=2)
        none = reports.newest(session, other.id, "plan")
        with pytest.raises(NotFound):
            reports.by_id(session, other.id, ids[0])

    assert newest is not None and newest.result == {"n": 2}
    assert [item.id for item in listed.items] == [ids[2], ids[1]]
    assert listed.next_after == ids[1]
    assert none is None
