"""A stored query is drawn again to the same images, whatever has happened since; or it is said what is gone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.images import groups
from db.repositories.images.groups import Move
from db.repositories.projects import projects
from db.repositories.versions import versions
from db.session import reading, transaction
from db.tables import ImageRow, QueryBasisRow, QueryRow, ReviewRow
from labeling.adapters.storage.embedding_store import EmbeddingStore
from labeling.adapters.storage.image_store import ImageStore
from labeling.errors import Conflict, NotFound
from labeling.jobs import Trigger
from labeling.project import Gold, Policy, Project
from labeling.types import Actor, DeletionKind, ImageId, LabelSource, ReviewKind
from service.deletions.orders import order
from service.jobs.jobs import Jobs
from service.settings import Settings
from service.work.learn.learn import learn
from service.work.pool.champion import version_predictions
from service.work.promote.judge import promote_by_hand
from service.work.promote.predict import predict
from service.work.select.query import choose_query
from service.work.select.replay import Replay, replay_query
from service.work.wiring import Memo, Parts
from tests import factories
from tests.conftest import NOW, copied
from tests.fakes_label_studio import FakeLabelStudio
from tests.service.deletions.ground import work
from tests.service.labelled_pool import Ground, add_images, answer, make_ground

POLICY = Policy(query_size=12, low_water=4, gold=Gold(rate=0.1))
MakeProject = Callable[..., Project]


@pytest.fixture
def ground(any_database: sa.Engine, tmp_path: Path, make_project: MakeProject) -> Ground:
    return new_ground(any_database, tmp_path / "home", make_project(any_database, policy=POLICY))


def new_ground(database: sa.Engine, home: Path, project: Project) -> Ground:
    made = make_ground(database, home, project, pool=120)
    return replace(made, parts=with_stores(made.parts, database, home))


def with_stores(parts: Parts, database: sa.Engine, home: Path) -> Parts:
    """Parts of this database and home, that hold nothing from before."""
    return replace(
        parts,
        settings=Settings(home=home),
        database=database,
        jobs=Jobs(database),
        images=ImageStore(str(home / "media")),
        embeddings=EmbeddingStore(str(home / "embeddings")),
        label_studio=cast(Any, FakeLabelStudio()),
        memo=Memo(),
    )


def ask(ground: Ground) -> int:
    """The next query, whatever is open; all of it is answered rightly."""
    number = choose_query(ground.parts, ground.project.id, Trigger.HAND, force=True)["query"]
    with transaction(ground.parts.database) as session:
        asked = sa.select(ReviewRow).join(QueryRow, QueryRow.id == ReviewRow.query_id).where(QueryRow.number == number)
        for review in session.scalars(asked).all():
            if review.kind != ReviewKind.GOLD:
                answer(session, review, ground.project.config.classes[ground.truth[review.image_id]])
    return number


def promote(ground: Ground) -> int:
    number = learn(ground.parts, ground.project.id, Trigger.HAND)["version"]
    promote_by_hand(ground.parts, ground.project.id, number, "lead", "test")
    predict(ground.parts, ground.project.id)
    return number


def join(ground: Ground, image: int, other: int) -> None:
    """Let an image come into the group of another."""
    with transaction(ground.parts.database) as session:
        there, here = groups.standing(session, [ImageId(other)])[0], groups.standing(session, [ImageId(image)])[0]
        move = Move(ImageId(image), here.group_id, there.founder, there.position)
        assert groups.move(session, ground.project.id, [move], "test", NOW) == 1


def delete(ground: Ground, image: int) -> None:
    with transaction(ground.parts.database) as session:
        order(session, ground.parts.jobs, ground.project, DeletionKind.IMAGE, image, Actor("lead", "asked for", NOW))
    work(ground.parts, ground.project)


def replayed(ground: Ground, number: int) -> Replay:
    """As another process does it: nothing is held from before."""
    return replay_query(replace(ground.parts, memo=Memo()), ground.project.id, number)


def unasked(ground: Ground) -> list[int]:
    with reading(ground.parts.database) as session:
        asked = set(session.scalars(sa.select(ReviewRow.image_id)))
        return [image for image in session.scalars(sa.select(ImageRow.id).order_by(ImageRow.id)) if image not in asked]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def first_played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Ground, list[int]]]:
    """What `play` leaves, on either database: made once, for each test to copy."""
    of = {"sqlite": "empty_database", "postgres": "postgres_template"}[request.param]
    empty, folder = request.getfixturevalue(of), tmp_path_factory.mktemp("played")
    if request.param == "sqlite":
        source = sa.make_url(f"sqlite:///{empty}")
    else:
        source = sa.make_url(request.getfixturevalue("postgres_server")).set(database=empty)
    with copied(source, folder) as database:
        with transaction(database) as session:
            project = factories.project(session, policy=POLICY)
        ground = new_ground(database, folder / "home", project)
        numbers = play(ground)
        database.dispose()
        yield ground, numbers


@pytest.fixture
def played(first_played: tuple[Ground, list[int]], tmp_path: Path) -> Iterator[tuple[Ground, list[int]]]:
    """A copy of it, to be changed."""
    first, numbers = first_played
    home = shutil.copytree(first.parts.settings.home, tmp_path / "home")
    with copied(first.parts.database.url, tmp_path) as database:
        own = {name: copy(getattr(first, name)) for name in ("truth", "pool", "reserved")}
        yield replace(first, parts=with_stores(first.parts, database, home), **own), numbers


def play(ground: Ground) -> list[int]:
    """Rounds before and after promotions, with arrivals, gold, an edited policy, and groups that join.

    The numbers of the queries.
    """
    with transaction(ground.parts.database) as session:
        for image in ground.pool[-6:]:
            factories.label(session, ground.project.id, image, "cat", source=LabelSource.GOLD)
    numbers = [ask(ground), ask(ground), ask(ground), ask(ground)]
    promote(ground)
    numbers += [ask(ground), ask(ground)]
    add_images(ground, 30, False)
    add_images(ground, 10, True)
    numbers.append(ask(ground))  # newcomers are not predicted yet
    predict(ground.parts, ground.project.id)
    free = [image for image in unasked(ground) if image in ground.pool]
    join(ground, free[1], free[0])
    numbers.append(ask(ground))
    changed = replace(ground.project.config, policy=replace(POLICY, query_size=9, strategy="entropy", seed=5))
    with transaction(ground.parts.database) as session:
        projects.configure(session, ground.project.id, changed, Actor("lead", "another strategy", NOW))
    numbers.append(ask(ground))
    promote(ground)
    numbers.append(ask(ground))
    free = [image for image in unasked(ground) if image in ground.pool]
    join(ground, free[-1], ground.pool[0])
    return numbers


def test_every_query_of_a_played_project_is_drawn_again_to_the_same_images(played: tuple[Ground, list[int]]) -> None:
    ground, numbers = played

    again = [replayed(ground, number) for number in numbers]

    assert numbers == list(range(1, 11))
    assert [(one.asked, one.differing, one.others, one.gone) for one in again] == [
        (one.same, (), (), ()) for one in again
    ]
    assert all(one.equal and one.drawn for one in again)
    assert {one.version for one in again} == {None, 1, 2}
    assert sum(one.asked for one in again) > 100


def test_after_a_deletion_it_says_which_image_is_gone_where_that_could_be_asked_about(
    played: tuple[Ground, list[int]],
) -> None:
    ground, numbers = played
    with reading(ground.parts.database) as session:
        first = sa.select(QueryRow.id).where(QueryRow.number == 1).scalar_subquery()
        hard = ReviewRow.query_id == first, ReviewRow.kind == ReviewKind.HARD
        deleted = session.scalars(sa.select(ReviewRow.image_id).where(*hard)).first()
    assert deleted is not None

    delete(ground, deleted)

    again = {number: replayed(ground, number) for number in numbers}
    assert (again[1].asked - again[1].same) >= 1 and not again[1].equal and again[1].explained
    assert f"Deleted since, of the images that it could ask about: 1 (image {deleted})." in again[1].gone
    assert "Deleted since, of the images that it asked about: 1." in again[1].gone
    for number, one in list(again.items())[1:]:
        assert not any("could ask about" in line for line in one.gone), number
        assert any("labels that were learnt from: 1" in line for line in one.gone), number


def test_what_nobody_could_ask_about_or_learn_from_may_be_deleted(ground: Ground) -> None:
    first = ask(ground)
    [later] = add_images(ground, 1, False)

    delete(ground, later)

    assert replayed(ground, first).equal


def test_the_numbers_that_it_was_drawn_from_are_all_that_is_kept(played: tuple[Ground, list[int]]) -> None:
    ground, numbers = played

    with reading(ground.parts.database) as session:
        kept = list(session.scalars(sa.select(QueryBasisRow)))

    assert len(kept) == len(numbers)
    assert all(len(row.content) < 4_000 for row in kept)
    hashes = [f"{seed:064x}" for seed in range(len(ground.truth))]
    assert not any(one in str(row.terms) for row in kept for one in hashes)


def test_lost_predictions_are_named_and_nothing_is_drawn(played: tuple[Ground, list[int]]) -> None:
    ground, numbers = played
    for file in (ground.parts.settings.home / "predictions").rglob("*.safetensors"):
        file.unlink()

    one = replayed(ground, numbers[5])

    assert not one.drawn and not one.equal and one.explained
    assert one.gone == ("The stored predictions of version 1 are gone, or lack some of its images.",)
    assert replayed(ground, numbers[0]).equal  # no version chose it


def test_a_lost_vector_is_named(played: tuple[Ground, list[int]]) -> None:
    ground, _ = played
    image = unasked(ground)[0]
    with reading(ground.parts.database) as session:
        content = session.get_one(ImageRow, image).content_hash
    ground.parts.embeddings.remove("seeded-encoder", [content])

    one = replayed(ground, 1)

    assert one.gone == (f"Without their vector or pre-label now: 1 (image {image}).",)
    with reading(ground.parts.database) as session:
        assert session.scalar(sa.text(f"SELECT count(*) FROM prelabel WHERE image_id = {image}")) == 1


def test_what_was_labelled_while_it_was_chosen_came_out_and_was_left_out(ground: Ground) -> None:
    chosen: list[int] = []

    def meanwhile(name: str) -> None:
        if name == "select.before_write":
            with transaction(ground.parts.database) as session:
                for image in ground.pool:
                    if image not in chosen:
                        factories.label(session, ground.project.id, image, "cat")
                        chosen.append(image)

    parts = replace(ground.parts, failpoint=cast(Any, meanwhile))
    counts = choose_query(parts, ground.project.id, Trigger.HAND, force=True)

    one = replayed(ground, counts["query"])

    assert one.equal and one.asked == counts["asked"] < 12
    assert set(one.others) <= set(chosen) and len(one.others) == 12 - one.asked


def test_a_query_that_was_not_drawn_or_not_kept_says_so(ground: Ground) -> None:
    number = ask(ground)
    with transaction(ground.parts.database) as session:
        session.execute(sa.delete(QueryBasisRow))

    with pytest.raises(Conflict, match=f"What query {number} was drawn from was not kept"):
        replayed(ground, number)
    with pytest.raises(NotFound, match="There is no query 9: the newest is 1"):
        replayed(ground, 9)


def test_by_weight_the_images_that_are_worth_most_are_asked_and_the_query_is_drawn_again(
    ground: Ground, make_project: MakeProject
) -> None:
    with transaction(ground.parts.database) as session:
        project = projects.by_id(session, ground.project.id)
        weighted = replace(project.config.policy, strategy="weighted", weigh_by="sales")
        config = replace(project.config, policy=weighted)
        projects.configure(session, project.id, config, Actor("lead", "sales", NOW))
        images = session.scalars(sa.select(ImageRow).order_by(ImageRow.id)).all()
        dear = {image.id for image in images if image.id % 3 == 0}
        for image in images:
            image.details = {"sales": 1_000.0 if image.id in dear else "unknown" if image.id % 3 == 1 else 0}
    ground = replace(ground, project=replace(ground.project, config=config))
    ask(ground)
    promote(ground)

    number = ask(ground)

    with reading(ground.parts.database) as session:
        asked = sa.select(ReviewRow.image_id, ReviewRow.representative).join(QueryRow)
        rows = session.execute(asked.where(QueryRow.number == number, ReviewRow.kind == ReviewKind.HARD)).all()
        by_doubt = [image for image, representative in rows if not representative]
    assert by_doubt and set(by_doubt) <= dear
    assert replayed(ground, number).equal


def test_each_pick_is_kept_with_its_reason(played: tuple[Ground, list[int]]) -> None:
    ground, _ = played

    with reading(ground.parts.database) as session:
        found = {(row.kind, row.representative): row.reason for row in session.scalars(sa.select(ReviewRow))}

    assert found["random", False] == "next in the order of the random stream"
    assert found["gold", False] == "drawn by chance from the gold images"
    assert found["hard", True] == "typical of its cluster"
    assert str(found["hard", False]).startswith(("margin 0.", "margin 1.", "entropy "))


def test_a_version_says_of_an_image_what_it_said_before_whoever_comes(ground: Ground) -> None:
    ground.label(ground.pool[:40], ReviewKind.HARD)
    promote(ground)
    with reading(ground.parts.database) as session:
        champion = versions.champion(session, ground.project.id)
    assert champion is not None
    before = version_predictions(ground.parts, champion)
    added = add_images(ground, 7, False)
    counts = predict(ground.parts, ground.project.id)
    after = version_predictions(replace(ground.parts, memo=Memo()), champion)

    assert before is not None and after is not None and counts["rows"] == len(before.image_ids) + 7
    assert np.array_equal(after.fitted[after.rows_of(before.image_ids)], before.fitted)
    assert np.allclose(after.fitted[after.rows_of(np.array(added))].sum(axis=1), 1, atol=0.01)
