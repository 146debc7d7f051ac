"""Which reviews are open, how they stand in Label Studio, and what was answered; on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa

from db.repositories.labels import labels
from db.repositories.labels.labels import NewLabel
from db.repositories.reviews import annotations as answers
from db.repositories.reviews import label_studio, reviews
from db.repositories.reviews.annotations import NewAnnotation
from db.session import insert_new, reading, transaction
from db.tables import ViewRow
from labeling.project import Project
from labeling.types import AnnotationAction, ImageId, LabelSource, ReviewId, ReviewKind
from tests.conftest import NOW
from tests.reviewing import ask

HARD = ReviewKind.HARD


def _answer(review: ReviewId, number: int = 1, **changes: object) -> NewAnnotation:
    made = NewAnnotation(
        review_id=review,
        annotator_id=None,
        ls_annotation_id=number,
        unique_id=f"1/{number}",
        action=AnnotationAction.ANSWERED,
        answers=("cat",),
        result_hash="h",
        shown=None,
        accepted=None,
        lead_time_s=None,
        updated_at=NOW,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_review_closes_by_answer_or_skip_or_end_and_opens_again_by_withdrawal(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    later = NOW + timedelta(seconds=1)
    with transaction(any_database) as session:
        waiting, answered, skipped, withdrawn, ended = ask(session, project, 1, [HARD] * 5)
        given = [
            _answer(answered, 1),
            _answer(skipped, 2, action=AnnotationAction.SKIPPED, answers=()),
            _answer(withdrawn, 3),
            _answer(withdrawn, 3, action=AnnotationAction.WITHDRAWN, answers=(), updated_at=later),
        ]
        answers.record(session, given, NOW)
        reviews.end(session, [ended], reviews.TASK_DELETED, NOW)

    with reading(any_database) as session:
        found = reviews.open_reviews(session, project.id)
        count = reviews.count_open(session, project.id)

    assert [review.id for review in found] == [waiting, withdrawn]
    assert count == 2


def test_the_same_version_of_an_answer_is_recorded_once(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        [review] = ask(session, project, 1, [HARD])
        counts = [answers.record(session, [_answer(review)], NOW) for _ in range(2)]
        newer = _answer(review, answers=("dog",), result_hash="g", updated_at=NOW + timedelta(seconds=1))
        answers.record(session, [newer], NOW)
        answers.record(session, [_answer(review, answers=("bird",), result_hash="old", updated_at=NOW)], NOW)

    with reading(any_database) as session:
        [current] = answers.current(session, [review])

    assert counts == [1, 0]
    assert current.result_hash == "g"


def test_an_answer_whose_image_was_not_viewed_is_an_empty_vote(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        viewed, not_viewed = ask(session, project, 1, [HARD] * 2)
        answers.record(session, [_answer(viewed, 1), _answer(not_viewed, 2)], NOW)
        insert_new(session, ViewRow, [{"review_id": viewed, "at": NOW}])
        images = [review.image_id for review in reviews.by_token(session, project.id, _tokens(project, 2)).values()]

    with reading(any_database) as session:
        votes = answers.votes(session, images)
        without_label = answers.unresolved_images(session, project.id)

    assert [(vote.review_id, vote.viewed, vote.answer.is_doubt) for vote in votes] == [
        (viewed, True, False),
        (not_viewed, False, True),
    ]
    assert without_label == [votes[0].image_id]


def test_a_review_keeps_its_first_task_and_is_found_by_it(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project, other = make_project(any_database), make_project(any_database, name="other")
    with transaction(any_database) as session:
        [review] = ask(session, project, 1, [HARD])
        [foreign] = ask(session, other, 1, [HARD])
        first = reviews.record_pushes(session, {review: 7, foreign: 9}, ls_project_id=1, now=NOW)
        again = reviews.record_pushes(session, {review: 8}, ls_project_id=1, now=NOW)

    with reading(any_database) as session:
        assert (first, again) == (2, 0)
        assert reviews.by_token(session, project.id, _tokens(other, 1)) == {}
        assert [(p.review_id, p.ls_task_id) for p in reviews.pushes(session, project.id, [7, 8, 9])] == [(review, 7)]
        highest = [reviews.highest_push(session, one.id) for one in (project, other)]
        assert [push.ls_task_id for push in highest if push] == [7, 9]


def test_a_review_whose_tasks_id_is_used_again_has_lost_its_task(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        [before, after] = ask(session, project, 1, [HARD, HARD])
        reviews.record_pushes(session, {before: 7}, ls_project_id=1, now=NOW)

        reviews.record_pushes(session, {after: 7}, ls_project_id=1, now=NOW)

    with reading(any_database) as session:
        assert [push.review_id for push in reviews.pushes(session, project.id)] == [after]
        assert [review.id for review in reviews.open_reviews(session, project.id)] == [after]


def test_the_label_that_stands_is_the_newest_and_null_takes_it_away(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        [review] = ask(session, project, 1, [HARD])
        [image] = [r.image_id for r in reviews.open_reviews(session, project.id)]
        _label(session, project, image, "bird", LabelSource.IMPORT)
        _label(session, project, image, "cat", LabelSource.PEOPLE, review)
        [held] = labels.current(session, project.id)
        [earlier] = labels.current(session, project.id, up_to=held.id - 1)
        _label(session, project, image, None, LabelSource.PEOPLE, review)
        gone = labels.current(session, project.id)
        newest, given = labels.current_of(session, [image]), labels.newest_not_by_people(session, [image])

    assert (held.value, held.kind, held.review_id) == ("cat", HARD, review)
    assert (earlier.value, earlier.kind) == ("bird", None)
    assert gone == []
    assert (newest[image].value, given[image].value) == (None, "bird")


def test_every_order_of_the_queue_has_a_number_of_its_own(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        before = label_studio.get(session, project.id)
        for ls_project in (5, 6):
            label_studio.add(session, project.id, ls_project_id=ls_project, base_url="http://ls", now=NOW)
        numbers = [label_studio.next_revision(session, project.id) for _ in range(2)]
        label_studio.note(session, project.id, model_version="v0-q2", swept_until=NOW)

    with reading(any_database) as session:
        place = label_studio.get(session, project.id)

    assert (before, numbers) == (None, [1, 2])
    assert place is not None
    assert (place.ls_project_id, place.model_version, place.swept_until) == (5, "v0-q2", NOW)


def _label(
    session: object, project: Project, image: ImageId, value: str | None, source: LabelSource,
    review: ReviewId | None = None,
) -> None:  # fmt: skip
    labels.append(session, project.id, [NewLabel(image, value, source, "me", "test", review)], NOW)  # type: ignore[arg-type]


def _tokens(project: Project, count: int) -> list[str]:
    return [f"token-{project.id}-1-{n}" for n in range(count)]
