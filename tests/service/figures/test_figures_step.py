"""Figures for the pages: right against the truth that was seeded, documented, and computed only when needed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.reviews.reviews import is_open
from db.repositories.versions import predictions
from db.session import make_engine, reading, transaction
from db.tables import FigureRow, GroupRow, ReviewRow, VersionRow
from db.views import dashboard
from db.views.dashboard import Figure
from labeling.jobs import Trigger
from labeling.project import Policy, Project, Shares
from labeling.types import NONE_OF_THESE, ReviewKind, VersionId
from service.figures.figures import OF_CLASSIFIERS, OF_PEOPLE
from service.work.figures.refresh import refresh
from service.work.select.query import choose_query
from service.work.wiring import Parts
from tests import factories
from tests import figures_reference as reference
from tests.conftest import NOW
from tests.service.labelled_pool import ENCODER, add_champion, answer, make_parts, prelabel, seed_images

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "figures.md"
ALL = {"figures": len(OF_CLASSIFIERS)}
POLICY = Policy(query_size=120, shares=Shares(random_first=0.4, blind=0.0))


@pytest.fixture(scope="module")
def asked(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Project]:
    """A home to copy from: a project of 200 images with one query of 120, of which 48 are of the random stream.

    Nothing is answered.
    """
    home = tmp_path_factory.mktemp("asked")
    shutil.copy(empty_database, home / "hardcase.db")
    database = make_engine(f"sqlite:///{home / 'hardcase.db'}")
    parts = make_parts(database, home)
    with transaction(database) as session:
        project = factories.project(session, policy=POLICY)
    seed_images(parts, project, 200)
    choose_query(parts, project.id, Trigger.PRELABELED)
    database.dispose()
    return home, project


@pytest.fixture
def parts(asked: tuple[Path, Project], tmp_path: Path) -> Iterator[Parts]:
    home = shutil.copytree(asked[0], tmp_path / "home")
    database = make_engine(f"sqlite:///{home / 'hardcase.db'}")
    yield make_parts(database, home)
    database.dispose()


@pytest.fixture
def project(asked: tuple[Path, Project]) -> Project:
    return asked[1]


def _kept(parts: Parts, project: Project) -> dict[str, Figure]:
    with reading(parts.database) as session:
        return dashboard.figures(session, project.id)


def _answer_all(parts: Parts) -> dict[int, str]:
    """Everybody says cat; of the random stream every eighth is none of these. Image id -> answer."""
    said = {}
    with transaction(parts.database) as session:
        for i, review in enumerate(session.scalars(sa.select(ReviewRow).order_by(ReviewRow.id)).all()):
            value = NONE_OF_THESE if review.kind == ReviewKind.RANDOM and i % 8 == 0 else "cat"
            answer(session, review, value, shown=None if review.blind else ("cat" if i % 2 else "dog"))
            said[review.image_id] = value
    return said


def _predict(parts: Parts, version: VersionId, images: list[int], probs: list[float]) -> None:
    with transaction(parts.database) as session:
        predictions.add_evidence(session, version, [(image, probs) for image in images], NOW)


def test_before_any_answer_figures_say_that_they_are_not_yet_known(parts: Parts, project: Project) -> None:
    counts = refresh(parts, project.id)

    kept = _kept(parts, project)
    assert counts == ALL
    assert kept["accuracy_by_version"].data == {"versions": []}
    assert kept["confusion"].data["known"] is False
    assert kept["acceptance"].data["all"]["share"] is None
    assert len(kept["hardest"].data["images"]) == 24


def test_nothing_is_computed_again_until_a_fact_changes(parts: Parts, project: Project) -> None:
    first, second = refresh(parts, project.id), refresh(parts, project.id)
    _answer_all(parts)
    third = refresh(parts, project.id)

    assert [first, second, third] == [ALL, {"figures": 0}, ALL]


@pytest.mark.parametrize("name", OF_CLASSIFIERS)
def test_a_figure_that_is_kept_in_another_form_or_was_deleted_is_counted_anew(
    parts: Parts, project: Project, name: str
) -> None:
    refresh(parts, project.id)
    before = _kept(parts, project)[name].data

    counted = []
    for change in (sa.update(FigureRow).values(data={"old": "form"}), sa.delete(FigureRow)):
        with transaction(parts.database) as session:
            session.execute(change.where(FigureRow.name == name))
        counted += [refresh(parts, project.id), refresh(parts, project.id)]

    assert counted == [ALL, {"figures": 0}] * 2
    assert _kept(parts, project)[name].data == before


def test_figures_of_accuracy_rest_on_random_labels_and_count_none_of_these_as_errors(
    parts: Parts, project: Project
) -> None:
    said = _answer_all(parts)
    version = add_champion(parts, project, [], np.empty((0, 3)))
    _predict(parts, version, list(said), [0.7, 0.2, 0.1])  # always cat

    refresh(parts, project.id)

    kept = _kept(parts, project)
    with reading(parts.database) as session:
        random = session.scalars(sa.select(ReviewRow.image_id).where(ReviewRow.kind == "random")).all()
    right = sum(said[image] == "cat" for image in random)
    (row,) = kept["accuracy_by_version"].data["versions"]
    assert (row["n"], row["promoted"], row["champion"], row["known"]) == (48, True, True, True)
    assert row["accuracy"] == pytest.approx(right / 48, abs=1e-4)
    assert row["lower"] < row["accuracy"] < row["upper"]
    same = kept["random_stream"].data["on_collection"]
    assert [row[key] for key in ("accuracy", "lower", "upper", "n")] == [
        same["value"],
        *map(same.get, ("lower", "upper", "n")),
    ]
    cells = {(cell["truth"], cell["said"]): cell["count"] for cell in kept["confusion"].data["counts"]}
    assert cells == {(0, 0): right, (None, 0): 48 - right}


def test_what_arrives_later_has_a_figure_of_its_own_and_weighs_by_its_numbers_in_that_of_everything(
    parts: Parts, project: Project
) -> None:
    _answer_all(parts)
    hashes = [f"{1_000 + i:064x}" for i in range(400)]
    parts.embeddings.put(ENCODER, hashes, np.random.default_rng(1).normal(size=(400, 6)).astype(np.float32))
    with transaction(parts.database) as session:
        for i in range(400):  # 100 of them reserved, and each of these before every older one
            group = factories.group(session, project.id, f"late {i}", reserved=i % 4 == 0)
            session.execute(sa.update(GroupRow).where(GroupRow.id == group).values(position=GroupRow.position / 1_000))
            image = factories.image(session, project.id, hashes[i], group_id=group)
            prelabel(session, image, [0.5, 0.3, 0.2])
    choose_query(parts, project.id, Trigger.PRELABELED)
    with transaction(parts.database) as session:
        for review in session.scalars(sa.select(ReviewRow).where(is_open())).all():
            answer(session, review, "dog")  # whatever is new
        images = list(session.scalars(sa.select(ReviewRow.image_id).order_by(ReviewRow.id)))
    _predict(parts, add_champion(parts, project, images, [[0.8, 0.1, 0.1]] * len(images)), images, [0.8, 0.1, 0.1])

    refresh(parts, project.id)

    found = _kept(parts, project)["random_stream"].data
    old, new, everything = found["on_collection"], found["on_newcomers"], found["on_everything"]
    assert (found["groups"], found["newcomers"]) == (200, 400)
    assert (old["n"], new["n"], everything["n"]) == (48, 48, 96)
    assert old["value"] > 0.8 and new["value"] == 0
    assert everything["value"] == pytest.approx(old["value"] / 3, abs=1e-3)
    assert everything["lower"] <= everything["value"] <= everything["upper"] < old["lower"]
    assert found["on_what_is_left"]["value"] < old["value"] / 2  # nearly all that is left is new


def test_a_version_that_predicted_nothing_keeps_the_figure_of_its_report(parts: Parts, project: Project) -> None:
    add_champion(parts, project, [], np.empty((0, 3)), promoted=False)
    with transaction(parts.database) as session:
        session.scalars(sa.select(VersionRow)).one().report = {
            "random_labels": 40,
            "accuracy": 0.8,
            "accuracy_interval": [0.65, 0.9],
        }

    refresh(parts, project.id)

    kept = _kept(parts, project)
    figure = {"known": True, "n": 40, "accuracy": 0.8, "lower": 0.65, "upper": 0.9}
    (row,) = kept["accuracy_by_version"].data["versions"]
    (one,) = kept["rounds"].data["rounds"]
    assert row == {"version": 1, "promoted": False, "champion": False, **figure}
    assert (one["verdict"], one["reasons"], one["triggers"]) == ("refused", ["it is better"], ["answered", "learned"])
    assert one["random_labels"] == 40


def test_acceptance_speaks_of_reviews_that_showed_a_prelabel(parts: Parts, project: Project) -> None:
    _answer_all(parts)

    refresh(parts, project.id)

    data = _kept(parts, project)["acceptance"].data
    by_label = {row["label"]: row for row in data["classes"]}
    assert list(by_label) == ["cat", "dog", "bird"]
    assert by_label["cat"]["kept"] == by_label["cat"]["shown"] > 0
    assert by_label["dog"]["kept"] == 0
    assert by_label["bird"]["shown"] == 0
    assert data["all"]["shown"] == by_label["cat"]["shown"] + by_label["dog"]["shown"]
    assert 0 < data["all"]["lower"] < data["all"]["share"] < data["all"]["upper"] < 1


def test_rounds_tell_how_many_labels_by_people_each_version_had(parts: Parts, project: Project) -> None:
    add_champion(parts, project, [], np.empty((0, 3)))
    _answer_all(parts)
    add_champion(parts, project, [], np.empty((0, 3)))

    refresh(parts, project.id)

    rounds = _kept(parts, project)["rounds"].data["rounds"]
    assert [(one["version"], one["labels_by_people"]) for one in rounds] == [(1, 0), (2, 120)]


def test_the_hardest_images_stand_first_with_prelabel_champion_and_answer(parts: Parts, project: Project) -> None:
    said = _answer_all(parts)
    hardest, images = next(iter(said)), sorted(said)
    probs = [[0.5, 0.25, 0.25] if image == hardest else [0.9, 0.05, 0.05] for image in images]
    add_champion(parts, project, images, probs)

    refresh(parts, project.id)

    first, *rest = _kept(parts, project)["hardest"].data["images"]
    assert first["image_id"] == hardest
    assert first["answer"] == said[hardest]
    assert first["champion"] == {"label": "cat", "probability": 0.5}
    assert first["prelabel"]["label"] in project.config.classes
    assert all(one["doubt"] < first["doubt"] for one in rest)


def test_every_figure_and_every_count_is_documented_and_plain_json(parts: Parts, project: Project) -> None:
    _answer_all(parts)
    version = add_champion(parts, project, [], np.empty((0, 3)))
    _predict(parts, version, [1], [0.9, 0.05, 0.05])
    refresh(parts, project.id)

    page = PAGE.read_text()
    kept = _kept(parts, project)
    with reading(parts.database) as session:
        tally = dashboard.tally(session, project.id)
    assert tally is not None
    named = set(re.findall(r"`([a-z_]+)`", page))
    assert set(kept) <= named
    assert set(tally.counts) <= named
    assert _keys([figure.data for figure in kept.values()]) <= named
    assert _headings(page.split("\n# ")[0]) == set(kept)
    json.dumps([figure.data for figure in kept.values()], allow_nan=False)


def test_the_reference_page_is_what_the_structs_say() -> None:
    assert PAGE.read_text() == reference.page(), "write it anew: python -m tests.figures_reference"


def test_every_figure_about_peoples_work_is_documented() -> None:
    documented = _headings(PAGE.read_text().split("\n# ")[1])

    assert documented == set(OF_PEOPLE)


def _headings(text: str) -> set[str]:
    return set(re.findall(r"^## `([a-z_]+)`$", text, flags=re.M))


def _keys(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*(_keys(item) for item in value))
    if isinstance(value, dict):
        own = set() if set(value) >= {"people", "certificate"} else set(value)
        return own.union(*(_keys(item) for item in value.values()))
    return set()
