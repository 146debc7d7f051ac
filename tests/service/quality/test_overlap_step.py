"""Another person is asked where it pays: within the policy, once, and never while one person works alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from db.repositories.labels import decisions
from db.repositories.reviews import overlaps, reviews
from db.session import reading, transaction
from db.tables import OverlapRow, QueryRow, ReviewRow
from db.views import figures
from labeling.project import AUTO, CertificateTerms, Overlap, Policy, Project
from labeling.types import UNSURE, Actor, ReviewId, ReviewKind
from service.figures.figures import write
from service.figures.next_action import NextAction
from service.labels.resolution import resolve_labels
from service.work.quality.overlap import ask_another_person
from service.work.wiring import Parts
from tests.answering import answer, engine_in_force, images_of, people
from tests.conftest import NOW
from tests.reviewing import ask, make_parts, rows_of
from tests.service.labelled_pool import add_champion

HARD, AUDIT, RANDOM = ReviewKind.HARD, ReviewKind.AUDIT, ReviewKind.RANDOM
CAT, DOG = [0.9, 0.05, 0.05], [0.05, 0.9, 0.05]


@pytest.fixture
def parts(database: sa.Engine, tmp_path: Path) -> Iterator[Parts]:
    made = make_parts(database, tmp_path, cast(Any, None), now=lambda: NOW + timedelta(hours=1))
    yield made
    made.jobs.close()


def _answered(
    parts: Parts, project: Project, said: list[dict[str, str]], kinds: list[ReviewKind], probs: list[list[float]]
) -> list[ReviewId]:
    with transaction(parts.database) as session:
        known = people(session, project, "ann", "bob", "eve")
        engine_in_force(session, project)
        number = len(session.scalars(sa.select(QueryRow.id)).all()) + 1
        made = ask(session, project, number, kinds, probs=probs)
        for review, one in zip(made, said, strict=True):
            answer(session, review, {known[name]: value for name, value in one.items()})
        resolve_labels(session, project, images_of(session, made), NOW)
    return made


def _ten(parts: Parts, project: Project, *names: str) -> list[ReviewId]:
    """Ten hard images that all are cats to people; the engine takes the fourth for a dog."""
    said = [{names[number % len(names)]: "cat"} for number in range(10)]
    return _answered(parts, project, said, [HARD] * 10, [DOG if number == 3 else CAT for number in range(10)])


def _wanted(parts: Parts) -> list[tuple[int, int]]:
    return [(row.review_id, row.people) for row in rows_of(parts.database, OverlapRow)]


def test_the_answer_that_the_engine_contradicts_is_asked_again_within_the_share(
    parts: Parts, make_project: Callable[..., Project]
) -> None:
    project = make_project(parts.database)
    made = _ten(parts, project, "ann", "bob")

    first, second = ask_another_person(parts, project.id), ask_another_person(parts, project.id)

    assert (first, second) == ({"overlap": 1}, {"overlap": 0})
    assert _wanted(parts) == [(made[3], 2)]
    assert [job.job for job in parts.jobs.list(project_id=project.id, limit=5)] == ["review"]


def test_one_person_alone_is_never_waited_for(parts: Parts, make_project: Callable[..., Project]) -> None:
    project = make_project(parts.database)
    _ten(parts, project, "ann")
    _answered(parts, project, [{"ann": "cat"}], [AUDIT], [DOG])

    counts = ask_another_person(parts, project.id)

    assert counts == {"overlap": 0}
    with reading(parts.database) as session:
        assert reviews.count_open(session, project.id) == 0


def test_who_answered_long_ago_does_not_take_part(
    parts: Parts, database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(database)
    _ten(parts, project, "ann", "bob")
    later = make_parts(database, tmp_path, cast(Any, None), now=lambda: NOW + timedelta(days=3))

    counts = ask_another_person(later, project.id)

    later.jobs.close()
    assert counts == {"overlap": 0}


def test_where_the_policy_wants_one_person_only_what_certificates_rest_on_is_asked_twice(
    parts: Parts, make_project: Callable[..., Project]
) -> None:
    project = make_project(parts.database, policy=Policy(overlap=Overlap(people=1)))
    _ten(parts, project, "ann", "bob")
    kinds = [AUDIT, HARD, RANDOM]
    audit, *_ = _answered(parts, project, [{"ann": "cat"}] * 3, kinds, [CAT, DOG, DOG])

    ask_another_person(parts, project.id)

    assert _wanted(parts) == [(audit, 2)]


@pytest.mark.parametrize("target", [CertificateTerms(precision=0.9), None])
def test_what_one_person_holds_against_a_version_that_may_be_certified_is_asked_again(
    parts: Parts, make_project: Callable[..., Project], target: CertificateTerms | None
) -> None:
    project = make_project(parts.database, policy=Policy(overlap=Overlap(share=0.0), certificate=target))
    said = [{"ann": "cat"}, {"bob": "cat"}, {"bob": "cat"}]
    same, other, _ = made = _answered(parts, project, said, [RANDOM, RANDOM, HARD], [CAT] * 3)
    before = ask_another_person(parts, project.id)
    with reading(parts.database) as session:
        images = images_of(session, made)
    add_champion(parts, project, sorted(images), [CAT, DOG, DOG])
    assert sorted(images) == list(images)

    counts = ask_another_person(parts, project.id)

    assert before == {"overlap": 0} and same != other
    assert counts == {"overlap": int(target is not None)}
    assert _wanted(parts) == ([(other, 2)] if target else [])


def test_who_could_not_tell_does_not_stand_in_for_the_second_person_of_a_certificate(
    parts: Parts, make_project: Callable[..., Project]
) -> None:
    target = CertificateTerms(precision=0.9)
    project = make_project(parts.database, policy=Policy(overlap=Overlap(share=0.0), certificate=target))
    said = [{"ann": UNSURE, "bob": "cat"}, {"eve": "dog"}]
    slip, _ = made = _answered(parts, project, said, [RANDOM, RANDOM], [CAT] * 2)
    with reading(parts.database) as session:
        images = images_of(session, made)
    add_champion(parts, project, sorted(images), [DOG, DOG])

    ask_another_person(parts, project.id)

    assert _wanted(parts) == [(slip, 3)]


@pytest.mark.parametrize(("others", "third"), [([{"eve": "cat"}], True), ([], False)])
def test_a_conflict_asks_a_third_where_policy_and_team_have_one_left_and_else_a_lead(
    parts: Parts, make_project: Callable[..., Project], others: list[dict[str, str]], third: bool
) -> None:
    project = make_project(parts.database, policy=Policy(overlap=Overlap(people=3, share=0.0)))
    kinds = [HARD, AUDIT, HARD]
    said = [{"ann": "cat", "bob": "dog"}] * 3
    hard, _, decided, *_ = _answered(
        parts, project, [*said, *others], kinds + [HARD] * len(others), [CAT] * (3 + len(others))
    )
    with transaction(parts.database) as session:
        image = images_of(session, [decided])[0]
        decisions.add(session, project.id, {image: "cat"}, "adjudication", Actor("lead", "", NOW))

    ask_another_person(parts, project.id)

    assert _wanted(parts) == ([(hard, 3)] if third else [])


def test_no_more_is_asked_while_the_budget_is_spent(parts: Parts, make_project: Callable[..., Project]) -> None:
    project = make_project(parts.database)
    _ten(parts, project, "ann", "bob")
    ask_another_person(parts, project.id)
    _answered(parts, project, [{"ann": "cat"}] * 9, [HARD] * 9, [DOG] * 9)

    counts = ask_another_person(parts, project.id)

    assert counts == {"overlap": 0}  # one of nineteen is asked twice, and a tenth of them is one


@pytest.mark.parametrize(("last", "expected"), [("cat", 2), ("dog", 12)])
def test_second_answers_become_few_while_they_repeat_the_first_and_all_are_asked_when_one_differs(
    parts: Parts, make_project: Callable[..., Project], last: str, expected: int
) -> None:
    project = make_project(parts.database, policy=Policy(overlap=Overlap(people=2, share=0.5)))
    both = [{"ann": "cat", "bob": "cat"}] * 11 + [{"ann": "cat", "bob": last}]
    _answered(parts, project, [*both, *[{"ann": "cat"}] * 12], [HARD] * 24, [CAT] * 24)

    ask_another_person(parts, project.id)

    assert len(_wanted(parts)) == expected


def _ranked(parts: Parts, project: Project, new_answer: float) -> None:
    """The ranking of actions says what the answer about a new image corrects."""
    ranking = NextAction(
        pool=100, expected_wrong=9.0, accept=0, actions=[], first=[], wage=0.0, currency="USD", seconds=5.0, timed=40,
         used_error=0.1, pairs=0, label_teaches=0.0, new_answer=new_answer, worth_asking_twice=0,
    )  # fmt: skip
    with transaction(parts.database) as session:
        figures.keep(session, project.id, [write(ranking)], f"made of {new_answer}", NOW, ":next_action")


def test_where_the_share_follows_a_tenth_is_asked_until_second_answers_tell_how_often_people_err(
    parts: Parts, make_project: Callable[..., Project]
) -> None:
    project = make_project(parts.database, policy=Policy(overlap=Overlap(share=AUTO)))
    made = _ten(parts, project, "ann", "bob")
    _ranked(parts, project, 0.0)

    ask_another_person(parts, project.id)

    assert _wanted(parts) == [(made[3], 2)]


@pytest.mark.parametrize(("new_answer", "asked"), [(0.05, 4), (0.6, 0)])
def test_where_the_share_follows_second_answers_are_asked_that_are_worth_more_than_a_new_image(
    new_answer: float, asked: int, parts: Parts, make_project: Callable[..., Project]
) -> None:
    project = make_project(parts.database, policy=Policy(overlap=Overlap(share=AUTO)))
    _answered(parts, project, [{"ann": "cat", "bob": "cat"}] * 16, [HARD] * 16, [CAT] * 16)
    with transaction(parts.database) as session:
        twice = {one.id: 2 for one in session.scalars(sa.select(ReviewRow))}
        overlaps.want(session, {ReviewId(review): people for review, people in twice.items()}, Actor("t", "doubt", NOW))
    doubtful = _answered(parts, project, [{"ann": "cat"}] * 10, [HARD] * 10, [DOG] * 4 + [CAT] * 6)
    _ranked(parts, project, new_answer)

    ask_another_person(parts, project.id)

    wanted = {review for review, _ in _wanted(parts)} - twice.keys()
    assert wanted == set(doubtful[:asked])


def test_a_new_ranking_is_followed_without_a_new_answer(parts: Parts, make_project: Callable[..., Project]) -> None:
    project = make_project(parts.database, policy=Policy(overlap=Overlap(share=AUTO)))
    _answered(parts, project, [{"ann": "cat", "bob": "cat"}] * 16, [HARD] * 16, [CAT] * 16)
    with transaction(parts.database) as session:
        twice = {ReviewId(one.id): 2 for one in session.scalars(sa.select(ReviewRow))}
        overlaps.want(session, twice, Actor("t", "doubt", NOW))
    _answered(parts, project, [{"ann": "cat"}], [HARD], [DOG])
    _ranked(parts, project, 0.6)
    before = ask_another_person(parts, project.id)

    _ranked(parts, project, 0.01)

    assert (before, ask_another_person(parts, project.id)) == ({"overlap": 0}, {"overlap": 1})
