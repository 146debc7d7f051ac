"""Explanations are drawn for open reviews that show a class, of nothing that measures people or the classifier."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from db.repositories.projects import projects
from db.repositories.reviews import overlays
from db.repositories.running import failures
from db.session import reading, transaction
from db.tables import ImageRow, RegionRow, ReviewRow
from labeling.adapters.storage.embedding_store import EmbeddingStore
from labeling.adapters.storage.image_store import ImageStore
from labeling.prelabel.engine import Item, Look
from labeling.prelabel.engines.scripted import ScriptedEngine
from labeling.project import Policy, Project
from labeling.types import Actor, LabelSource, ReviewKind
from service.work.explain.explanations import draw_explanations
from service.work.wiring import Parts
from tests import factories
from tests.conftest import NOW
from tests.fakes_label_studio import FakeLabelStudio
from tests.reviewing import ask, make_parts, rows_of

CLASSES = ("cat", "dog", "bird")
KINDS = [ReviewKind.HARD, ReviewKind.HARD, ReviewKind.RANDOM, ReviewKind.AUDIT]
PROBS = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1]]
NOTHING = {"done": 0, "failed": 0, "left": 0}


@dataclass
class Watched:
    """The scripted engine, and what it was shown."""

    engine: ScriptedEngine
    shown: list[int] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def look(self, items: list[Item]) -> Look:
        self.shown.append(len(items))
        return self.engine.look(items)


@dataclass
class World:
    """A project with two hard reviews and two blind ones; `label` makes answered images of any kind."""

    parts: Parts
    project: Project
    reviews: list[int]
    engine: Watched
    _queries: int = 1

    def use(self, explanation: str, engine: str = "scripted") -> None:
        config = replace(self.project.config, policy=Policy(engine=engine, explanation=explanation))
        with transaction(self.parts.database) as session:
            projects.configure(session, self.project.id, config, Actor("test", "test", NOW))

    def draw(self) -> dict[str, int]:
        return draw_explanations(self.parts, self.project.id)

    def label(
        self, kind: ReviewKind, value: str, *, source: LabelSource = LabelSource.PEOPLE, closed: bool = True
    ) -> int:
        """An image that somebody labelled in a review of this kind; its id."""
        self._queries += 1
        with transaction(self.parts.database) as session:
            (review,) = ask(session, self.project, self._queries, [kind])
            image = session.get_one(ReviewRow, review).image_id
            if closed:
                factories.annotation(session, review, value)
            factories.label(session, self.project.id, image, value, source, review)
        self.keep_images()
        return int(image)

    def keep_images(self) -> None:
        """Bytes and vectors for every image: noise that differs from image to image."""
        with transaction(self.parts.database) as session:
            images = session.scalars(sa.select(ImageRow)).all()
            for image in images:
                image.content_hash = f"{image.id:064x}"
        for image in images:
            pixels = np.random.default_rng(image.id).integers(0, 255, (24, 40, 3), dtype=np.uint8)
            out = io.BytesIO()
            Image.fromarray(pixels).save(out, "PNG")
            self.parts.images.keep(f"{image.id:064x}", out.getvalue(), "image/png", None)
        vectors = np.stack([np.random.default_rng(image.id).normal(size=8) for image in images]).astype(np.float32)
        self.parts.embeddings.put(self.engine.image_encoder, [f"{image.id:064x}" for image in images], vectors)

    def drawn(self) -> list[tuple[int, str]]:
        return [(row.review_id, row.answer) for row in rows_of(self.parts.database, RegionRow)]

    def picture(self, review: int) -> Image.Image:
        with reading(self.parts.database) as session:
            name = overlays.newest(session, cast(Any, review))
        return Image.open(io.BytesIO(self.parts.images.drawing(str(name))))


@pytest.fixture
def world(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Iterator[World]:
    engine = Watched(ScriptedEngine(CLASSES))
    parts = make_parts(database, tmp_path, cast(Any, FakeLabelStudio()), now=lambda: NOW)
    parts = replace(
        parts,
        images=ImageStore(parts.settings.storage),
        embeddings=EmbeddingStore(str(tmp_path / "embeddings")),
        engine_for=cast(Any, lambda project: engine),
    )
    project = make_project(database, classes=CLASSES)
    with transaction(database) as session:
        made = ask(session, project, 1, KINDS, probs=PROBS)
    world = World(parts, project, [int(review) for review in made], engine)
    world.keep_images()
    yield world
    parts.jobs.close()


def test_an_occlusion_map_is_drawn_once_for_every_review_that_shows_a_class_and_never_for_a_blind_one(
    world: World,
) -> None:
    world.use("occlusion")

    first, again = world.draw(), world.draw()

    assert (first, again) == ({"done": 2, "failed": 0, "left": 0}, NOTHING)
    assert sorted(world.drawn()) == [(world.reviews[0], "cat"), (world.reviews[1], "dog")]
    assert world.engine.shown == [37, 37]
    assert (world.picture(world.reviews[0]).format, world.picture(world.reviews[0]).size) == ("JPEG", (40, 24))


def test_examples_wait_for_labels_and_come_anew_when_these_have_doubled(world: World) -> None:
    world.use("examples")
    none = world.draw()
    world.label(ReviewKind.HARD, "cat")
    one = world.draw()
    world.label(ReviewKind.HARD, "dog")
    two = world.draw()
    world.label(ReviewKind.HARD, "dog")

    assert (none, one["done"], two["done"], world.draw()) == (NOTHING, 2, 2, NOTHING)
    assert world.picture(world.reviews[0]).size == (400, 184)
    assert world.engine.shown == []


@pytest.mark.parametrize("kind", [ReviewKind.RANDOM, ReviewKind.AUDIT, ReviewKind.GOLD])
def test_an_answer_that_measures_is_never_an_example(world: World, kind: ReviewKind) -> None:
    world.use("examples")
    world.label(kind, "cat")

    assert world.draw() == NOTHING


def test_gold_and_what_somebody_is_still_asked_about_are_no_examples(world: World) -> None:
    world.use("examples")
    world.label(ReviewKind.HARD, "cat", source=LabelSource.GOLD)
    world.label(ReviewKind.HARD, "cat", closed=False)
    world.label(ReviewKind.HARD, "none of these")

    assert world.draw() == NOTHING


def test_an_image_is_no_example_for_its_own_group(world: World) -> None:
    world.use("examples")
    twin = world.label(ReviewKind.HARD, "cat")
    with transaction(world.parts.database) as session:
        own = session.get_one(ReviewRow, world.reviews[0]).image_id
        session.execute(
            sa.update(ImageRow)
            .where(ImageRow.id == own)
            .values(group_id=sa.select(ImageRow.group_id).where(ImageRow.id == twin).scalar_subquery())
        )

    counts = world.draw()

    assert counts == {"done": 1, "failed": 0, "left": 0}
    assert world.drawn() == [(world.reviews[1], "dog")]


def test_both_stand_one_over_the_other_and_the_map_alone_while_there_are_no_labels(world: World) -> None:
    world.use("both")
    world.draw()
    alone = world.picture(world.reviews[0]).size
    world.label(ReviewKind.HARD, "cat")

    world.draw()

    assert alone == (40, 24)
    assert world.picture(world.reviews[0]).size == (200, 120 + 184)


def test_an_engine_that_is_dear_or_slow_is_not_asked_for_a_map_and_the_reason_is_kept(world: World) -> None:
    world.use("occlusion", engine="agent:none/none")

    counts = [world.draw() for _ in range(4)]

    with reading(world.parts.database) as session:
        (failure,) = failures.listing(session, world.project.id)
    assert counts == [NOTHING] * 4
    assert (failure.step, failure.count) == ("explanation", 1)
    assert world.engine.shown == []


def test_an_image_whose_bytes_are_gone_fails_alone_and_not_for_ever(world: World) -> None:
    world.use("occlusion")
    with reading(world.parts.database) as session:
        gone = session.get_one(ReviewRow, world.reviews[0]).image_id
    next(Path(world.parts.settings.storage).glob(f"shown/*/{gone:064x}.sealed.png")).unlink()

    counts = [world.draw() for _ in range(4)]

    assert [(count["done"], count["failed"]) for count in counts] == [(1, 1), (0, 1), (0, 1), (0, 0)]


def test_a_project_that_wants_no_explanation_gets_none(world: World) -> None:
    assert world.draw() == NOTHING
