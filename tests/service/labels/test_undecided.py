"""Images that nobody could tell: another person is asked, then a lead; nothing vanishes, and all of it is listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.labels import labels
from db.repositories.labels.decisions import ADJUDICATION
from db.repositories.labels.labels import NewLabel
from db.repositories.people import annotators
from db.repositories.reviews import reviews
from db.session import reading, transaction
from db.tables import AnnotationRow, LabelRow, OverlapRow
from db.views.undecided import UndecidedState, undecided
from labeling.project import Project
from labeling.types import UNSURE, Actor, ImageId, LabelSource, ReviewId, ReviewKind
from service.labels.corrections import correct
from service.labels.disputes import Why, listed
from service.labels.resolution import resolve_labels
from service.work.quality.annotators.team import refresh_team
from service.work.quality.overlap import ask_another_person
from service.work.wiring import Parts
from tests import factories
from tests.answering import answer, images_of, people
from tests.conftest import NOW
from tests.reviewing import ask, label_values, make_parts, rows_of

HARD, RANDOM = ReviewKind.HARD, ReviewKind.RANDOM
SKIP = ""
LEAD = Actor("lena", "looked closely", NOW)


@pytest.fixture
def parts(database: sa.Engine, tmp_path: Path) -> Iterator[Parts]:
    made = make_parts(database, tmp_path, cast(Any, None), now=lambda: NOW + timedelta(hours=1))
    yield made
    made.jobs.close()


@pytest.fixture
def project(parts: Parts, make_project: Callable[..., Project]) -> Project:
    return make_project(parts.database)


def _answered(
    parts: Parts, project: Project, said: list[dict[str, str]], kind: ReviewKind = HARD
) -> tuple[list[ReviewId], list[ImageId]]:
    with transaction(parts.database) as session:
        known = people(session, project, "ann", "bob", "eve", "pat")
        number = len(session.execute(sa.text("SELECT id FROM query")).all()) + 1
        made = ask(session, project, number, [kind] * len(said))
        for review, one in zip(made, said, strict=True):
            answer(session, review, {known[name]: value for name, value in one.items()})
        images = images_of(session, made)
        resolve_labels(session, project, images, NOW)
    return made, images


def _states(parts: Parts, project: Project) -> dict[ImageId, UndecidedState]:
    with reading(parts.database) as session:
        return {one.image_id: one.state for one in undecided(session, project)}


def _wanted(parts: Parts) -> dict[int, int]:
    return {row.review_id: row.people for row in rows_of(parts.database, OverlapRow)}


@pytest.mark.parametrize("cannot", [UNSURE, SKIP])
@pytest.mark.parametrize("kind", [HARD, RANDOM])
def test_after_unsure_or_skip_another_person_is_asked_once_then_a_lead(
    parts: Parts, project: Project, cannot: str, kind: ReviewKind
) -> None:
    _answered(parts, project, [{"bob": "cat"}])
    [review], [image] = _answered(parts, project, [{"ann": cannot}], kind)
    before = _states(parts, project)

    first, second = ask_another_person(parts, project.id), ask_another_person(parts, project.id)
    asked = _states(parts, project)
    with transaction(parts.database) as session:
        answer(session, review, {people(session, project, "bob")["bob"]: UNSURE})
        resolve_labels(session, project, [image], NOW)
    third = ask_another_person(parts, project.id)

    assert (first, second, third) == ({"overlap": 1}, {"overlap": 0}, {"overlap": 0})
    assert _wanted(parts) == {review: 2}
    assert (before, asked) == ({image: UndecidedState.LEAD}, {image: UndecidedState.ASKED})
    assert _states(parts, project) == {image: UndecidedState.LEAD}
    with reading(parts.database) as session:
        [dispute] = listed(session, project)
    assert (dispute.dispute.image_id, dispute.why, dispute.blind) == (image, Why.UNDECIDED, kind is RANDOM)


def test_whoever_works_alone_is_not_waited_for_and_the_next_who_comes_is_asked(parts: Parts, project: Project) -> None:
    [review], [image] = _answered(parts, project, [{"ann": UNSURE}])

    alone = ask_another_person(parts, project.id)
    open_to = _states(parts, project)
    _answered(parts, project, [{"bob": "cat"}])
    together = ask_another_person(parts, project.id)

    assert (alone, open_to) == ({"overlap": 0}, {image: UndecidedState.LEAD})
    assert (together, _wanted(parts)) == ({"overlap": 1}, {review: 2})


def test_a_second_person_who_can_tell_makes_the_label_and_the_doubt_stays_in_it(parts: Parts, project: Project) -> None:
    _, [image] = _answered(parts, project, [{"ann": UNSURE, "bob": "cat"}])

    newest = rows_of(parts.database, LabelRow)[-1]

    soft = {"cat": 0.5, UNSURE: 0.5}
    assert (newest.value, newest.evidence["soft"], newest.evidence["confidence"]) == ("cat", soft, 0.5)
    assert _states(parts, project) == {}
    assert label_values(parts.database, project.id) == {image: "cat"}


def test_who_cannot_tell_counts_where_two_others_disagree_so_a_third_is_really_asked(
    parts: Parts, project: Project
) -> None:
    _answered(parts, project, [{"eve": "cat"}])
    [review], _ = _answered(parts, project, [{"ann": "cat", "bob": "dog", "pat": UNSURE}])

    ask_another_person(parts, project.id)

    assert _wanted(parts) == {review: 4}


def test_an_answer_without_a_look_at_the_image_is_asked_of_another_person(parts: Parts, project: Project) -> None:
    _answered(parts, project, [{"bob": "cat"}])
    with transaction(parts.database) as session:
        [review] = ask(session, project, 9, [HARD])
        who = people(session, project, "ann")["ann"]
        factories.annotation(session, review, "cat", annotator_id=who)
        [image] = images_of(session, [review])
        resolve_labels(session, project, [image], NOW)

    ask_another_person(parts, project.id)

    assert _wanted(parts) == {review: 2}
    with reading(parts.database) as session:
        [one] = undecided(session, project)
    assert (one.image_id, one.unsure, one.skipped, one.unviewed) == (image, (), (), (who,))


def test_a_label_that_came_with_the_image_stays_while_people_cannot_tell(parts: Parts, project: Project) -> None:
    with transaction(parts.database) as session:
        who = people(session, project, "ann")["ann"]
        [review] = ask(session, project, 9, [HARD])
        [image] = images_of(session, [review])
        labels.append(session, project.id, [NewLabel(image, "dog", LabelSource.IMPORT, "ingest", "came with it")], NOW)
        answer(session, review, {who: "cat"})
        resolve_labels(session, project, [image], NOW)
        answer(session, review, {who: UNSURE}, at=NOW + timedelta(minutes=1), version=1)
        changed = [resolve_labels(session, project, [image], NOW) for _ in range(2)]

    newest = rows_of(parts.database, LabelRow)[-1]
    assert (changed, newest.value, newest.source) == ([1, 0], "dog", LabelSource.IMPORT)
    assert _states(parts, project) == {image: UndecidedState.LEAD}


def test_a_lead_decides_a_class_or_undecidable_and_can_take_it_back(parts: Parts, project: Project) -> None:
    _, [given, given_up] = _answered(parts, project, [{"ann": UNSURE}, {"ann": SKIP}], RANDOM)
    with transaction(parts.database) as session:
        correct(session, parts.jobs, project, [given], "cat", LEAD, ADJUDICATION)
        correct(session, parts.jobs, project, [given_up], UNSURE, LEAD, ADJUDICATION)
    with reading(parts.database) as session:
        [one] = undecided(session, project)
        nothing_left = listed(session, project)
    with transaction(parts.database) as session:
        correct(session, parts.jobs, project, [given_up], None, LEAD)

    assert (one.image_id, one.state, one.kind) == (given_up, UndecidedState.UNDECIDABLE, RANDOM)
    assert nothing_left == []
    assert label_values(parts.database, project.id) == {given: "cat"}
    assert _states(parts, project) == {given_up: UndecidedState.LEAD}


def test_answers_that_are_void_leave_no_doubt_behind_and_the_image_is_asked_again(
    parts: Parts, project: Project
) -> None:
    [review], [image] = _answered(parts, project, [{"ann": UNSURE}])
    with transaction(parts.database) as session:
        annotators.void(session, people(session, project, "ann")["ann"], Actor("lead", "asleep", NOW))
        changed = [resolve_labels(session, project, [image], NOW) for _ in range(2)]

    with reading(parts.database) as session:
        assert [one.id for one in reviews.open_reviews(session, project.id)] == [review]
    assert (changed, _states(parts, project)) == ([1, 0], {})
    assert rows_of(parts.database, LabelRow)[-1].reason == "answer withdrawn"


def test_who_skips_everything_is_paused_and_leads_get_only_what_others_cannot_tell(
    parts: Parts, project: Project
) -> None:
    said = [{"eve": "cat"} for _ in range(20)]
    made, images = _answered(parts, project, [*said, *({"ann": SKIP} for _ in range(15))])

    ask_another_person(parts, project.id)
    counts = refresh_team(parts, project.id)

    assert set(_states(parts, project)) == set(images[20:])
    assert set(_states(parts, project).values()) == {UndecidedState.ASKED}
    assert _wanted(parts) == dict.fromkeys(made[20:], 2)
    assert counts["paused"] == 1
    with reading(parts.database) as session:
        assert annotators.paused(session, project.id) == {people(session, project, "ann")["ann"]}


@pytest.mark.parametrize("seed", range(3))
def test_in_a_crowd_with_unsure_and_skips_no_image_that_was_asked_about_ever_vanishes(
    parts: Parts, project: Project, seed: int
) -> None:
    rng, minutes = np.random.default_rng(seed), count()
    with transaction(parts.database) as session:
        crowd = people(session, project, "ann", "bob", "eve", "pat")
        made = ask(session, project, 1, [HARD, RANDOM] * 20)
        images = images_of(session, made)

    for _ in range(12):
        _everybody_answers(parts, project, list(crowd.values()), rng, minutes)
        ask_another_person(parts, project.id)
        assert _accounted(parts, project) == set(images)
    with transaction(parts.database) as session:
        waiting = [one.dispute.image_id for one in listed(session, project)]
        for image in waiting:
            correct(session, parts.jobs, project, [image], "cat" if image % 2 else UNSURE, LEAD, ADJUDICATION)

    with reading(parts.database) as session:
        assert reviews.count_open(session, project.id) == 0
        given_up = {one.image_id for one in undecided(session, project)}
        assert listed(session, project) == []
    assert waiting and given_up
    assert label_values(parts.database, project.id).keys() | given_up == set(images)


def _everybody_answers(
    parts: Parts, project: Project, crowd: list[int], rng: np.random.Generator, minutes: Iterator[int]
) -> None:
    """Each open review is answered by one who has not answered it yet, as Label Studio serves it; ann skips a lot."""
    answers = {who: ["cat", "dog", UNSURE, SKIP] for who in crowd}
    answers[crowd[0]] = [SKIP, UNSURE, UNSURE, "cat"]
    with transaction(parts.database) as session:
        rows = session.execute(sa.select(AnnotationRow.review_id, AnnotationRow.annotator_id)).all()
        for one in reviews.open_reviews(session, project.id):
            left = [who for who in crowd if (one.id, who) not in {tuple(row) for row in rows}]
            who = left[rng.integers(len(left))]
            answer(session, one.id, {who: str(rng.choice(answers[who]))}, at=NOW + timedelta(seconds=next(minutes)))
            resolve_labels(session, project, [one.image_id], NOW)


def _accounted(parts: Parts, project: Project) -> set[ImageId]:
    """The images with a label, an open question to a person, or one to a lead."""
    with reading(parts.database) as session:
        labelled = {ImageId(image) for image in label_values(parts.database, project.id)}
        asked = {one.image_id for one in reviews.open_reviews(session, project.id)}
        return labelled | asked | {one.dispute.image_id for one in listed(session, project)}
