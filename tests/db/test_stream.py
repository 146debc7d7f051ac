"""The random stream in SQL: who is reserved, who was drawn, what is decided; the same on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.queries import examples, gold, imported_samples, queries, stream
from db.repositories.queries.queries import NewQuery, NewReview
from db.session import transaction
from db.tables import GroupRow, ImageRow, ReserveRow, ReviewRow
from labeling.jobs import Trigger
from labeling.project import RESERVED, Project
from labeling.types import Actor, ImageId, LabelSource, QueryId, ReviewKind
from tests import factories
from tests.factories import NOW

RANDOM, HARD, RELABEL = ReviewKind.RANDOM, ReviewKind.HARD, ReviewKind.RELABEL
BY = Actor("policy", "more groups", NOW)


@pytest.fixture
def project(any_database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    """Eight images, each a group of its own with a pre-label; the first five are reserved, in this order."""
    project = make_project(any_database)
    with transaction(any_database) as session:
        for number in range(8):
            factories.prelabel(session, factories.image(session, project.id, reserved=number < 5))
    return project


def _images(session: Session) -> list[ImageId]:
    return [ImageId(image) for image in session.scalars(sa.select(ImageRow.id).order_by(ImageRow.id))]


def _groups(session: Session) -> list[int]:
    return list(session.scalars(sa.select(GroupRow.id).order_by(GroupRow.id)))


def _answered(
    session: Session, project: Project, image: int, kind: ReviewKind = RANDOM, value: str = "cat", after: int = 0
) -> int:
    """A review of this kind with its answer, and the label that follows."""
    review, at = factories.review(session, project.id, image, kind), NOW + timedelta(seconds=after)
    factories.annotation(session, review, value, at=at)
    factories.label(session, project.id, image, value, review_id=review, created_at=at)
    return review


def _decided(session: Session, project: Project) -> dict[int, str]:
    return {group: example.label for group, example in stream.read_stream(session, project.id).examples.items()}


def test_a_quarter_is_reserved_until_less_is_and_it_never_rises(any_database: sa.Engine, project: Project) -> None:
    shares = []
    with transaction(any_database) as session:
        shares.append(stream.share_in_force(session, project.id))
        for wanted in (RESERVED, 0.1, 0.2, 0.1, 0.05):
            done = stream.reserve(session, project.id, wanted, 8, BY)
            shares.append((done, stream.share_in_force(session, project.id)))
        kept = session.execute(sa.select(ReserveRow.share, ReserveRow.groups, ReserveRow.author, ReserveRow.reason))

        assert shares == [RESERVED, (False, RESERVED), (True, 0.1), (False, 0.1), (False, 0.1), (True, 0.05)]
        assert [tuple(row) for row in kept] == [(share, 8, "policy", "more groups") for share in (0.1, 0.05)]


def test_the_share_of_one_project_is_not_that_of_another(
    any_database: sa.Engine, project: Project, make_project: Callable[..., Project]
) -> None:
    other = make_project(any_database, name="plants")
    with transaction(any_database) as session:
        stream.reserve(session, other.id, 0.01, 8, BY)

        assert stream.share_in_force(session, project.id) == RESERVED


def test_what_was_drawn_stays_reserved_when_the_share_falls_even_if_its_task_was_deleted(
    any_database: sa.Engine, project: Project
) -> None:
    with transaction(any_database) as session:
        images, groups = _images(session), _groups(session)
        _answered(session, project, images[1])
        factories.review_end(session, factories.review(session, project.id, images[2], RANDOM))
        stream.reserve(session, project.id, 0.00005, 8, BY)  # only the first group is under it
        reserved = sa.select(GroupRow.id).where(stream.is_reserved(project.id, 0.00005)).order_by(GroupRow.id)
        of_project = sa.select(GroupRow.id).where(stream.was_drawn(project.id)).order_by(GroupRow.id)

        assert list(session.scalars(reserved)) == groups[:3]
        assert list(session.scalars(of_project)) == groups[1:3]
        assert list(stream.read_stream(session, project.id).positions) == groups[:3]


def test_what_may_be_learnt_from_is_what_it_was_at_a_moment(any_database: sa.Engine, project: Project) -> None:
    with transaction(any_database) as session:
        images = _images(session)
        for image in images[:3]:
            _answered(session, project, image, HARD)
        stream.reserve(session, project.id, 0.00015, 8, BY)  # of these three the last is free
        before = examples.now_of(session, project.id)
        free = [example.image_id for example in examples.read_examples(session, project.id, [HARD])]
        factories.review(session, project.id, images[2], RANDOM)  # and now it is drawn
        after = [example.image_id for example in examples.read_examples(session, project.id, [HARD])]
        again = examples.read_examples(session, project.id, [HARD], as_of=before)

        assert before.share == 0.00015
        assert (free, after) == ([images[2]], [])
        assert [example.image_id for example in again] == [images[2]]


def test_the_stream_holds_the_reserve_in_order_and_says_who_is_asked_and_what_is_decided(
    any_database: sa.Engine, project: Project
) -> None:
    with transaction(any_database) as session:
        images, groups = _images(session), _groups(session)
        label_of = _answered(session, project, images[0], value="dog")
        factories.review(session, project.id, images[1], RANDOM)
        factories.review_end(session, factories.review(session, project.id, images[2], RANDOM))
        skipped = factories.review(session, project.id, images[3], RANDOM)
        factories.annotation(session, skipped, None)
        factories.image(session, project.id, reserved=True)  # not pre-labelled yet

        found = stream.read_stream(session, project.id)

        assert found.share == RESERVED
        assert list(found.positions) == groups[:5]
        assert list(found.positions.values()) == sorted(found.positions.values())
        assert found.asked == {groups[0], groups[1], groups[3]}  # the deleted task's group can be drawn again
        assert list(found.examples) == [groups[0]]
        one = found.examples[groups[0]]
        assert (one.image_id, one.label, one.kind, one.group_id) == (images[0], "dog", RANDOM, groups[0])
        assert label_of


def test_labels_that_nobody_gave_blind_decide_nothing_and_the_blind_answer_does(
    any_database: sa.Engine, project: Project
) -> None:
    with transaction(any_database) as session:
        images, groups = _images(session), _groups(session)
        factories.label(session, project.id, images[0], "dog", LabelSource.IMPORT)
        factories.label(session, project.id, images[1], "dog", created_at=NOW)  # a lead corrected an import
        _answered(session, project, images[2], HARD, "dog")  # people answered a task that was taken over
        factories.label(session, project.id, images[3], "dog", LabelSource.GOLD)
        before = _decided(session, project)
        later = {"created_at": NOW + timedelta(seconds=1)}
        drawn = [factories.review(session, project.id, image, RANDOM, **later) for image in images[:4]]
        asked = _decided(session, project)
        for image, review in zip(images[:3], drawn[:3], strict=True):
            factories.annotation(session, review, "cat")
            factories.label(session, project.id, image, "cat", review_id=review)

        assert before == asked == {}
        assert _decided(session, project) == dict.fromkeys(groups[:3], "cat")


def test_a_correction_of_a_drawn_image_decides_and_a_withdrawn_answer_does_not(
    any_database: sa.Engine, project: Project
) -> None:
    with transaction(any_database) as session:
        images, groups = _images(session), _groups(session)
        reviews = [_answered(session, project, image) for image in images[:4]]
        factories.label(session, project.id, images[0], "bird", review_id=reviews[0])  # a lead's, of the same review
        _answered(session, project, images[1], RELABEL, "bird")
        factories.label(session, project.id, images[2], None, review_id=reviews[2])
        factories.review_end(session, reviews[3])

        assert _decided(session, project) == {groups[0]: "bird", groups[1]: "bird", groups[3]: "cat"}


def test_of_two_images_of_a_group_the_one_that_was_asked_about_counts(
    any_database: sa.Engine, project: Project
) -> None:
    with transaction(any_database) as session:
        images, groups = _images(session), _groups(session)
        twin = factories.image(session, project.id, group_id=groups[1])
        _answered(session, project, twin, value="bird")
        factories.label(session, project.id, images[1], "dog", LabelSource.IMPORT)

        found = stream.read_stream(session, project.id)

        assert (found.examples[groups[1]].image_id, found.examples[groups[1]].label) == (twin, "bird")


def test_groups_that_left_the_stream_are_no_part_of_the_collection(any_database: sa.Engine, project: Project) -> None:
    with transaction(any_database) as session:
        groups = _groups(session)
        session.execute(sa.update(GroupRow).where(GroupRow.id == groups[4]).values(position=1.5))

        assert stream.count_groups(session, project.id) == 7
        assert stream.count_groups(session, project.id, groups[5]) == 5
        assert stream.newest_group(session, project.id) == groups[-1]
        assert stream.founded_at(session, groups[0]) == NOW
        assert groups[4] not in stream.read_stream(session, project.id).positions


def test_collections_are_the_newest_groups_of_the_queries_that_knew_them(
    any_database: sa.Engine, project: Project
) -> None:
    with transaction(any_database) as session:
        for newest_group in (None, 7, 5):
            factories.query(session, project.id, newest_group=newest_group)

        assert stream.collections(session, project.id) == [5, 7]


def test_what_is_left_is_what_nobody_was_asked_about_nor_labelled_but_for_certificates(
    any_database: sa.Engine, project: Project
) -> None:
    with transaction(any_database) as session:
        images, groups = _images(session), _groups(session)
        _answered(session, project, images[0])
        factories.review(session, project.id, images[5], HARD)
        factories.label(session, project.id, images[6], "cat", LabelSource.IMPORT)
        factories.label(session, project.id, images[7], "cat", LabelSource.CERTIFICATE)

        left = stream.groups_left(session, project.id)

        assert left == {*groups[1:5], groups[7]}
        assert stream.count_left(session, project.id) == len(left)
        assert stream.count_left(session, project.id, groups[2]) == 2
        assert stream.count_left(session, project.id, after=groups[2]) == 3
        assert stream.left_among(session, project.id, groups[:4]) == left & set(groups[:4])
        assert stream.left_among(session, project.id, []) == set()


def test_a_shadow_pick_is_noted_once_and_stays_with_its_query(
    any_database: sa.Engine, project: Project, make_project: Callable[..., Project]
) -> None:
    other = make_project(any_database, name="plants")
    with transaction(any_database) as session:
        groups = _groups(session)
        first, second = (QueryId(factories.query(session, project.id)) for _ in range(2))
        before = stream.fingerprint(session, project.id)
        added = [
            stream.add_shadow_picks(session, first, groups[:2], NOW),
            stream.add_shadow_picks(session, second, groups[1:3], NOW),
            stream.add_shadow_picks(session, second, [], NOW),
        ]

        assert added == [2, 1, 0]
        assert stream.shadow_picks(session, project.id) == set(groups[:3])
        assert stream.shadow_picks(session, other.id) == set()
        assert stream.fingerprint(session, project.id) != before


def _ask(session: Session, project: Project, images: list[ImageId], kind: ReviewKind) -> list[int]:
    number = queries.next_number(session, project.id)
    query = NewQuery(project.id, number, "margin", 0, None, len(images), Trigger.HAND)
    new = [NewReview(image, kind, True, 1.0, 0.0, f"{number}-{image}", None) for image in images]
    query_id, _ = queries.add_query(session, query, new, NOW)
    rows = sa.select(ReviewRow.image_id).where(ReviewRow.query_id == query_id).order_by(ReviewRow.image_id)
    return list(session.scalars(rows))


def test_the_stream_asks_in_its_turn_whatever_others_said_and_never_twice(
    any_database: sa.Engine, project: Project
) -> None:
    with transaction(any_database) as session:
        images = _images(session)
        factories.label(session, project.id, images[0], "dog", LabelSource.IMPORT)
        _answered(session, project, images[1], HARD)

        first = _ask(session, project, images[:3], RANDOM)
        second = _ask(session, project, images[:4], RANDOM)

        assert (first, second) == (images[:3], [images[3]])


def test_a_strategy_gets_no_group_that_was_reserved_while_it_chose(any_database: sa.Engine, project: Project) -> None:
    with transaction(any_database) as session:
        images = _images(session)

        assert _ask(session, project, [*images[:2], images[6]], HARD) == [images[6]]


def test_no_gold_image_of_the_reserve_is_asked(any_database: sa.Engine, project: Project) -> None:
    with transaction(any_database) as session:
        images = _images(session)
        for image in (images[0], images[6]):
            factories.label(session, project.id, image, "cat", LabelSource.GOLD)

        assert gold.unasked_images(session, project.id) == [images[6]]


def _imported(session: Session, project: Project, images: list[ImageId], value: str = "cat") -> None:
    for image in images:
        factories.label(session, project.id, image, value, LabelSource.SAMPLE)


def test_an_imported_sample_takes_the_first_places_once_and_positions_stay_shares_of_the_groups(
    any_database: sa.Engine, project: Project
) -> None:
    with transaction(any_database) as session:
        images, groups = _images(session), _groups(session)
        _imported(session, project, images[2:6:3], "bird")
        before = dict(session.execute(sa.select(GroupRow.id, GroupRow.position)).all())

        placed = [imported_samples.place(session, project.id, 1.0, NOW) for _ in range(2)]
        found = stream.read_stream(session, project.id)
        now = dict(session.execute(sa.select(GroupRow.id, GroupRow.position)).all())

        assert placed == [2, 0]
        assert [now[groups[2]], now[groups[5]]] == pytest.approx([0, 1 / 8])
        assert all(now[g] == pytest.approx(0.25 + 0.75 * before[g]) for g in groups if g not in (groups[2], groups[5]))
        assert {group: example.label for group, example in found.examples.items()} == {
            groups[2]: "bird",
            groups[5]: "bird",
        }
        assert {groups[2], groups[5]} == set(found.asked)
        assert examples.read_examples(session, project.id, [HARD], imported=True) == []


def test_of_a_later_sample_no_more_is_placed_than_was_drawn_of_the_others(
    any_database: sa.Engine, project: Project
) -> None:
    with transaction(any_database) as session:
        factories.query(session, project.id, newest_group=_groups(session)[-1])
        late = [ImageId(factories.image(session, project.id, reserved=False)) for _ in range(10)]
        older = dict(session.execute(sa.select(GroupRow.id, GroupRow.position).where(GroupRow.id <= 8)).all())
        _imported(session, project, late[:6])

        placed = imported_samples.place(session, project.id, 0.3, NOW)
        drawn = stream.asked_groups(session, project.id)
        taught = examples.read_examples(session, project.id, [HARD], imported=True)

        assert (placed, len(drawn)) == (3, 3)
        assert drawn < set(_groups(session)[8:14])
        assert older == dict(session.execute(sa.select(GroupRow.id, GroupRow.position).where(GroupRow.id <= 8)).all())
        assert taught == []  # neither those that were placed nor the others


def test_a_lead_who_corrects_an_imported_sample_teaches_nothing(any_database: sa.Engine, project: Project) -> None:
    with transaction(any_database) as session:
        images, groups = _images(session), _groups(session)
        _imported(session, project, images[6:])
        factories.label(session, project.id, images[6], "dog")
        waiting = examples.read_examples(session, project.id, [HARD], imported=True)

        imported_samples.place(session, project.id, 1.0, NOW)

        assert waiting == []
        assert _decided(session, project) == {groups[6]: "dog", groups[7]: "cat"}
        assert examples.read_examples(session, project.id, [HARD], imported=True) == []
