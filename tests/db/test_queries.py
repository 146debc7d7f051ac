"""Queries, tallies and figures as SQL, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.people import annotators
from db.repositories.queries import queries
from db.repositories.queries.queries import NewQuery, NewReview
from db.repositories.reviews import overlaps
from db.repositories.versions import predictions
from db.repositories.versions.predictions import PredictionFile
from db.session import reading, transaction
from db.tables import ImageRow, PrelabelRow, ReviewRow
from db.views import dashboard, figures, tallies
from db.views.figures import NewFigure
from labeling.jobs import Trigger
from labeling.project import Project
from labeling.types import Actor, ImageId, LabelSource, ReviewId, ReviewKind
from tests import factories
from tests.answering import answer
from tests.factories import NOW

LEAD = Actor("lead", "random answers", NOW)


@pytest.fixture
def project(any_database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    """Ten images, each a group of its own; the last two are reserved."""
    project = make_project(any_database)
    with transaction(any_database) as session:
        for i in range(10):
            _add_image(session, project, i)
    return project


def _add_image(session: Session, project: Project, i: int) -> None:
    image = factories.image(session, project.id, f"h{i}", reserved=i >= 8)
    revision, at = "r1" if i < 9 else "r0", NOW + timedelta(seconds=i)
    factories.prelabel(session, image, [0.2, 0.3, 0.5], revision=revision, created_at=at)


def _images(session: Session) -> list[ImageRow]:
    return list(session.scalars(sa.select(ImageRow).order_by(ImageRow.id)))


def _ask(session: Session, project: Project, images: list[ImageRow], *, blind: bool = False) -> list[ReviewRow]:
    number = queries.next_number(session, project.id)
    query = NewQuery(project.id, number, "margin", 0, None, len(images), Trigger.HAND)
    new = [NewReview(ImageId(i.id), ReviewKind.HARD, blind, 1.0, 0.0, f"token-{number}-{i.id}", None) for i in images]
    query_id, _ = queries.add_query(session, query, new, NOW)
    return list(session.scalars(sa.select(ReviewRow).where(ReviewRow.query_id == query_id).order_by(ReviewRow.id)))


def _annotate(session: Session, review: ReviewRow, action: str, *, shown: str | None = None, after: int = 0) -> None:
    factories.annotation(session, review.id, action=action, shown=shown, at=NOW + timedelta(seconds=after))


def _label(session: Session, project: Project, image: ImageRow, value: str | None, source: LabelSource) -> int:
    return factories.label(session, project.id, image.id, value, source)


def test_a_group_is_taken_while_a_review_counts_or_a_label_stands(any_database: sa.Engine, project: Project) -> None:
    with transaction(any_database) as session:
        images = _images(session)
        open_, answered, withdrawn, ended, skipped = _ask(session, project, images[:5])
        _annotate(session, answered, "answered")
        _annotate(session, withdrawn, "answered")
        _annotate(session, withdrawn, "withdrawn", after=5)
        _annotate(session, skipped, "skipped")
        for review in (answered, withdrawn, ended):
            factories.review_end(session, review.id)
        _label(session, project, images[6], "cat", LabelSource.IMPORT)
        _label(session, project, images[7], "cat", LabelSource.PEOPLE)
        _label(session, project, images[7], None, LabelSource.PEOPLE)

    with reading(any_database) as session:
        taken = queries.taken_groups(session, project.id)
        some = queries.taken_groups(session, project.id, {images[0].group_id or 0, images[9].group_id or 0})

    assert taken == {images[i].group_id for i in (0, 1, 4, 6)}
    assert some == {images[0].group_id}
    assert open_.id and skipped.id


def test_a_query_leaves_out_what_was_taken_meanwhile_and_is_not_written_empty(
    any_database: sa.Engine, project: Project
) -> None:
    with transaction(any_database) as session:
        images = _images(session)
        first = _ask(session, project, images[:4])
        second = _ask(session, project, images[2:6])
        third = _ask(session, project, images[:6])

        assert [review.image_id for review in second] == [images[4].id, images[5].id]
        assert (len(first), third) == (4, [])
        assert queries.next_number(session, project.id) == 3


def test_the_tally_counts_every_state(any_database: sa.Engine, project: Project) -> None:
    with transaction(any_database) as session:
        images = _images(session)
        one, two, three = _ask(session, project, images[3:6])
        _annotate(session, one, "answered")
        _annotate(session, two, "skipped")
        _label(session, project, images[3], "cat", LabelSource.PEOPLE)
        _label(session, project, images[9], "dog", LabelSource.IMPORT)
        for step in ("fetch", "prelabel"):
            factories.failure(session, project.id, step)
        newest = session.scalars(sa.select(PrelabelRow).where(PrelabelRow.revision == "r0")).one()
        newest.revision = "r1"  # so that all ten were prelabelled by the engine in force
        session.flush()

        counts = tallies.counts(session, project.id)

    assert counts == {
        "registered": 0,
        "gone": 0,
        "quarantined": 1,
        "fetched": 10,
        "prelabelled": 10,
        "ready": 10,
        "pool": 8,
        "reserved": 2,
        "groups": 10,
        "asked": 3,
        "open": 1,
        "answered": 1,
        "skipped": 1,
        "labelled": 2,
        "labels_by_source": {"people": 1, "certificate": 0, "gold": 0, "import": 1, "sample": 0},
    }
    assert three.id


def test_an_image_that_only_an_older_engine_prelabelled_is_not_ready(any_database: sa.Engine, project: Project) -> None:
    with reading(any_database) as session:
        counts = tallies.counts(session, project.id)  # the newest prelabel is of r0, which prelabelled one image

    assert (counts["fetched"], counts["prelabelled"], counts["ready"]) == (10, 1, 1)


def test_a_group_of_more_images_than_a_statement_takes_is_checked(any_database: sa.Engine, project: Project) -> None:
    with transaction(any_database) as session:
        first = _images(session)[7]
        group, asked = first.group_id or 0, first.id
        facts = {
            column.name: getattr(first, column.name) for column in ImageRow.__table__.columns if column.name != "id"
        }
        session.execute(sa.insert(ImageRow), [{**facts, "content_hash": f"twin{i}"} for i in range(22_000)])
        (review,) = _ask(session, project, [first])

        taken = queries.taken_groups(session, project.id, {group})

    assert taken == {group} and review.image_id == asked


def test_the_fingerprint_changes_with_every_fact_and_only_then(any_database: sa.Engine, project: Project) -> None:
    states = []

    def look(session: Session) -> None:
        session.flush()
        states.append(tallies.fingerprint(session, project.id))

    with transaction(any_database) as session:
        look(session)
        (review,) = _ask(session, project, _images(session)[:1])
        look(session)
        _annotate(session, review, "answered")
        look(session)
        _label(session, project, _images(session)[0], "cat", LabelSource.PEOPLE)
        look(session)
        overlaps.want(session, {ReviewId(review.id): 2}, LEAD)
        look(session)
        ann = factories.annotator(session, project.id, "ann")
        answer(session, ReviewId(review.id), {ann: "cat"})
        look(session)
        annotators.void(session, ann, LEAD)
        look(session)
        version = factories.version(session, project.id)
        look(session)
        predictions.keep_prediction_file(session, version, PredictionFile("p", 10, "0" * 64, NOW))
        look(session)
        predictions.keep_prediction_file(session, version, PredictionFile("p", 11, "1" * 64, NOW + timedelta(hours=1)))
        look(session)
        factories.failure(session, project.id, "fetch")
        look(session)
        factories.review_end(session, review.id)
        look(session)
        again = tallies.fingerprint(session, project.id)

    assert len(set(states)) == len(states)
    assert again == states[-1]


def test_acceptance_counts_the_newest_answer_of_reviews_that_showed_something(
    any_database: sa.Engine, project: Project
) -> None:
    with transaction(any_database) as session:
        images = _images(session)
        one, two, three = _ask(session, project, images[:3])
        (blind,) = _ask(session, project, images[3:4], blind=True)
        _annotate(session, one, "answered", shown="cat")
        _annotate(session, two, "answered", shown="dog")
        _annotate(session, three, "answered", shown="dog")
        _annotate(session, three, "withdrawn", shown="dog", after=3)
        _annotate(session, blind, "answered", shown="cat")

        rows = figures.shown_and_kept(session, project.id)

    assert sorted(rows) == [("cat", 1, 1), ("dog", 1, 0)]


def test_labels_by_people_are_counted_as_they_stood(any_database: sa.Engine, project: Project) -> None:
    with transaction(any_database) as session:
        images = _images(session)
        at = [
            _label(session, project, images[0], "cat", LabelSource.PEOPLE),
            _label(session, project, images[1], "cat", LabelSource.IMPORT),
            _label(session, project, images[1], "dog", LabelSource.PEOPLE),
            _label(session, project, images[0], "dog", LabelSource.PEOPLE),
            _label(session, project, images[0], None, LabelSource.PEOPLE),
        ]

        totals = figures.people_labels_at(session, project.id, [0, *at])

    assert totals == [0, 1, 1, 2, 2, 1]


def test_an_open_blind_review_is_not_among_those_shown(any_database: sa.Engine, project: Project) -> None:
    with transaction(any_database) as session:
        images = _images(session)
        _ask(session, project, images[:2], blind=True)
        _ask(session, project, images[2:3])
        _label(session, project, images[1], "cat", LabelSource.PEOPLE)

        shown = figures.lately_asked(session, project.id, 10)

    assert [(one.image_id, one.label) for one in shown] == [(images[2].id, None), (images[1].id, "cat")]


def test_a_figure_takes_the_place_of_the_one_before(any_database: sa.Engine, project: Project) -> None:
    for fingerprint, value in (("a", 1), ("b", 2)):
        with transaction(any_database) as session:
            figures.keep(session, project.id, [NewFigure("rounds", {"value": value})], fingerprint, NOW)
            tallies.keep_tally(session, project.id, {"fetched": value}, NOW)

    with reading(any_database) as session:
        kept, tally = dashboard.figures(session, project.id), dashboard.tally(session, project.id)
        state = figures.kept_fingerprint(session, project.id)

    assert (kept["rounds"].data, state) == ({"value": 2}, "b")
    assert tally is not None
    assert tally.counts == {"fetched": 2}
