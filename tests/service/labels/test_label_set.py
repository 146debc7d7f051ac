"""The label set as it changes: answers stay as they were given, and labels, reviews and certificates follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from db.repositories.labels import decisions, labels
from db.repositories.labels.labels import NewLabel
from db.repositories.projects import projects
from db.repositories.reviews import annotations as ledger
from db.session import reading, transaction
from db.tables import AnnotationRow, LabelRow, QueryRow, ReviewRow
from labeling.errors import Conflict, Invalid
from labeling.project import LabelOperation, Project
from labeling.types import NONE_OF_THESE, Actor, ImageId, LabelSource, ReviewId, ReviewKind
from service.jobs.jobs import Jobs
from service.labels.label_set import STRATEGY, Effect, change_label_set, preview, words_of
from service.labels.resolution import resolve_labels
from service.projects.label_operations import read_change
from tests.answering import answer, images_of, people
from tests.conftest import NOW
from tests.reviewing import ask, label_values, rows_of

HARD, RANDOM = ReviewKind.HARD, ReviewKind.RANDOM
LEAD = Actor("lead", "as the client calls them", NOW)


@pytest.fixture
def project(database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    return make_project(database)


def _change(
    database: sa.Engine, operation: str, classes: Sequence[str] = (), into: Sequence[Any] = (), **more: Any
) -> Effect:
    change = read_change(LabelOperation(operation), classes, into).to_operation()
    with transaction(database) as session:
        return change_label_set(session, Jobs(database), projects.only(session).id, change, LEAD, **more)


def _now(database: sa.Engine) -> Project:
    with reading(database) as session:
        return projects.only(session)


def _answered(
    database: sa.Engine, project: Project, said: dict[str, str], kinds: Sequence[ReviewKind] = (HARD,), number: int = 1
) -> tuple[list[ReviewId], list[ImageId]]:
    with transaction(database) as session:
        known = people(session, project, *said)
        reviews = ask(session, project, number, kinds)
        for review in reviews:
            answer(session, review, {known[name]: value for name, value in said.items()})
        images = images_of(session, reviews)
        resolve_labels(session, project, images, NOW)
    return reviews, images


def _resolved_again(database: sa.Engine, images: Sequence[ImageId]) -> int:
    with transaction(database) as session:
        return resolve_labels(session, projects.only(session), images, NOW)


def test_a_renamed_class_has_its_labels_at_once_and_every_answer_as_it_was_given(
    database: sa.Engine, project: Project
) -> None:
    _, [image] = _answered(database, project, {"ann": "cat"})

    effect = _change(database, "rename", ["cat"], ["feline"])

    assert (effect.label_set, effect.follow, effect.classes) == (2, 1, ("feline", "dog", "bird"))
    assert label_values(database, project.id) == {image: "feline"}
    assert [row.answers for row in rows_of(database, AnnotationRow)] == [["cat"]]
    assert [(row.value, row.review_id) for row in rows_of(database, LabelRow)] == [("cat", 1), ("feline", 1)]
    with reading(database) as session:
        assert [vote.answer.single for vote in ledger.votes(session, [image])] == ["feline"]
    assert _resolved_again(database, [image]) == 0


def test_an_answer_that_is_given_under_the_old_name_after_the_change_counts_for_the_new_one(
    database: sa.Engine, project: Project
) -> None:
    with transaction(database) as session:
        [review] = ask(session, project, 1, [HARD])
    _change(database, "rename", ["cat"], ["feline"])
    with transaction(database) as session:
        answer(session, review, {people(session, project, "ann")["ann"]: "cat"})
        [image] = images_of(session, [review])
        resolve_labels(session, project, [image], NOW)  # by a step that had read the project before

    assert label_values(database, project.id) == {image: "feline"}


def test_a_name_can_be_taken_back_and_never_gets_another_meaning(database: sa.Engine, project: Project) -> None:
    _, [image] = _answered(database, project, {"ann": "cat"})
    _change(database, "rename", ["cat"], ["feline"])

    with pytest.raises(Conflict, match="meant something else"):
        _change(database, "add", [], ["cat"])
    with pytest.raises(Conflict, match="meant something else"):
        _change(database, "rename", ["dog"], ["Cat"])
    _change(database, "rename", ["feline"], ["cat"])

    assert _now(database).config.classes == ("cat", "dog", "bird")
    assert label_values(database, project.id) == {image: "cat"}
    assert _resolved_again(database, [image]) == 0


def test_of_merged_classes_labels_follow_and_people_who_said_either_agree(
    database: sa.Engine, project: Project
) -> None:
    _, [one] = _answered(database, project, {"ann": "cat"})
    _, [disputed] = _answered(database, project, {"ann": "cat", "bob": "dog"}, number=2)
    before = label_values(database, project.id)

    effect = _change(database, "merge", ["cat", "dog"], ["pet"])

    assert (before, effect.follow) == ({one: "cat"}, 1)
    assert _now(database).config.classes == ("pet", "bird")
    assert label_values(database, project.id) == {one: "pet", disputed: "pet"}
    assert _resolved_again(database, [one, disputed]) == 0


def test_a_merge_into_a_class_that_is_there_keeps_its_labels(database: sa.Engine, project: Project) -> None:
    _, [cat] = _answered(database, project, {"ann": "cat"})
    _, [dog] = _answered(database, project, {"bob": "dog"}, number=2)

    effect = _change(database, "merge", ["CAT"], ["Dog"])

    assert (effect.was, effect.becomes, effect.follow) == (("cat",), ("dog",), 1)
    assert label_values(database, project.id) == {cat: "dog", dog: "dog"}
    assert [row.value for row in rows_of(database, LabelRow)] == ["cat", "dog", "dog"]


def test_of_a_split_class_people_are_asked_again_and_the_review_keeps_its_use(
    database: sa.Engine, project: Project
) -> None:
    _, [hard, stream] = _answered(database, project, {"ann": "dog"}, [HARD, RANDOM])
    _, [other] = _answered(database, project, {"ann": "cat"}, number=2)

    effect = _change(database, "split", ["dog"], ["puppy", {"name": "adult dog", "description": "over a year"}])

    assert (effect.asked_again, effect.classes) == (2, ("cat", "puppy", "adult dog", "bird"))
    assert label_values(database, project.id) == {other: "cat"}
    with reading(database) as session:
        query = session.scalars(sa.select(QueryRow).where(QueryRow.strategy == STRATEGY)).one()
        again = list(session.scalars(sa.select(ReviewRow).where(ReviewRow.query_id == query.id)))
    assert {row.image_id: (row.kind, row.blind) for row in again} == {hard: ("hard", False), stream: ("random", True)}
    assert _resolved_again(database, [hard, stream, other]) == 0  # the answers of before count for nothing

    with transaction(database) as session:
        answer(session, ReviewId(again[0].id), {people(session, project, "eve")["eve"]: "puppy"})
    _resolved_again(database, [hard, stream])

    assert label_values(database, project.id) == {other: "cat", ImageId(again[0].image_id): "puppy"}


def test_parts_that_are_merged_again_have_all_answers_back(database: sa.Engine, project: Project) -> None:
    _, [image] = _answered(database, project, {"ann": "dog"})
    _change(database, "split", ["dog"], ["puppy", "adult dog"])

    _change(database, "merge", ["puppy", "adult dog"], ["canine"])
    _resolved_again(database, [image])

    assert label_values(database, project.id) == {image: "canine"}


def test_images_of_a_retired_class_are_none_of_these_with_the_reason(database: sa.Engine, project: Project) -> None:
    _, [image] = _answered(database, project, {"ann": "bird"})

    effect = _change(database, "retire", ["bird"])

    assert (effect.excluded, effect.classes) == (1, ("cat", "dog"))
    assert label_values(database, project.id) == {image: NONE_OF_THESE}
    assert rows_of(database, LabelRow)[-1].reason == "class 'bird' was retired: as the client calls them"
    assert _resolved_again(database, [image]) == 0


def test_gold_imports_and_decisions_follow(database: sa.Engine, project: Project) -> None:
    _, [given, gold, decided] = _answered(database, project, {"ann": "bird"}, [HARD] * 3)
    with transaction(database) as session:
        imported = NewLabel(given, "cat", LabelSource.IMPORT, "import", "came with the image")
        known = NewLabel(gold, "cat", LabelSource.GOLD, "lead", "gold")
        labels.append(session, project.id, [imported, known], NOW)
        decisions.add(session, project.id, {decided: "cat"}, decisions.CORRECTION, LEAD)
        resolve_labels(session, project, [decided], NOW)

    effect = _change(database, "rename", ["cat"], ["feline"])
    _resolved_again(database, [gold, decided])

    assert (effect.follow, effect.gold) == (3, 1)
    with reading(database) as session:
        now = labels.current_of(session, [given, gold, decided])
        assert {one.value for one in now.values()} == {"feline"}
        assert now[decided].decision_id == 1
        assert labels.newest_not_by_people(session, [given])[given].value == "feline"


def test_a_preview_says_what_a_change_does_and_changes_nothing(database: sa.Engine, project: Project) -> None:
    _answered(database, project, {"ann": "dog"})
    change = read_change(LabelOperation.SPLIT, ["dog"], ["puppy", "adult dog"]).to_operation()

    with reading(database) as session:
        said = preview(session, projects.only(session), change)

    assert _now(database) == project
    assert said == _change(database, "split", ["dog"], ["puppy", "adult dog"])
    assert "1 of 'dog' have none until people say which part it is" in "\n".join(words_of(said, done=False))


@pytest.mark.parametrize(
    ("operation", "classes", "into", "message"),
    [
        ("rename", ["fish"], ["cod"], "There is no class 'fish'"),
        ("rename", ["cat"], ["DOG"], "There is a class 'dog' already"),
        ("rename", ["cat"], ["cat"], "is called so already"),
        ("rename", ["cat"], [""], "cannot be changed so"),
        ("rename", ["cat"], ["None of these"], "always offered"),
        ("add", [], ["Cat"], "There is a class 'cat' already"),
        ("add", [], [], "names one new class"),
        ("merge", ["cat"], ["pet"], "at least two classes"),
        ("merge", ["cat", "Cat"], ["cat"], "at least two classes"),
        ("split", ["dog"], ["puppy", "Puppy"], "two different parts"),
        ("split", ["dog"], ["dog", "puppy"], "No part can be called 'dog'"),
        ("split", ["dog"], ["cat", "puppy"], "There is a class 'cat' already"),
        ("retire", ["none of these"], [], "There is no class"),
    ],
)
def test_what_cannot_be_done_changes_nothing_and_says_why(
    database: sa.Engine, project: Project, operation: str, classes: list[str], into: list[str], message: str
) -> None:
    with pytest.raises((Conflict, Invalid), match=message):
        _change(database, operation, classes, into)

    assert _now(database) == project


def test_another_case_is_a_new_spelling_of_the_same_class(database: sa.Engine, project: Project) -> None:
    _, [image] = _answered(database, project, {"ann": "cat"})

    _change(database, "rename", ["cat"], ["Cat"])

    assert label_values(database, project.id) == {image: "Cat"}


def test_no_set_gets_smaller_than_two_classes(database: sa.Engine, project: Project) -> None:
    _change(database, "retire", ["bird"])

    with pytest.raises(Conflict, match="2 to 1000 classes"):
        _change(database, "retire", ["dog"])


def test_of_two_changes_at_once_the_second_is_told_what_is_there_now(database: sa.Engine, project: Project) -> None:
    _change(database, "rename", ["cat"], ["feline"])

    with pytest.raises(Conflict, match="stands for 'feline'"):
        _change(database, "rename", ["cat"], ["kitten"])
    with pytest.raises(Conflict, match="at version 2, not 1"):
        _change(database, "retire", ["bird"], label_set=1)


def test_a_project_file_is_put_in_force_with_the_classes_of_now(database: sa.Engine, project: Project) -> None:
    _change(database, "rename", ["cat"], ["feline"])

    with pytest.raises(Conflict, match="hardcase labels"), transaction(database) as session:
        projects.configure(session, project.id, project.config, LEAD)
    with transaction(database) as session:
        again = projects.configure(session, project.id, _now(database).config, LEAD)

    assert (again.config.label_set, again.config.classes) == (2, ("feline", "dog", "bird"))
