"""Soft labels and the labels that follow them: by the majority, by a method that weighs, and back again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from db.repositories.labels import soft_labels
from db.repositories.people import annotators
from db.repositories.projects import projects
from db.session import reading, transaction
from db.tables import FigureRow, LabelRow, QueryRow, SoftLabelRow
from labeling.project import Policy, Project
from labeling.types import NONE_OF_THESE, UNSURE, Actor, ReviewId, ReviewKind
from service.labels.resolution import resolve_labels
from service.work.quality.consensus import refresh_consensus, refresh_large_consensus
from service.work.wiring import Parts
from tests import factories
from tests.answering import answer, engine_in_force, images_of, people
from tests.conftest import NOW
from tests.reviewing import ask, label_values, make_parts, rows_of

HARD = ReviewKind.HARD
CAT, DOG = [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]


@pytest.fixture
def parts(database: sa.Engine, tmp_path: Path) -> Iterator[Parts]:
    made = make_parts(database, tmp_path, cast(Any, None), now=lambda: NOW)
    yield made
    made.jobs.close()


def _answered(parts: Parts, project: Project, said: list[dict[str, str]], **how: Any) -> list[ReviewId]:
    """One hard review each, answered by the people named; settled as sync does it."""
    with transaction(parts.database) as session:
        known = people(session, project, "ann", "bob", "eve")
        number = len(session.scalars(sa.select(QueryRow.id)).all()) + 1
        probs, version = how.pop("probs", None), how.pop("version", None)
        made = ask(session, project, number, how.pop("kinds", [HARD] * len(said)), probs=probs)
        if version is not None:
            for image, predicted in zip(images_of(session, made), probs, strict=True):
                asked_in = session.scalars(sa.select(QueryRow.id).order_by(QueryRow.id.desc())).first()
                factories.prediction(session, image, version, predicted, asked_in=asked_in)
        for review, one in zip(made, said, strict=True):
            answer(session, review, {known[name]: value for name, value in one.items()}, **how)
        resolve_labels(session, project, images_of(session, made), NOW)
    return made


def _soft(parts: Parts) -> list[tuple[str, str | None, dict[str, float]]]:
    return [(row.method, row.value, row.probs) for row in rows_of(parts.database, SoftLabelRow)]


def test_by_majority_shares_are_kept_with_the_label_and_beside_it(
    parts: Parts, make_project: Callable[..., Project]
) -> None:
    project = make_project(parts.database)

    _answered(parts, project, [{"ann": "cat", "bob": "cat", "eve": "dog"}, {"ann": "cat", "bob": UNSURE}])

    first, second = rows_of(parts.database, LabelRow)
    assert (first.value, first.evidence["method"], first.evidence["confidence"]) == ("cat", "majority", 0.6667)
    assert first.evidence["soft"] == {"cat": 0.666667, "dog": 0.333333}
    assert len(first.evidence["annotations"]) == 3
    assert (second.value, second.evidence["soft"]) == ("cat", {"cat": 0.5, UNSURE: 0.5})
    assert _soft(parts)[1] == ("majority", "cat", {"cat": 0.5, UNSURE: 0.5})


def test_a_conflict_withdraws_the_label_and_keeps_who_said_what(
    parts: Parts, make_project: Callable[..., Project]
) -> None:
    project = make_project(parts.database)

    _answered(parts, project, [{"ann": "cat", "bob": NONE_OF_THESE}])

    [row] = rows_of(parts.database, LabelRow)
    assert (row.value, row.reason) == (None, "people disagree: a lead must decide")
    assert _soft(parts) == [("majority", None, {"cat": 0.5, NONE_OF_THESE: 0.5})]


def test_soft_labels_go_when_no_answer_counts_any_more(parts: Parts, make_project: Callable[..., Project]) -> None:
    project = make_project(parts.database)
    [review] = _answered(parts, project, [{"ann": "cat"}])
    with transaction(parts.database) as session:
        ann = annotators.everyone(session, project.id)[0].id
        annotators.void(session, ann, Actor("lead", "random", NOW))

        resolve_labels(session, project, images_of(session, [review]), NOW)

    assert _soft(parts) == []
    assert label_values(parts.database, project.id) == {}


def _with_a_spammer(parts: Parts, project: Project, *, predicted: bool = True, third: bool = False) -> list[ReviewId]:
    """Ann is right and so mostly are engine and version; eve always says dog.

    The last image: ann against eve, and bob, a `third`, against both.
    """
    truth = ["cat", "dog", "bird", "cat", "bird", "cat"] * 3
    said = [{"ann": value, "eve": "dog"} if n % 2 else {"ann": value} for n, value in enumerate(truth)]
    probs = [[0.9 if name == value else 0.05 for name in ("cat", "dog", "bird")] for value in truth]
    with transaction(parts.database) as session:
        engine_in_force(session, project)
        version = factories.version(session, project.id) if predicted else None
    return _answered(
        parts,
        project,
        [*said, {"ann": "cat", "eve": "dog"} | ({"bob": "bird"} if third else {})],
        probs=[*probs, CAT],
        version=version,
    )


def test_a_method_that_weighs_keeps_the_doubt_beside_what_it_found(
    parts: Parts, make_project: Callable[..., Project]
) -> None:
    project = make_project(parts.database, policy=Policy(consensus="dawid-skene"))
    _with_a_spammer(parts, project)
    [review] = _answered(parts, project, [{"ann": "cat", "bob": UNSURE, "eve": "dog"}], probs=[CAT])

    refresh_consensus(parts, project.id)

    with reading(parts.database) as session:
        [image] = images_of(session, [review])
        soft = soft_labels.of(session, [image])[image]
    assert soft.probs[UNSURE] == pytest.approx(1 / 3, abs=1e-4)
    assert sum(soft.probs.values()) == pytest.approx(1, abs=1e-4)
    assert label_values(parts.database, project.id)[image] == "cat"


@pytest.mark.parametrize("method", ["dawid-skene", "glad", "crowdlab"])
def test_a_method_that_weighs_settles_what_the_majority_could_not_and_doing_it_again_changes_nothing(
    parts: Parts, make_project: Callable[..., Project], method: str
) -> None:
    project = make_project(parts.database, policy=Policy(consensus=method))
    reviews = _with_a_spammer(parts, project, third=method == "crowdlab")
    with reading(parts.database) as session:
        disputed = images_of(session, reviews)[-1]
    before = label_values(parts.database, project.id)

    first, second = refresh_consensus(parts, project.id), refresh_consensus(parts, project.id)
    rows = len(rows_of(parts.database, LabelRow))
    with transaction(parts.database) as session:
        again = resolve_labels(session, project, images_of(session, reviews), NOW)

    assert disputed not in before
    assert label_values(parts.database, project.id)[disputed] == "cat"
    assert first["weighed"] == (1 if method == "crowdlab" else len(reviews)) and first["resolved"] >= 1
    assert (second, again, len(rows_of(parts.database, LabelRow))) == ({"weighed": 0}, 0, rows)
    newest = rows_of(parts.database, LabelRow)[-1].evidence
    assert newest["method"] == method and 0.5 < newest["confidence"] <= 1
    assert sum(newest["soft"].values()) == pytest.approx(1, abs=1e-4)
    figure = next(row for row in rows_of(parts.database, FigureRow) if row.name == "consensus").data
    assert figure["quality"]["engine:test-1"] > figure["quality"]["3"]  # eve


def test_crowdlab_is_the_default_and_before_a_first_version_the_majority_stands_and_the_figure_says_so(
    parts: Parts, make_project: Callable[..., Project]
) -> None:
    project = make_project(parts.database)
    reviews = _with_a_spammer(parts, project, predicted=False)
    with reading(parts.database) as session:
        disputed = images_of(session, reviews)[-1]

    first, second = refresh_consensus(parts, project.id), refresh_consensus(parts, project.id)

    assert project.config.policy.consensus == "crowdlab"
    assert first == {"weighed": 0, "resolved": 0} and second == {"weighed": 0}
    assert disputed not in label_values(parts.database, project.id)
    figure = next(row for row in rows_of(parts.database, FigureRow) if row.name == "consensus").data
    assert figure["method"] == "crowdlab" and "by majority" in figure["by_majority"]


def test_between_two_people_crowdlab_leaves_it_to_a_lead(parts: Parts, make_project: Callable[..., Project]) -> None:
    project = make_project(parts.database)
    reviews = _with_a_spammer(parts, project)

    refresh_consensus(parts, project.id)

    with reading(parts.database) as session:
        disputed = images_of(session, reviews)[-1]
        soft = soft_labels.of(session, [disputed])[disputed]
    assert (soft.method, soft.value, soft.probs) == ("majority", None, {"cat": 0.5, "dog": 0.5})
    assert disputed not in label_values(parts.database, project.id)


def test_a_new_answer_counts_by_majority_until_it_is_weighed_and_then_it_ends(
    parts: Parts, make_project: Callable[..., Project]
) -> None:
    project = make_project(parts.database, policy=Policy(consensus="dawid-skene"))
    reviews = _with_a_spammer(parts, project)
    refresh_consensus(parts, project.id)
    with transaction(parts.database) as session:
        known = people(session, project, "ann", "bob", "eve")
        image = images_of(session, reviews)[0]
        answer(session, reviews[0], {known["eve"]: "dog"}, at=NOW + timedelta(minutes=5))
        resolve_labels(session, project, [image], NOW)
    between = label_values(parts.database, project.id).get(image)

    first, second = refresh_consensus(parts, project.id), refresh_consensus(parts, project.id)

    assert between is None  # one against one
    assert label_values(parts.database, project.id)[image] == "cat"
    assert first["resolved"] == 1 and second == {"weighed": 0}


def test_an_engine_alone_never_overrules_the_only_person(parts: Parts, make_project: Callable[..., Project]) -> None:
    project = make_project(parts.database, policy=Policy(consensus="dawid-skene"))
    _with_a_spammer(parts, project)
    [review] = _answered(parts, project, [{"eve": "dog"}], probs=[CAT])

    refresh_consensus(parts, project.id)

    with reading(parts.database) as session:
        image = images_of(session, [review])[0]
        soft = soft_labels.of(session, [image])[image]
    assert soft.value == "cat"  # eve is known to say dog whatever it is
    assert label_values(parts.database, project.id)[image] == "dog"


def test_engines_have_no_say_about_blind_kinds_nor_where_their_word_was_accepted(
    parts: Parts, make_project: Callable[..., Project]
) -> None:
    project = make_project(parts.database, policy=Policy(consensus="dawid-skene"))
    _with_a_spammer(parts, project)
    kinds = [ReviewKind.RANDOM, ReviewKind.AUDIT]
    blind = _answered(parts, project, [{"bob": "dog"}] * 2, probs=[CAT, CAT], kinds=kinds)
    disputed = _answered(parts, project, [{"ann": "cat", "eve": "dog"}], probs=[CAT], kinds=kinds[:1])
    accepted = _answered(parts, project, [{"bob": "dog"}], probs=[CAT], shown="dog")

    refresh_consensus(parts, project.id)

    with reading(parts.database) as session:
        images = images_of(session, [*blind, *accepted])
        soft = soft_labels.of(session, images)
        conflict = images_of(session, disputed)[0]
    assert [soft[image].probs for image in images] == [{"dog": 1.0}] * 3
    assert conflict not in label_values(parts.database, project.id)  # a lead decides


def test_a_method_too_slow_for_so_many_answers_is_left_to_the_slow_job(
    parts: Parts, make_project: Callable[..., Project]
) -> None:
    project = make_project(parts.database, policy=Policy(consensus="dawid-skene"))
    _with_a_spammer(parts, project)

    quick, slow = refresh_consensus(parts, project.id, {"dawid-skene": 3}), refresh_large_consensus(parts, project.id)

    assert quick == {"weighed": 0}
    assert slow["weighed"] > 0


@pytest.mark.parametrize("method", ["majority", "crowdlab"])
def test_back_to_the_majority_or_where_crowdlab_weighs_nothing_every_label_is_settled_by_it_once(
    parts: Parts, make_project: Callable[..., Project], method: str
) -> None:
    project = make_project(parts.database, policy=Policy(consensus="dawid-skene"))
    reviews = _with_a_spammer(parts, project, predicted=False)
    refresh_consensus(parts, project.id)
    with transaction(parts.database) as session:
        plain = replace(project.config, policy=Policy(consensus=method))
        projects.configure(session, project.id, plain, Actor("lead", "simpler", NOW))

    first, second = refresh_consensus(parts, project.id), refresh_consensus(parts, project.id)

    with reading(parts.database) as session:
        disputed = images_of(session, reviews)[-1]
    assert (first["weighed"], second) == (0, {"weighed": 0})
    assert disputed not in label_values(parts.database, project.id)
    assert {method for method, _, _ in _soft(parts)} == {"majority"}
