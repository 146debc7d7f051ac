"""Who is to be asked besides, what is in dispute, and soft labels: the same on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from db.repositories.labels import soft_labels
from db.repositories.labels.soft_labels import SoftLabel
from db.repositories.people import annotators
from db.repositories.reviews import overlaps, reviews
from db.repositories.reviews.overlaps import TooFewPeople
from db.session import reading, transaction
from db.views import disputes
from labeling.project import Project
from labeling.types import Actor, ReviewKind
from service.labels.resolution import resolve_labels
from tests.answering import ENGINE, answer, images_of, people
from tests.conftest import NOW
from tests.reviewing import ask

HARD, RELABEL = ReviewKind.HARD, ReviewKind.RELABEL


def test_a_task_gets_the_number_of_people_once_and_again_when_an_answer_counts_no_more(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        known = people(session, project, "ann", "bob")
        first, second, _ = ask(session, project, 1, [HARD] * 3)
        reviews.record_pushes(session, {first: 11, second: 12}, ls_project_id=5, now=NOW)
        answer(session, first, {known["ann"]: "cat"})
        answer(session, second, {known["ann"]: "cat"})
        nothing = overlaps.too_few_people(session, project.id)
        overlaps.want(session, {first: 2}, Actor("policy", "doubt", NOW))
        wanted = overlaps.too_few_people(session, project.id)
        overlaps.note_people(session, wanted)
        noted = overlaps.too_few_people(session, project.id)
        annotators.void(session, known["ann"], Actor("lead", "random", NOW))
        void = overlaps.too_few_people(session, project.id)

    assert (nothing, noted) == ([], [])
    assert wanted == [TooFewPeople(first, 11, 2)]
    assert void == [TooFewPeople(first, 11, 3), TooFewPeople(second, 12, 2)]


def test_what_overlap_is_chosen_by_is_counted_from_the_facts(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        known = people(session, project, "ann", "bob", "eve")
        first, second, gold = ask(session, project, 1, [HARD, HARD, ReviewKind.GOLD])
        answer(session, first, {known["ann"]: "cat", known["bob"]: ""})
        answer(session, gold, {known["eve"]: "cat"}, at=NOW + timedelta(minutes=60))
        overlaps.want(session, {first: 2, second: 3}, Actor("policy", "doubt", NOW))
        [image] = images_of(session, [first])

        assert overlaps.answered_lately(session, project.id, 10) == [image]
        assert overlaps.count_answered(session, project.id, [HARD]) == 1
        assert overlaps.count_asked(session, project.id, [HARD]) == (2, 1)
        assert overlaps.people_since(session, project.id, NOW) == {known["ann"], known["eve"]}  # bob skipped
        assert overlaps.people_since(session, project.id, NOW + timedelta(minutes=30)) == {known["eve"]}
        states = overlaps.states(session, [first, second])
        assert [(one.people, one.wanted, one.open) for one in states.values()] == [(2, 2, False), (0, 3, True)]


def test_disputes_are_found_within_a_review_and_against_an_earlier_one(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        known = people(session, project, "ann", "bob")
        first, second = ask(session, project, 1, [HARD, HARD])
        [again] = ask(session, project, 2, [RELABEL])
        conflict, changed = images_of(session, [first, second])
        session.execute(sa.text("UPDATE review SET image_id = :image WHERE id = :id"), {"image": changed, "id": again})
        answer(session, first, {known["ann"]: "cat", known["bob"]: "dog"})
        answer(session, second, {known["ann"]: "cat"})
        resolve_labels(session, project, [conflict, changed], NOW)
        answer(session, again, {known["bob"]: "dog"}, at=NOW + timedelta(minutes=5))
        resolve_labels(session, project, [changed], NOW)
        found, later = disputes.in_conflict(session, project.id), disputes.contradicted(session, project.id)

    assert [(one.image_id, one.review_id, one.label, one.group_size, one.waiting) for one in found] == [
        (conflict, first, None, 1, False)
    ]
    assert [(one.image_id, one.review_id, one.label) for one in later] == [(changed, again, "dog")]


def test_a_soft_label_takes_the_place_of_the_one_before_and_goes_with_its_answers(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        known = people(session, project, "ann")
        made = ask(session, project, 1, [HARD, HARD], probs=[[0.8, 0.1, 0.1]] * 2)
        first, second = images_of(session, made)
        before = soft_labels.fingerprint(session, project.id, ENGINE)
        answer(session, made[0], {known["ann"]: "cat"})
        old = [SoftLabel(image, "majority", "cat", 1.0, {"cat": 1.0}, (1,)) for image in (first, second)]
        new = SoftLabel(first, "glad", None, 0.5, {"cat": 0.5, "dog": 0.5}, (1, 2))
        soft_labels.keep(session, project.id, old, [], NOW)
        soft_labels.keep(session, project.id, [new], [second], NOW)

    with reading(any_database) as session:
        assert soft_labels.of(session, [first, second]) == {first: new}
        assert soft_labels.fingerprint(session, project.id, ENGINE) != before
        assert soft_labels.count_answers(session, project.id) == 1
        assert [one.image_id for one in soft_labels.engine_predictions(session, ENGINE, [first])] == [first]
        assert soft_labels.predictions_when_asked(session, [first]) == {}
